// SPDX-License-Identifier: Apache-2.0
// Selective receive from a mailbox that is full of messages that stay.
#include "unit_test.hpp"

#include <string>

using unit::gate;

namespace {

struct a {
  int value;
};
struct b {
  int value;
};

}  // namespace

// A mailbox full of what stays would keep out what is waited for; so it lends room.
TEST_CASE("the message that is waited for gets into a mailbox full of messages that stay") {
  for (const bool tries : {false, true}) {
    CAPTURE(tries);
    int others = 0;
    bool found = false;
    gr::runtime rt{{.workers = 2}};
    auto actor = [&](gr::mailbox<a, b>& in) {
      CHECK(in.receive_only([&](b) { found = true; }));
      while (in.receive([&](a m) { others += m.value == others; }, [](b) {})) {}
    };
    {
      auto to = rt.spawn({.capacity = 3}, actor);
      rt.spawn([to, tries] {
        for (int i = 0; i < 100; ++i) to.send(a{i});
        if (tries)
          unit::yield_until([&] { return to.try_send(b{}).has_value(); });
        else
          to.send(b{});
      });
    }
    CHECK(rt.shutdown(unit::long_time).ok());
    CHECK(found);
    CHECK(others == 100);
  }
}

TEST_CASE("room that was lent is not given back twice: the capacity holds again afterwards") {
  gate go, full;
  gr::runtime rt{{.workers = 2}};
  auto actor = [&](gr::mailbox<a, b>& in) {
    CHECK(in.receive_only([](b) {}));
    while (in.size() != 0) in.try_receive([](a) {}, [](b) {});
    go.open();
    full.wait_on_green_thread();
    while (in.receive([](a) {}, [](b) {})) {}
  };
  auto to = rt.spawn({.capacity = 4}, actor);
  for (int i = 0; i < 50; ++i) to.send(a{});
  to.send(b{});
  go.wait_on_os_thread();
  int taken = 0;
  while (to.try_send(a{})) ++taken;
  CHECK(taken == 4);
  full.open();
  to = {};
  CHECK(rt.shutdown(unit::long_time).ok());
}

TEST_CASE("a selective receive that only messages beyond all room could end fails in a sentence") {
  unit::log_book log;
  gr::runtime rt{{.workers = 2, .logger = log.logger()}};
  gr::dead_letters before = rt.dead_letters();
  auto actor = [](gr::mailbox<a, b>& in) { in.receive_only([](b) {}); };
  auto to = rt.spawn({.name = "stubborn", .capacity = 8}, actor);
  rt.spawn([to] {
      while (to.send(a{1})) {}
    }).join();
  to = {};
  CHECK(rt.shutdown(unit::long_time).ok());
  CHECK(log.has("deadlock: stubborn waits for "));
  CHECK(log.has("and its mailbox (full, 8) holds 1032 messages that it leaves"));
  CHECK(rt.dead_letters().undelivered - before.undelivered == 1032);
}

TEST_CASE("with a deadline a selective receive waits on where the mailbox is full for good") {
  gr::received how{};
  gr::runtime rt{{.workers = 2}};
  auto actor = [&](gr::mailbox<a, b>& in) {
    how = in.receive_only_for(20ms, [](b) {});
    in.close();
  };
  auto to = rt.spawn({.capacity = 8}, actor);
  while (to.send(a{1})) {}
  to = {};
  CHECK(rt.shutdown(unit::long_time).ok());
  CHECK(how == gr::received::nothing);
}
