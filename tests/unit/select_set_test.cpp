// SPDX-License-Identifier: Apache-2.0
// Selects whose cases come and go at run time.
#include "unit_test.hpp"

#include <greenroom/channel.hpp>
#include <greenroom/select_set.hpp>

#include <algorithm>
#include <memory>
#include <string>
#include <thread>
#include <vector>

using unit::counted;
using unit::gate;

namespace {

struct line {
  gr::sender<int> tx;
  gr::receiver<int> rx;
};

std::vector<line> lines(std::size_t n, std::uint32_t capacity) {
  std::vector<line> all(n);
  for (auto& each : all) {
    auto [tx, rx] = gr::channel<int>(capacity);
    each = {std::move(tx), std::move(rx)};
  }
  return all;
}

}  // namespace

TEST_CASE("a set without cases, or with none that can happen, ends at once") {
  gr::select_set set;
  CHECK(set.size() == 0);
  CHECK_FALSE(set.wait());
  CHECK(set.wait_for(unit::long_time) == gr::selected::ended);
  CHECK(set.try_now() == gr::selected::ended);
  set.add(gr::receiver<int>().on([](int) {}));
  set.add(gr::sender<int>().on(1, [] {}));
  CHECK_FALSE(set.wait());
  CHECK(set.wait_until(gr::never) == gr::selected::ended);
}

// Goal: two hundred inputs are all heard, in order each, and the set ends with the last. Method:
// one producer sends to random ones; another thread has the set.
TEST_CASE("a set of two hundred channels hears each of them, in its order, to the end") {
  const std::uint32_t seed = unit::seed_of_this_run();
  CAPTURE(seed);
  const int n = unit::scaled(20'000, 2'000);
  gr::runtime rt{{.workers = 2}};
  for (const std::uint32_t capacity : {0u, 1u, 64u}) {
    CAPTURE(capacity);
    auto all = lines(200, capacity);
    std::vector<int> next(all.size());
    int wrong = 0, ended = 0;
    gr::select_set set;
    for (std::size_t i = 0; i < all.size(); ++i) {
      set.add(all[i].rx.on([&, i](int v) { wrong += v == next[i]++ ? 0 : 1; }));
      set.add(all[i].rx.on_end([&] { ++ended; }));
      all[i].rx.close();
    }
    auto producer = rt.spawn([&all, seed] {
      std::minstd_rand random(seed);
      std::vector<int> number(all.size());
      for (int i = 0; i < n; ++i) {
        const std::size_t to = random() % all.size();
        all[to].tx.send(number[to]++);
      }
      for (auto& each : all) each.tx.close();
    });
    auto reader = rt.spawn([&] {
      while (set.wait()) {}
    });
    CHECK(reader.join());
    CHECK(producer.join());
    int heard = 0;
    for (const int count : next) heard += count;
    CHECK(heard == n);
    CHECK(wrong == 0);
    CHECK(ended == 200);
  }
}

TEST_CASE("a set is fair among the ready") {
  constexpr int cases = 16, n = 8'000;
  auto all = lines(cases, n);
  std::vector<int> counts(cases);
  gr::select_set set;
  for (std::size_t i = 0; i < cases; ++i) {
    for (int k = 0; k < n; ++k) all[i].tx.send(k);
    set.add(all[i].rx.on([&counts, i](int) { ++counts[i]; }));
  }
  for (int i = 0; i < n; ++i) CHECK(set.wait());
  CHECK(std::ranges::min(counts) > n / cases / 2);
  CHECK(std::ranges::max(counts) < n / cases * 2);
}

TEST_CASE("a prioritized set takes the first that is ready, in the order they were added") {
  auto all = lines(3, 10);
  gr::select_set set(gr::prioritized);
  std::vector<int> order;
  for (int i = 2; i >= 0; --i)
    set.add(all[static_cast<std::size_t>(i)].rx.on([&order, i](int) { order.push_back(i); }));
  for (auto& each : all)
    for (int k = 0; k < 3; ++k) each.tx.send(k);
  while (set.try_now() == gr::selected::happened) {}
  CHECK(order == std::vector{2, 2, 2, 1, 1, 1, 0, 0, 0});
}

