// SPDX-License-Identifier: Apache-2.0
// Latches and wait groups: who is let through when, and that the last one may tidy up.
#include "unit_test.hpp"

#include <memory>
#include <optional>
#include <stdexcept>
#include <thread>
#include <vector>

TEST_CASE("a latch opens when it is counted down, and stays open") {
  gr::latch l(3);
  CHECK_FALSE(l.try_wait());
  l.count_down(2);
  CHECK_FALSE(l.try_wait());
  CHECK(l.wait_for(1ms).error() == gr::error::timeout);
  l.count_down();
  CHECK(l.try_wait());
  l.wait();
  CHECK(l.wait_for(-1s));
  gr::latch none(0);
  none.wait();
}

TEST_CASE("counts that make no sense are refused, and change nothing") {
  CHECK_THROWS_AS(gr::latch(-1), std::invalid_argument);
  CHECK_THROWS_AS(gr::latch(INT64_MAX), std::invalid_argument);
  gr::latch l(2);
  CHECK_THROWS_WITH_AS(l.count_down(3),
                       "greenroom: latch: count_down by -3 at a count of 2: it would leave the "
                       "range from 0 to 2^60",
                       std::invalid_argument);
  CHECK_THROWS_AS(l.count_down(-1), std::invalid_argument);
  CHECK_THROWS_AS(l.count_down(INT64_MIN), std::invalid_argument);
  l.count_down(2);
  CHECK(l.try_wait());
  gr::wait_group g;
  CHECK_THROWS_AS(g.done(), std::invalid_argument);
  CHECK_THROWS_AS(g.add(INT64_MAX), std::invalid_argument);
  CHECK_THROWS_AS(g.add(INT64_MIN), std::invalid_argument);
  CHECK(g.count() == 0);
}

