// SPDX-License-Identifier: Apache-2.0
// Selects at the edge of what makes sense: one object in two cases, times without meaning,
// mistakes.
#include "unit_test.hpp"

#include <atomic>
#include <memory>
#include <stdexcept>
#include <utility>

// Goal: X6. Method: one object in two cases; two receivers, one, or none.
TEST_CASE("an object that two cases would send is sent once, or is still there") {
  gr::runtime rt({.workers = 2});
  auto [to_a, from_a] = gr::channel<std::unique_ptr<int>>(0);
  auto [to_b, from_b] = gr::channel<std::unique_ptr<int>>(0);
  auto p = std::make_unique<int>(7);
  CHECK(gr::select(to_a.on(std::move(p), [] {}), to_b.on(std::move(p), [] {}), gr::after(1ms)));
  REQUIRE(p != nullptr);
  CHECK(gr::select(to_a.on(std::move(p), [] {}), to_b.on(std::move(p), [] {}), gr::otherwise()));
  REQUIRE(p != nullptr);
  const int many = unit::scaled(5'000, 500);
  std::atomic<int> sum{0}, wrong{0};
  const auto reader = [&](gr::receiver<std::unique_ptr<int>> from) {
    return rt.spawn([&, in = std::move(from)] {
      for (auto v : in) v == nullptr ? ++wrong : sum += *v;
    });
  };
  const auto a = reader(std::move(from_a));
  const auto b = reader(std::move(from_b));
  const auto sender = rt.spawn([&, out = to_a, other = to_b] {
    for (int i = 0; i < many; ++i) {
      auto one = std::make_unique<int>(1);
      gr::select(out.on(std::move(one), [] {}), other.on(std::move(one), [] {}));
      if (one != nullptr) ++wrong;
    }
  });
  to_a.close();
  to_b.close();
  CHECK(sender.join());
  CHECK(a.join());
  CHECK(b.join());
  CHECK(sum == many);
  CHECK(wrong == 0);
}

TEST_CASE("a timer that never goes off is no case that could happen") {
  gr::receiver<int> none;
  CHECK_FALSE(gr::select(none.on([](int) {}), gr::at(gr::never), gr::after(gr::duration::max())));
}

TEST_CASE("one case that stands twice in a select is a mistake that is said") {
  auto [tx, rx] = gr::channel<int>(1);
  auto once = rx.on([](int) {});
  CHECK_THROWS_AS(gr::select(once, once), std::logic_error);
  CHECK(tx.try_send(1));  // and nobody is left in a line
  CHECK(rx.size() == 1);
}

TEST_CASE("a time before the clock's beginning has passed, on an OS thread too") {
  auto [tx, rx] = gr::channel<int>(0);
  CHECK(rx.receive_until(gr::time_point::min()).error() == gr::error::timeout);
  CHECK(tx.send_until(gr::time_point(gr::duration(-1)), 1).error().why == gr::error::timeout);
  gr::sleep_until(gr::time_point::min());
}

TEST_CASE("who is not the actor itself is told that it may not receive or select there") {
  struct note {};
  gr::runtime rt;
  std::atomic<int> refused{0};
  auto actor = rt.spawn([&](gr::mailbox<note>& in) {
    const auto other = gr::spawn([&] {
      try {
        in.receive([](note) {});
      } catch (const std::logic_error&) { ++refused; }
      try {
        gr::select(in.on([](note) {}));
      } catch (const std::logic_error&) { ++refused; }
    });
    CHECK(other.join());
    in.receive([](note) {});
  });
  actor.send(note{});
  actor = {};
  CHECK(rt.shutdown(unit::long_time).ok());
  CHECK(refused >= 1);
}