TEST_CASE("a case that was removed never happens, and its values stay in the channel") {
  auto all = lines(2, 4);
  int first = 0, second = 0;
  gr::select_set set;
  const auto number = set.add(all[0].rx.on([&](int) { ++first; }));
  set.add(all[1].rx.on([&](int) { ++second; }));
  CHECK(set.size() == 2);
  for (auto& each : all) each.tx.send(1);
  CHECK(set.remove(number));
  CHECK_FALSE(set.remove(number));
  CHECK(set.size() == 1);
  CHECK(set.try_now() == gr::selected::happened);
  CHECK(set.try_now() == gr::selected::nothing);
  CHECK((first == 0 && second == 1));
  CHECK(all[0].rx.try_receive() == 1);
}

TEST_CASE("a number is not used again for another case") {
  auto all = lines(1, 1);
  gr::select_set set;
  std::vector<std::uint64_t> numbers;
  for (int i = 0; i < 100; ++i) {
    numbers.push_back(set.add(all[0].rx.on([](int) {})));
    if (i % 2 == 0) CHECK(set.remove(numbers.back()));
  }
  std::ranges::sort(numbers);
  CHECK(std::ranges::adjacent_find(numbers) == numbers.end());
  CHECK(set.size() == 50);
}

TEST_CASE("functions of a set's cases add to it and remove from it, themselves too") {
  auto all = lines(4, 8);
  for (auto& each : all)
    for (int i = 0; i < 8; ++i) each.tx.send(i);
  gr::select_set set;
  std::vector<int> got(4);
  std::uint64_t mine = 0;
  int added = 0;
  mine = set.add(all[0].rx.on([&](int) {
    ++got[0];
    CHECK(set.remove(mine));
    for (std::size_t i = 1; i < 4; ++i) {
      set.add(all[i].rx.on([&got, i](int) { ++got[i]; }));
      ++added;
    }
  }));
  CHECK(set.wait());
  CHECK(added == 3);
  for (int i = 0; i < 24; ++i) CHECK(set.wait());
  CHECK(set.try_now() == gr::selected::nothing);
  CHECK(got == std::vector{1, 8, 8, 8});
}

TEST_CASE("what a set sends is sent once, a timer goes off once, an end is told once") {
  auto [tx, rx] = gr::channel<std::string>(4);
  auto [other, from_other] = gr::channel<int>(1);
  int sent = 0, late = 0, ended = 0;
  gr::select_set set;
  {
    const std::string hello = "hello";
    set.add(tx.on(hello, [&] { ++sent; }));
    set.add(tx.on(std::string("world"), [&] { ++sent; }));
  }
  set.add(gr::after(1us, [&] { ++late; }));
  set.add(from_other.on_end([&] { ++ended; }));
  other.close();
  while (set.wait()) {}
  CHECK((sent == 2 && late == 1 && ended == 1));
  std::vector<std::string> got;
  while (auto s = rx.try_receive()) got.push_back(*s);
  std::ranges::sort(got);
  CHECK(got == std::vector<std::string>{"hello", "world"});
}

TEST_CASE("a set waits no longer than it is told, and says how it ended") {
  auto all = lines(2, 1);
  int got = 0;
  gr::select_set set;
  for (auto& each : all) set.add(each.rx.on([&](int v) { got += v; }));
  CHECK(set.wait_for(1us) == gr::selected::nothing);
  CHECK(set.wait_until(gr::now() - 1s) == gr::selected::nothing);
  all[1].tx.send(5);
  CHECK(set.wait_for(unit::long_time) == gr::selected::happened);
  CHECK(got == 5);
  // What waited in vain has left the lines.
  CHECK(all[0].tx.try_send(1));
  CHECK(all[0].rx.try_receive() == 1);
  for (auto& each : all) each.tx.close();
  CHECK(set.wait_for(unit::long_time) == gr::selected::ended);
}

