// SPDX-License-Identifier: Apache-2.0
// Asks under fire: replies, deadlines and cancels race for them at random, and every ask and every
// request must be accounted for in exactly one way.
//
// Method: askers with random deadlines around the time an answer takes, some of them cancelled,
// ask actors that answer at once, later through a promise, or not at all. Replies are values that
// count themselves, so one that is lost or destroyed twice shows.
#include "unit_test.hpp"

#include <optional>
#include <thread>
#include <vector>

namespace {

struct question {
  using reply = unit::counted;
  unit::counted payload;
};
struct kept_question {
  using reply = unit::counted;
  unit::counted payload;
};

struct tally {
  std::atomic<long> asked{0}, answered{0}, timeout{0}, dropped{0}, cancelled{0}, other{0};
  std::atomic<long> handled{0}, promised{0};

  template <class R>
  void count(const R& r) {
    if (r)
      ++answered;
    else if (r.error() == gr::error::timeout)
      ++timeout;
    else if (r.error() == gr::error::dropped)
      ++dropped;
    else if (r.error() == gr::error::cancelled)
      ++cancelled;
    else
      ++other;
  }
};

// Every third promise is dropped, the others are kept when the next one comes.
struct answerer {
  using messages = gr::messages<question, kept_question>;
  tally& all;
  std::optional<gr::promise<unit::counted>> kept = {};
  int number = 0;

  unit::counted on(question q) {
    ++all.handled;
    if (++number % 16 == 0) gr::yield();
    return unit::counted(q.payload.value());
  }
  void on(kept_question q, gr::promise<unit::counted> p) {
    ++all.promised;
    if (++number % 3 != 0 && kept) kept->set(unit::counted(q.payload.value()));
    kept = std::move(p);
  }
};

void ask_on(const gr::address<question, kept_question>& to, tally& all, int asks,
            std::uint32_t seed) {
  std::minstd_rand random(seed);
  for (int i = 0; i < asks; ++i) {
    // An own answer takes some microseconds.
    const auto within = std::chrono::microseconds(random() % 200);
    ++all.asked;
    if (random() % 4 != 0)
      all.count(to.ask(question{unit::counted(i)}, within));
    else
      all.count(to.ask(kept_question{unit::counted(i)}, within));
  }
}

}  // namespace

TEST_CASE("every ask ends once, and every request is answered, late, expired or dropped") {
  const std::uint32_t seed = unit::seed_of_this_run();
  CAPTURE(seed);
  const unit::no_leaks watch;
  constexpr int askers = 8;
  const int each = unit::scaled(25'000, 700);
  tally all;
  gr::dead_letters dead{};
  {
    gr::runtime rt;
    auto to = rt.spawn<answerer>({.capacity = 4}, all);
    std::vector<gr::green_thread> threads;
    for (int a = 0; a < askers; ++a)
      threads.push_back(
          rt.spawn([&, a, to] { ask_on(to, all, each, seed + static_cast<std::uint32_t>(a)); }));
    std::jthread outside([&] { ask_on(to, all, each / 10, seed + 100); });
    for (const auto& t : threads) CHECK(t.join());
    outside.join();
    to = {};
    CHECK(rt.shutdown(unit::long_time).ok());
    dead = rt.dead_letters();
  }
  CHECK(all.asked == askers * each + each / 10);
  CHECK(all.asked == all.answered + all.timeout + all.dropped + all.cancelled + all.other);
  CHECK(all.cancelled == 0);
  CHECK(all.other == 0);
  // A plain request that was handled was answered in time or late. Of the promised ones some were
  // dropped; a promise dropped after its asker's deadline leaves no trace, so they are bounded.
  const long late = static_cast<long>(dead.late_reply);
  CHECK(all.answered + late <= all.handled + all.promised);
  CHECK(all.answered + late >= all.handled);
  // What was asked was handled, or expired, or given up while it waited for room.
  CHECK(all.asked == all.handled + all.promised + static_cast<long>(dead.expired + dead.timeout));
}

TEST_CASE("asks that are cancelled at random are conserved as well") {
  const std::uint32_t seed = unit::seed_of_this_run();
  CAPTURE(seed);
  const unit::no_leaks watch;
  const int rounds = unit::scaled(3'000, 150);
  tally all;
  std::atomic<long> unwound{0};
  {
    gr::runtime rt;
    auto to = rt.spawn<answerer>({.capacity = 2}, all);
    unit::on_green_thread(rt, [&, to] {
      std::minstd_rand random(seed);
      for (int round = 0; round < rounds; ++round) {
        std::vector<gr::green_thread> some;
        for (int k = 0; k < 4; ++k)
          some.push_back(gr::spawn([&, to, k] {
            struct at_end {
              std::atomic<long>& n;
              ~at_end() { ++n; }
            } const count{unwound};
            ask_on(to, all, 3, seed + static_cast<std::uint32_t>(round * 4 + k));
          }));
        for (auto waits = random() % 8; waits != 0; --waits) gr::yield();
        for (const auto& s : some)
          if (random() % 2 == 0) s.cancel();
        for (const auto& s : some) s.join();
      }
    });
    to = {};
    CHECK(rt.shutdown(unit::long_time).ok());
  }
  CHECK(unwound == rounds * 4);
  // An ask that threw at its start, because a cancel was reported before, is counted as asked only.
  CHECK(all.asked >= all.answered + all.timeout + all.dropped + all.cancelled);
  CHECK(all.other == 0);
}
