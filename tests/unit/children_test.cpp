// SPDX-License-Identifier: Apache-2.0
// Children: when they run beside a parent that makes more, and who takes them over.
#include "unit_test.hpp"

#include <algorithm>
#include <atomic>
#include <vector>

using unit::counted;
using unit::gate;

namespace {

struct breed {
  using reply = int;
  int children;
};

// Spawns that many; the most that waited at any time to run.
int spawn_all(int children) {
  std::atomic<int> ended{0};
  int most = 0;
  for (int i = 0; i < children; ++i) {
    gr::spawn([&ended, mine = counted(i)] { ++ended; });
    most = std::max(most, i + 1 - ended.load());
  }
  unit::yield_until([&] { return ended == children; });
  return most;
}

struct breeder {
  using messages = gr::messages<breed>;
  int on(breed b) { return spawn_all(b.children); }
};

}  // namespace

TEST_CASE("a parent of many lets its children run before it has made them all") {
  const unit::no_leaks watch;
  gr::runtime rt({.workers = 1, .threads_max = 1});
  // 128 at once, and as many more for each time that a slow machine makes the parent wait so long
  // that it gets a fair turn before they are through.
  constexpr int many = 20'000, some = 5'000;
  int most = 0;
  CHECK(unit::on_green_thread(rt, [&] { most = spawn_all(many); }));
  CHECK(most > 1);
  CHECK(most <= some);
  // In a handler too, which then keeps the stack it runs on.
  auto object = rt.spawn<breeder>();
  const auto in_handler = object.ask(breed{many}, unit::long_time);
  REQUIRE(in_handler);
  CHECK(*in_handler <= some);
}

TEST_CASE("a spawn is no place to be cancelled at") {
  const unit::no_leaks watch;
  gr::runtime rt({.workers = 1, .threads_max = 1});
  constexpr int n = 1'000;
  std::atomic<int> ended{0};
  int made = 0;
  gate here, go;
  auto parent = rt.spawn([&] {
    {
      const gr::shield until_it_is_cancelled;
      here.open();
      go.wait_on_green_thread();
    }
    while (made < n) {
      gr::spawn([&ended] { ++ended; });
      ++made;
    }
    gr::sleep_for(unit::long_time);
    made = 0;
  });
  here.wait_on_os_thread();
  parent.cancel();
  go.open();
  CHECK(parent.join().error() == gr::error::cancelled);
  CHECK(made == n);
  CHECK(unit::on_green_thread(rt, [&] { unit::yield_until([&] { return ended == n; }); }));
}

TEST_CASE("a child whose parent computes is taken over, whatever was stolen before") {
  const unit::no_leaks watch;
  gr::runtime rt({.workers = 2});
  for (int round = 0; round < unit::scaled(50, 5); ++round)
    CHECK(unit::on_green_thread(rt, [&] {
      // So short that the other worker learns not to want them.
      spawn_all(5'000);
      // It never waits and never ends before they ran, so the other worker must run them.
      std::atomic<int> ran{0};
      for (int i = 0; i < 3; ++i) gr::spawn([&ran] { ++ran; });
      while (ran != 3) gr::detail::sync::relax();
    }));
}

TEST_CASE("a child whose parent computes is taken over, whatever else could be stolen") {
  const unit::no_leaks watch;
  gr::runtime rt({.workers = 4});
  std::atomic<bool> enough{false};
  std::vector<gr::green_thread> breeders;
  // Their children are not worth stealing, and there are always some.
  for (int i = 0; i < 2; ++i)
    breeders.push_back(rt.spawn([&] {
      while (!enough) spawn_all(300);
    }));
  for (int round = 0; round < unit::scaled(50, 3); ++round)
    CHECK(unit::on_green_thread(rt, [&] {
      std::atomic<int> ran{0};
      for (int i = 0; i < 3; ++i) gr::spawn([&ran] { ++ran; });
      while (ran != 3) gr::detail::sync::relax();
    }));
  enough = true;
  for (auto& one : breeders) CHECK(one.join());
}

TEST_CASE("a parent that lets its children run goes on elsewhere if they take long") {
  const unit::no_leaks watch;
  gr::runtime rt({.workers = 2});
  for (int round = 0; round < unit::scaled(10, 2); ++round)
    CHECK(unit::on_green_thread(rt, [&] {
      // The children run from the first full batch on, and the first of them does not end before
      // the parent has made all: so it goes on while that one has its worker.
      constexpr int n = 1'000;
      std::atomic<bool> made_all{false};
      std::atomic<bool> one_waits{false};
      std::atomic<int> ended{0};
      for (int i = 0; i < n; ++i)
        gr::spawn([&] {
          if (!one_waits.exchange(true))
            while (!made_all) gr::detail::sync::relax();
          ++ended;
        });
      made_all = true;
      unit::yield_until([&] { return ended == n; });
    }));
}