TEST_CASE("a set owns its ends, values and functions, and lets go of them with each case") {
  const unit::no_leaks watch;
  const long before = counted::alive();
  auto [tx, rx] = gr::channel<counted>(4);
  auto [to, from] = gr::channel<counted>(1);
  {
    gr::select_set set;
    int sum = 0;
    const auto number = set.add(
        rx.on([held = counted(1), &sum](const counted& c) { sum += held.value() * c.value(); }));
    rx.close();
    set.add(to.on(counted(9), [] {}));
    CHECK(tx.try_send(counted(7)));  // the set's receiver is left
    while (set.size() != 0 && set.try_now() == gr::selected::happened) {}
    CHECK(sum == 7);
    CHECK(from.receive().value().value() == 9);
    gr::select_set moved = std::move(set);
    CHECK(tx.try_send(counted(8)));
    CHECK(moved.wait());
    CHECK(sum == 15);
    CHECK(moved.remove(number));
    CHECK(tx.try_send(counted(7)).error().why == gr::error::closed);
  }
  CHECK(counted::alive() == before);
}

// Goal: a server takes in new channels while it waits on others. Method: receivers travel through
// a channel that is itself in the set.
TEST_CASE("a set grows by channels that come through a channel") {
  const int n = unit::scaled(500, 60);
  gr::runtime rt{{.workers = 2}};
  auto [joins, joining] = gr::channel<gr::receiver<int>>(0);
  long sum = 0;
  auto server = rt.spawn([&, in = std::move(joining)] {
    gr::select_set set;
    set.add(
        in.on([&](const gr::receiver<int>& one) { set.add(one.on([&](int v) { sum += v; })); }));
    while (set.wait()) {}
  });
  for (int i = 0; i < n; ++i) {
    auto [tx, rx] = gr::channel<int>(static_cast<std::uint32_t>(i) % 2);
    joins.send(rx);
    rx.close();
    rt.spawn([out = std::move(tx), i] {
      for (int k = 0; k < 3; ++k) out.send(i);
    });
  }
  joins.close();
  CHECK(server.join());
  CHECK(sum == 3L * n * (n - 1) / 2);
  unit::yield_until([&] { return rt.actors() == 0; });
}

TEST_CASE("a set's wait that is cancelled leaves all lines") {
  gr::runtime rt;
  auto all = lines(20, 0);
  for (int round = 0; round < unit::scaled(200, 30); ++round) {
    gate started;
    auto waits = rt.spawn([&] {
      gr::select_set set;
      for (auto& each : all) {
        set.add(each.rx.on([](int) {}));
        set.add(each.tx.on(1, [] {}));
      }
      started.open();
      set.wait();
    });
    started.wait_on_os_thread();
    waits.cancel();
    CHECK(waits.join().error() == gr::error::cancelled);
    for (auto& each : all) {
      CHECK(each.tx.try_send(0).error().why == gr::error::full);
      CHECK(each.rx.try_receive().error() == gr::error::empty);
    }
  }
}

TEST_CASE("a plain OS thread waits on a set, and a thousand green threads send to it") {
  constexpr std::size_t n = 1'000;
  gr::runtime rt{{.workers = 2}};
  auto all = lines(n, 0);
  long sum = 0;
  gr::select_set set;
  for (auto& each : all) set.add(each.rx.on([&](int v) { sum += v; }));
  for (std::size_t i = 0; i < n; ++i)
    rt.spawn([out = std::move(all[i].tx), i] { out.send(static_cast<int>(i)); });
  for (auto& each : all) each.rx.close();
  while (set.wait()) {}
  CHECK(sum == n * (n - 1) / 2);
}

TEST_CASE("an exception that leaves a function leaves the set as it was") {
  auto all = lines(2, 2);
  int got = 0;
  gr::select_set set;
  set.add(all[0].rx.on([&](int v) {
    if (v == 1) throw std::runtime_error("one");
    got += v;
  }));
  all[0].tx.send(1);
  all[0].tx.send(2);
  CHECK_THROWS_AS(set.wait(), std::runtime_error);
  CHECK(set.wait());
  CHECK(got == 2);
  CHECK(set.size() == 1);
}
