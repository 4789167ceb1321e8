// SPDX-License-Identifier: Apache-2.0
// How a channel finds out where those it wakes are best run. Times are made up.
#include "mailbox/channel_pace.hpp"
#include "unit_test.hpp"

using greenroom::detail::channel_pace;

namespace {

// Values that take so long each, by the way that is taken.
struct made_up {
  std::int64_t free_ns;
  std::int64_t beside_ns;

  channel_pace pace{};
  std::int64_t clock_ns = 1;
  bool beside = false;
  int beside_samples = 0;

  void run(int samples) {
    beside_samples = 0;
    for (int i = 0; i < samples; ++i) {
      clock_ns += (beside ? beside_ns : free_ns) * channel_pace::sample_values;
      beside = pace.judge_sample(clock_ns, channel_pace::sample_values);
      beside_samples += beside ? 1 : 0;
    }
  }
};

constexpr int many = 20'000;

}  // namespace

TEST_CASE("who is woken at a channel goes on where that has been seen to be faster") {
  made_up crosses{150, 20};
  crosses.run(many);
  CHECK(crosses.beside);
  CHECK(crosses.beside_samples > many * 9 / 10);

  made_up alike{40, 40};
  alike.run(many);
  CHECK_FALSE(alike.beside);
  CHECK(alike.beside_samples < many / 20);

  made_up stays{40, 70};
  stays.run(many);
  CHECK(stays.beside_samples < many / 20);
  CHECK(stays.beside_samples > 0);  // it was tried
}

TEST_CASE("a channel whose values take long does not try to keep both ends on one worker") {
  made_up works{50'000, 100'000};
  works.run(many);
  CHECK(works.beside_samples == 0);
}

TEST_CASE("a way that has become slower is doubted, and the other one taken") {
  made_up changes{150, 20};
  changes.run(many);
  REQUIRE(changes.beside);
  // The values begin to cost work, which two workers share.
  changes.free_ns = 5'000;
  changes.beside_ns = 10'000;
  changes.run(1'000);
  CHECK_FALSE(changes.beside);
  changes.free_ns = 150;
  changes.beside_ns = 20;
  changes.run(many);
  CHECK(changes.beside);
}
