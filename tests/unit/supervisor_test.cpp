// SPDX-License-Identifier: Apache-2.0
// Supervisors: what they keep, what they restart, how they give up and stop.
#include "unit_test.hpp"

#include <atomic>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

using unit::gate;

namespace {

struct add {
  int n = 0;
};
struct total {
  using reply = int;
};
struct fail {};

// Adds up; what it has added is gone when it is restarted.
struct counter {
  using messages = gr::messages<add, total, fail>;
  explicit counter(int start) : sum(start) {}
  int sum;
  void on(add a) { sum += a.n; }
  int on(total) { return sum; }
  void on(fail) { throw std::runtime_error("told to"); }
};

int total_of(const gr::address<add, total, fail>& a) {
  const auto n = a.ask(total{}, unit::long_time);
  REQUIRE(n);
  return *n;
}

}  // namespace

TEST_CASE("a child that fails is started again, its address and what is queued stay") {
  unit::log_book log;
  gr::runtime rt({.logger = log.logger()});
  gr::supervisor app(rt, gr::one_for_one, {.name = "app"});
  auto c = app.child<counter>("counter", gr::permanent, 100);
  REQUIRE(app.start());
  c.send(add{5});
  CHECK(total_of(c) == 105);
  c.send(fail{});
  c.send(add{1});  // queued, or sent to its next life
  CHECK(total_of(c) == 101);
  CHECK(app.restart_count() == 1);
  CHECK(app.address<total>("counter").ask(total{}, unit::long_time) == 101);
  CHECK(log.has("supervisor app: counter ended: std::runtime_error: told to (while handling"));
  app.stop();
  CHECK(app.join());
  CHECK(c.send(add{1}).error() == gr::error::closed);
  unit::yield_until([&] { return rt.actors() == 0; });
}

TEST_CASE("a function child is started again with copies of its arguments") {
  std::atomic<int> lives{0};
  gr::runtime rt;
  gr::supervisor app(rt);
  auto a = app.child(
      "f", gr::permanent,
      [&lives](gr::mailbox<add, total>& in, int sum, std::string text) {
        ++lives;
        CHECK(text == "text");
        std::string taken = std::move(text);
        while (in.receive([&](add m) { sum += m.n; }, [&](total) { return sum; })) {
          if (sum < 0) throw std::runtime_error("negative");
        }
      },
      10, "text");
  REQUIRE(app.start());
  for (int i = 0; i < 3; ++i) {
    a.send(add{-100});
    CHECK(a.ask(total{}, unit::long_time) == 10);
  }
  CHECK(lives == 4);
}

TEST_CASE("children are started in order and stopped in reverse order") {
  std::string order;  // written by one at a time: the supervisor waits for each
  gr::runtime rt;
  gr::supervisor app(rt);
  struct noisy {
    using messages = gr::messages<add>;
    std::string* order;
    char name;
    noisy(std::string* o, char n) : order(o), name(n) { *order += name; }
    noisy(const noisy&) = delete;
    ~noisy() { *order += static_cast<char>(name - 'a' + 'A'); }
    void on(add) {}
  };
  for (char c = 'a'; c != 'e'; ++c) app.child<noisy>(std::string(1, c), gr::permanent, &order, c);
  REQUIRE(app.start());
  CHECK(order == "abcd");
  app.stop();
  CHECK(app.join());
  CHECK(order == "abcdDCBA");
}

TEST_CASE("too many restarts, and the supervisor gives up, which its host hears") {
  unit::log_book log;
  gr::runtime rt({.logger = log.logger()});
  gr::supervisor app(rt, gr::one_for_one, {.name = "app", .restarts_max = 2, .within = 3600s});
  auto c = app.child<counter>("counter", gr::permanent, 0);
  REQUIRE(app.start());
  for (int i = 0; i < 3; ++i) c.send(fail{});
  const gr::status s = app.join();
  REQUIRE_FALSE(s);
  CHECK(s.error() == gr::error::failed);
  CHECK(std::string(s.error().text())
            .find("supervisor app: more than 2 restarts in 3600000 ms; "
                  "the last: `counter` ended: std::runtime_error") == 0);
  CHECK(app.restart_count() == 2);
}