// Goal: many more than one batch of waiters, of both kinds, are all let through. Method: they stand
// at the latch before it opens, as far as the counter can tell.
TEST_CASE("all who wait at a latch are let through, green threads and OS threads") {
  const int many = unit::scaled(1'000, 200);
  gr::latch l(2);
  std::atomic<int> came{0}, through{0};
  std::vector<gr::green_thread> all;
  gr::runtime rt;
  for (int i = 0; i < many; ++i)
    all.push_back(rt.spawn([&] {
      ++came;
      l.wait();
      ++through;
    }));
  std::vector<std::jthread> foreign;
  for (int i = 0; i < 4; ++i)
    foreign.emplace_back([&] {
      ++came;
      if (l.wait_for(unit::long_time)) ++through;
    });
  unit::yield_until([&] { return came == many + 4; });
  l.count_down();
  CHECK(through == 0);
  l.count_down();
  for (const auto& g : all) CHECK(g.join());
  foreign.clear();
  CHECK(through == many + 4);
}

TEST_CASE("arrive_and_wait is a meeting point") {
  constexpr int parties = 20;
  gr::latch l(parties);
  std::atomic<int> arrived{0}, early{0};
  std::vector<gr::green_thread> all;
  gr::runtime rt;
  for (int i = 0; i < parties; ++i)
    all.push_back(rt.spawn([&] {
      ++arrived;
      l.arrive_and_wait();
      if (arrived != parties) ++early;
    }));
  for (const auto& g : all) CHECK(g.join());
  CHECK(early == 0);
}

TEST_CASE("a wait at a latch is cancelled, with and without a result") {
  gr::latch l(1);
  std::atomic<int> unwound{0}, told{0}, there{0};
  struct unwinding {
    std::atomic<int>& count;
    ~unwinding() { ++count; }
  };
  gr::runtime rt;
  auto plain = rt.spawn([&] {
    const unwinding u{unwound};
    ++there;
    l.wait();
  });
  auto bounded = rt.spawn([&] {
    ++there;
    const gr::status s = l.wait_for(unit::long_time);
    if (!s && s.error() == gr::error::cancelled) ++told;
  });
  unit::yield_until([&] { return there == 2; });
  plain.cancel();
  bounded.cancel();
  CHECK(plain.join().error() == gr::error::cancelled);
  (void)bounded.join();
  CHECK(unwound == 1);
  CHECK(told == 1);
  l.count_down();
}

// Goal: nobody touches a latch after the last waiter went on (J2). Method: the waiter destroys it
// at once, again and again; ASan and TSan see a late step.
TEST_CASE("who has waited at a latch may destroy it at once") {
  const int rounds = unit::scaled(20'000, 2'000);
  std::atomic<gr::latch*> shared{nullptr};
  std::atomic<bool> over{false};
  gr::runtime rt({.workers = 2});
  auto other = rt.spawn([&] {
    while (!over)
      if (gr::latch* l = shared.exchange(nullptr))
        l->count_down();
      else
        gr::yield();
  });
  unit::on_green_thread(rt, [&] {
    for (int i = 0; i < rounds; ++i) {
      auto l = std::make_unique<gr::latch>(1);
      shared = l.get();
      if (i % 3 == 0)
        unit::yield_until([&] { return l->try_wait(); });
      else
        l->wait();
    }
  });
  over = true;
  CHECK(other.join());
}

TEST_CASE("a wait group is waited for, and used again") {
  gr::wait_group g;
  int sum = 0;
  gr::runtime rt;
  gr::mutex m;
  unit::on_green_thread(rt, [&] {
    for (int round = 1; round <= 10; ++round) {
      g.add(10);
      for (int i = 0; i < 10; ++i)
        gr::spawn([&] {
          {
            const std::lock_guard hold(m);
            ++sum;
          }
          g.done();
        });
      g.wait();
      const std::lock_guard hold(m);
      if (sum != round * 10) sum = -1'000'000;
    }
  });
  CHECK(sum == 100);
  g.wait();
}

// Goal: J1, a waiter whose round is over is let through though the group is in use again. Method:
// done() and add() follow each other without a wait between them; the waiter only has to return.
TEST_CASE("a wait group that is at work again lets those go that waited for the round before") {
  const int rounds = unit::scaled(5'000, 500);
  gr::runtime rt({.workers = 2});
  gr::wait_group g(1);
  std::atomic<int> waits{0}, returned{0};
  auto waiter = rt.spawn([&] {
    for (int i = 0; i < rounds; ++i) {
      ++waits;
      g.wait();
      ++returned;
    }
  });
  unit::on_green_thread(rt, [&] {
    while (returned < rounds) {
      gr::yield();
      g.done();
      g.add();
    }
  });
  CHECK(waiter.join());
  CHECK(returned == rounds);
}

// Goal: time-outs, cancels and the opening meet, and nobody stays behind. Method: waits of a few
// microseconds around a count_down at a random moment.
TEST_CASE("latches open while waits at them time out and are cancelled") {
  const std::uint32_t seed = unit::seed_of_this_run();
  CAPTURE(seed);
  const int rounds = unit::scaled(400, 60);
  constexpr int waiters = 40;
  std::minstd_rand random(seed);
  std::atomic<int> through{0}, late{0}, cut{0};
  int expected = 0;
  gr::runtime rt({.workers = 2});
  for (int round = 0; round < rounds; ++round) {
    std::optional<gr::latch> l(std::in_place, 1);
    std::vector<gr::green_thread> all;
    for (int i = 0; i < waiters; ++i) {
      const auto patience = std::chrono::microseconds(random() % 60);
      const bool bounded = i % 2 == 0;
      all.push_back(rt.spawn([&, patience, bounded] {
        if (!bounded) {
          try {
            l->wait();
            ++through;
          } catch (gr::cancelled) {
            ++cut;
            throw;
          }
          return;
        }
        const gr::status s = l->wait_for(patience);
        ++(s ? through : s.error() == gr::error::timeout ? late : cut);
      }));
    }
    gr::sleep_for(std::chrono::microseconds(random() % 60));
    for (int i = 0; i < 5; ++i) all[random() % waiters].cancel();
    l->count_down();
    for (const auto& g : all) (void)g.join();
    expected += waiters;
    l.reset();
  }
  // Who was cancelled before it began did not come here.
  CHECK(through + late + cut <= expected);
  CHECK(through + late + cut >= expected - rounds * 5);
}
