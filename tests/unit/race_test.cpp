// SPDX-License-Identifier: Apache-2.0
// The first success of several; the others are cancelled and waited for.
#include "unit_test.hpp"

#include <stdexcept>
#include <string>
#include <thread>

using unit::counted;
using unit::gate;

namespace {

constexpr gr::duration soon = 2ms;
using result = std::expected<int, gr::error>;

struct get {
  using reply = int;
};

int too_late() {
  const counted mine(1);
  gr::sleep_for(24h);
  return -1;
}

}  // namespace

TEST_CASE("a race returns the first success and ends the others before that") {
  const unit::no_leaks watch;
  gr::runtime rt;
  CHECK(unit::on_green_thread(rt, [] {
    for (int i = 0; i < 20; ++i) {
      const long before = counted::alive();
      const auto won = gr::race(
          too_late, [i] { return i; }, too_late,
          []() -> result { return std::unexpected(gr::error::refused); });
      CHECK(won.value() == i);
      CHECK(counted::alive() == before);
    }
  }));
}

TEST_CASE("of replicas that are asked the one that answers wins, from an OS thread as well") {
  gate done;
  gr::runtime rt;
  const auto replica = [&](int value, bool waits) {
    return rt.spawn([&done, value, waits](gr::mailbox<get>& in) {
      while (in.receive([&](get) {
        const gr::shield until_then;
        if (waits) done.wait_on_green_thread();
        return value;
      })) {}
    });
  };
  const auto slow = replica(1, true), fast = replica(2, false);
  const auto check = [&] {
    const auto won = gr::race_for(unit::long_time, slow.request(get{}), fast.request(get{}));
    CHECK(won.value() == 2);
    const auto none = gr::race_for(soon, slow.request(get{}), slow.request(get{}));
    CHECK(none.error() == gr::error::timeout);
    CHECK(gr::race(slow.request(get{})).error() == gr::error::invalid);
  };
  CHECK(unit::on_green_thread(rt, check));
  std::thread(check).join();
  done.open();
}

TEST_CASE("if nobody succeeds, the race has the error of the first that failed") {
  gr::runtime rt;
  CHECK(unit::on_green_thread(rt, [] {
    gate first;
    const auto lost = gr::race(
        [&]() -> result {
          first.wait_on_green_thread();
          return std::unexpected(gr::error::full);
        },
        [&]() -> result {
          const unit::opens_at_end last(first);
          return std::unexpected(gr::error::refused);
        });
    CHECK((lost.error() == gr::error::refused || lost.error() == gr::error::full));
    const auto late = gr::with_deadline(soon, [] { return gr::race(too_late, too_late); });
    CHECK(late.error() == gr::error::timeout);
    CHECK(gr::race_for(-1s, too_late).error() == gr::error::timeout);
  }));
}

TEST_CASE("an exception before the first success comes out of the race; a loser's is logged") {
  const unit::no_leaks watch;
  unit::log_book book;
  {
    gr::runtime rt{{.logger = book.logger()}};
    CHECK(unit::on_green_thread(rt, [] {
      CHECK_THROWS_AS((void)gr::race(too_late, []() -> int { throw std::runtime_error("before"); }),
                      std::runtime_error);
      gate waits;
      const auto won = gr::race(
          [&]() -> int {
            try {
              waits.open();
              return too_late();
            } catch (const gr::cancelled&) { throw std::runtime_error("after"); }
          },
          [&] {
            waits.wait_on_green_thread();
            return 5;
          });
      CHECK(won.value() == 5);
    }));
  }
  CHECK(book.errors() == 1);
  CHECK(book.has("after"));
}

TEST_CASE("an owner that is cancelled in a race unwinds when all of it has ended") {
  const unit::no_leaks watch;
  gate runs;
  gr::runtime rt;
  auto owner = rt.spawn([&] {
    (void)gr::race(
        [&] {
          runs.open();
          return too_late();
        },
        too_late);
    CHECK(false);
  });
  runs.wait_on_os_thread();
  owner.cancel();
  CHECK(owner.join().error() == gr::error::cancelled);
}

// Goal: exactly one wins, and the others have ended when the race returns.
// Method: racers of about one length that count themselves and hold values that do.
TEST_CASE("races of equals have one winner each") {
  const std::uint32_t seed = unit::seed_of_this_run();
  CAPTURE(seed);
  const unit::no_leaks watch;
  gr::runtime rt;
  CHECK(unit::on_green_thread(rt, [&] {
    std::minstd_rand random(seed);
    const int races = unit::scaled(5'000, 300);
    for (int i = 0; i < races; ++i) {
      std::atomic<int> inside{0};
      const auto racer = [&inside, waits = random() % 3](int value) {
        return [&inside, waits, value] {
          struct stay {
            std::atomic<int>& n;
            explicit stay(std::atomic<int>& of) : n(of) { ++n; }
            ~stay() { --n; }
          } const here(inside);
          const counted mine(value);
          for (auto k = waits; k != 0; --k) gr::yield();
          return counted(value);
        };
      };
      const auto won = gr::race(racer(1), racer(2), racer(3));
      CHECK(inside == 0);
      CHECK((won->value() >= 1 && won->value() <= 3));
    }
  }));
}