TEST_CASE("a supervisor that gives up is restarted by the one above, addresses stay") {
  unit::log_book log;
  gr::runtime rt({.logger = log.logger()});
  gr::supervisor sub(rt, gr::one_for_one, {.name = "sub", .restarts_max = 1, .within = 3600s});
  auto c = sub.child<counter>("counter", gr::permanent, 7);
  gr::supervisor app(rt, gr::one_for_one, {.name = "app"});
  app.child(gr::permanent, std::move(sub));
  REQUIRE(app.start());
  CHECK(total_of(c) == 7);
  for (int i = 0; i < 2; ++i) c.send(fail{});
  CHECK(total_of(c) == 7);
  unit::yield_until([&] { return app.restart_count() == 1; });
}

TEST_CASE("a start that fails is told up the tree, and those before it are stopped") {
  struct careful {
    using messages = gr::messages<add>;
    explicit careful(bool well) {
      if (!well) throw std::runtime_error("no disk");
    }
    void on(add) {}
  };
  gr::runtime rt;
  gr::supervisor sub(rt, gr::one_for_one, {.name = "sub"});
  sub.child<careful>("bad", gr::permanent, false);
  gr::supervisor app(rt, gr::one_for_one, {.name = "app"});
  auto good = app.child<careful>("good", gr::permanent, true);
  app.child(gr::permanent, std::move(sub));
  const gr::status s = app.start();
  REQUIRE_FALSE(s);
  CHECK(std::string(s.error().text()) ==
        "supervisor app: child `sub` did not start: supervisor sub: child `bad` did not start: "
        "std::runtime_error: no disk");
  CHECK(good.send(add{}).error() == gr::error::closed);
  unit::yield_until([&] { return rt.actors() == 0; });
}

TEST_CASE("restarts wait longer and longer, by the supervisor's clock") {
  unit::log_book log;
  gr::manual_clock clock;
  gr::runtime rt({.logger = log.logger()});
  gr::supervisor app(rt, gr::one_for_one,
                     {.restarts_max = 100,
                      .within = 1s,
                      .delay = {.first = 1s, .most = 4s, .jitter = 0},
                      .clock = &clock});
  auto c = app.child<counter>("counter", gr::permanent, 3);
  REQUIRE(app.start());
  for (const auto wait : {1s, 2s, 4s, 4s}) {
    c.send(fail{});
    unit::yield_until([&] { return clock.sleepers() == 1; });
    CHECK(clock.next() == clock.now() + wait);
    clock.advance(wait);
    CHECK(total_of(c) == 3);
  }
}

TEST_CASE("a tree that was never started, or is left, goes without a trace") {
  gr::runtime rt;
  {
    gr::supervisor app(rt);
    app.child<counter>("a", gr::permanent, 1);
  }
  {
    gr::supervisor app(rt);
    app.child<counter>("a", gr::permanent, 1);
    REQUIRE(app.start());
  }
  unit::yield_until([&] { return rt.actors() == 0; });
}

TEST_CASE("a supervisor that is misused says so, and nothing hangs") {
  unit::log_book log;
  gr::runtime rt({.logger = log.logger()});
  gr::supervisor self(rt, gr::one_for_one, {.name = "self"});
  CHECK_THROWS_AS(self.child(gr::permanent, std::move(self)), std::logic_error);
  gr::supervisor moved = std::move(self);
  CHECK_THROWS_AS((void)self.start(), std::logic_error);  // NOLINT: what was moved from
  CHECK(self.size() == 0);
  moved.stop();
  CHECK(moved.start().error() == gr::error::shutdown);
}

TEST_CASE(
    "a supervisor that is destroyed by its own child stops, and the child is not waited for") {
  unit::log_book log;
  auto up = std::make_shared<std::optional<gr::supervisor>>();
  gate gone;
  gr::runtime rt({.logger = log.logger()});
  up->emplace(rt);
  auto killer = (*up)->child("killer", gr::permanent, [up, &gone](gr::mailbox<add>& in) {
    while (in.receive([&](add) {
      up->reset();
      gone.open();
    })) {}
  });
  REQUIRE((*up)->start());
  killer.send(add{});
  gone.wait_on_os_thread();
  unit::yield_until([&] { return rt.actors() == 0; });
}

TEST_CASE("a pool ends its own children and no others") {
  gr::runtime rt;
  gr::supervisor app(rt);
  auto pool = app.pool<counter>("pool", gr::permanent);
  auto other = app.child<counter>("other", gr::permanent, 1);
  REQUIRE(app.start());
  auto mine = pool.start(1);
  REQUIRE(mine);
  CHECK(pool.stop(other).error() == gr::error::invalid);
  CHECK(total_of(other) == 1);
  CHECK(pool.stop(*mine));
  unit::yield_until([&] { return pool.size() == 0; });
  CHECK(pool.stop(*mine).error() == gr::error::invalid);
}
