// SPDX-License-Identifier: Apache-2.0
// The latest value: who sees which, and the end.
#include "unit_test.hpp"

#include <memory>
#include <string>
#include <thread>
#include <vector>

TEST_CASE("a watch shows the latest value, and whether it was seen") {
  auto [tx, rx] = gr::watch(std::string("one"));
  CHECK(rx.get() == "one");
  CHECK_FALSE(rx.has_changed());
  CHECK(rx.changed_for(1ms).error() == gr::error::timeout);
  CHECK(tx.send("two"));
  CHECK(tx.send("three"));
  auto copy = rx;
  CHECK(rx.has_changed());
  CHECK(rx.changed());
  CHECK(rx.get() == "three");
  CHECK_FALSE(rx.has_changed());
  CHECK(copy.has_changed());  // each has seen what it has seen
  CHECK(copy.get() == "three");
  CHECK(copy.changed_for(1ms).error() == gr::error::timeout);
  auto late = tx.subscribe();
  CHECK_FALSE(late.has_changed());
  CHECK(tx.receivers() == 3);
}

TEST_CASE("a watch ends when its last sender goes, after the last value was seen") {
  auto [tx, rx] = gr::watch(1);
  auto other = tx;
  tx = {};
  CHECK_FALSE(rx.is_closed());
  CHECK(other.send(2));
  other = {};
  CHECK(rx.is_closed());
  CHECK(rx.changed());
  CHECK(rx.get() == 2);
  CHECK(rx.changed().error() == gr::error::closed);
  CHECK(rx.get() == 2);
  auto [to, from] = gr::watch(1);
  to.close();
  auto back = to.send(5);
  REQUIRE_FALSE(back);
  CHECK(back.error().message == 5);
  CHECK(from.changed().error() == gr::error::closed);
}

TEST_CASE("all who wait for a change see the last value, green threads and OS threads") {
  const int many = unit::scaled(500, 100);
  const int last = unit::scaled(2'000, 200);
  const unit::no_leaks leaks;
  {
    gr::runtime rt;
    auto [tx, first] = gr::watch(unit::counted(0));
    std::atomic<int> ended{0}, wrong{0};
    const auto follow = [&](gr::watch_receiver<unit::counted> rx) {
      int seen = 0;
      while (rx.changed()) {
        const int now = rx.get().value();
        if (now < seen) ++wrong;
        seen = now;
      }
      if (seen == last) ++ended;
    };
    std::vector<gr::green_thread> all;
    for (int i = 0; i < many; ++i) all.push_back(rt.spawn([&, rx = first] { follow(rx); }));
    std::vector<std::jthread> foreign;
    for (int i = 0; i < 2; ++i) foreign.emplace_back([&, rx = first] { follow(rx); });
    for (int i = 1; i <= last; ++i) {
      CHECK(tx.send(unit::counted(i)));
      if (i % 16 == 0) gr::yield();
    }
    tx = {};
    for (const auto& g : all) CHECK(g.join());
    foreign.clear();
    CHECK(ended == many + 2);
    CHECK(wrong == 0);
  }
}

TEST_CASE("a wait for a change is cancelled") {
  gr::runtime rt;
  auto [tx, rx] = gr::watch(1);
  std::atomic<bool> told{false}, there{false};
  auto waiter = rt.spawn([&, my_rx = rx]() mutable {
    there = true;
    told = my_rx.changed().error() == gr::error::cancelled;
    (void)my_rx.changed();  // throws
    told = false;
  });
  unit::yield_until([&] { return there.load(); });
  waiter.cancel();
  CHECK_FALSE(waiter.join());
  CHECK(told);
}

// Goal: the last of all ends frees the state once, whichever it is. Method: all go at once.
TEST_CASE("the ends of a watch may go in any order at once") {
  const int rounds = unit::scaled(2'000, 200);
  const unit::no_leaks leaks;
  gr::runtime rt({.workers = 2});
  unit::on_green_thread(rt, [&] {
    for (int i = 0; i < rounds; ++i) {
      std::vector<gr::green_thread> all;
      {
        auto [tx, rx] = gr::watch(unit::counted(i));
        for (int k = 0; k < 3; ++k) {
          all.push_back(gr::spawn([my_tx = tx, k] { (void)my_tx.send(unit::counted(k)); }));
          all.push_back(gr::spawn([my_rx = rx]() mutable {
            while (my_rx.changed()) (void)my_rx.get();
          }));
        }
      }
      for (const auto& g : all) (void)g.join();
    }
  });
}
