// SPDX-License-Identifier: Apache-2.0
// The end of a runtime: drain, close, cancel, and who is named when all of that did not help.
#include "unit_test.hpp"

#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

using unit::counted;
using unit::gate;

namespace {

struct number {
  int value;
};
struct parcel {
  counted content;
};
struct question {
  using reply = int;
};

}  // namespace

TEST_CASE("shutdown lets work finish that is under way, spawns and replies included") {
  const int rounds = unit::scaled(100'000, 3'000);
  int handled = 0;
  std::atomic<int> children{0};
  gr::runtime rt;
  auto echo = [](gr::mailbox<question>& in) {
    while (in.receive([](question) { return 1; })) {}
  };
  auto actor = [&](gr::mailbox<number>& in) {
    auto other = gr::spawn(echo);
    auto me = in.address();
    in.receive([&](number n) {
      for (int i = n.value; i != 0; --i) {
        handled += other.ask(question{}, unit::long_time).value_or(0);
        if (i % 1000 == 0) gr::spawn([&] { ++children; });
      }
    });
  };
  auto to = rt.spawn(actor);
  to.send(number{rounds});
  CHECK(rt.shutdown(unit::long_time).ok());
  CHECK(handled == rounds);
  CHECK(children == rounds / 1000);
  CHECK(rt.dead_letters().total() == 0);
}

TEST_CASE("shutdown closes mailboxes: actors at rest end by themselves, though addresses remain") {
  const unit::no_leaks watch;
  struct object {
    using messages = gr::messages<parcel>;
    counted mine = counted(1);
    void on(parcel) {}
  };
  std::atomic<int> ended_well{0};
  gr::runtime rt;
  std::vector<gr::address<parcel>> all;
  for (int i = 0; i < 50; ++i) {
    all.push_back(rt.spawn([&](gr::mailbox<parcel>& in) {
      const counted mine(2);
      while (in.receive([](parcel) {})) {}
      ++ended_well;
    }));
    all.push_back(rt.spawn<object>());
    rt.spawn_detached<object>();
    rt.spawn_detached([&](gr::mailbox<parcel>& in) {
      while (in.receive([](parcel) {})) {}
      ++ended_well;
    });
  }
  for (const auto& a : all) a.send(parcel{counted(3)});
  CHECK(rt.shutdown(unit::long_time).ok());
  CHECK(ended_well == 100);
  CHECK(rt.actors() == 0);
  for (const auto& a : all) CHECK(a.send(parcel{counted(4)}).error() == gr::error::closed);
}

TEST_CASE("a detached actor lives without addresses until shutdown") {
  gate ended;
  gr::runtime rt;
  auto to = rt.spawn_detached(
      [](gr::mailbox<question>& in, const unit::opens_at_end&) {
        while (in.receive([](question) { return 7; })) {}
      },
      unit::opens_at_end(ended));
  gr::weak_address<question> weak = to;
  to = {};
  unit::on_green_thread(rt, [] {
    for (int i = 0; i < 100; ++i) gr::yield();
  });
  CHECK_FALSE(ended.is_open());
  CHECK(weak.lock().ask(question{}, unit::long_time).value() == 7);
  CHECK(rt.shutdown(unit::long_time).ok());
  CHECK(ended.is_open());
}

TEST_CASE("cycles of actors that hold each other end at shutdown") {
  const unit::no_leaks watch;
  struct holder {
    using messages = gr::messages<gr::address<parcel>>;
    counted mine = counted(1);
    std::vector<gr::address<gr::address<parcel>>> others = {};
    std::vector<gr::address<parcel>> held = {};
    void on(gr::address<parcel> a) { held.push_back(std::move(a)); }
  };
  gr::runtime rt;
  gr::address<gr::address<parcel>> first;
  for (int i = 0; i < 10; ++i) {
    auto cyclic = rt.spawn(
        [](gr::mailbox<parcel>& in, const counted&) {
          const auto myself = in.address();
          while (in.receive([](parcel) {})) {}
        },
        counted(1));
    auto h = rt.spawn<holder>();
    h.send(cyclic);
  }
  CHECK(rt.shutdown(unit::long_time).ok());
  CHECK(rt.actors() == 0);
}

TEST_CASE("who does not end by itself is cancelled and unwinds") {
  const unit::no_leaks watch;
  std::atomic<int> entered{0};
  gr::runtime rt;
  auto mute = rt.spawn({.capacity = 1}, [&](gr::mailbox<parcel, question>&) {
    const counted mine(1);
    ++entered;
    gr::sleep_for(24h);
  });
  mute.send(parcel{counted(1)});
  rt.spawn([&] {
    const counted mine(1);
    ++entered;
    mute.send(parcel{counted(2)});
    gr::sleep_for(24h);
  });
  rt.spawn([&] {
    const counted mine(1);
    ++entered;
    (void)mute.ask(question{}, 24h);
    gr::sleep_for(24h);
  });
  struct slow_object {
    using messages = gr::messages<parcel>;
    counted mine = counted(1);
    std::atomic<int>& entered;
    void on(parcel) {
      ++entered;
      gr::sleep_for(24h);
    }
  };
  auto slow = rt.spawn<slow_object>(counted(1), entered);
  slow.send(parcel{counted(3)});
  unit::yield_until([&] { return entered == 4; });
  CHECK(rt.shutdown(unit::long_time).ok());
  CHECK(rt.actors() == 0);
}

TEST_CASE("an actor that swallows its cancel again and again is named with what it waits for") {
  unit::log_book log;
  auto rt = std::make_unique<gr::runtime>(
      gr::runtime_options{.name = "stage", .shutdown_deadline = 1ms, .logger = log.logger()});
  gate entered;
  // It is left behind for good, so all it uses must stay.
  rt->spawn({.name = "stubborn"}, [&entered] {
    entered.open();
    for (;;) {
      try {
        gr::sleep_for(24h);
      } catch (...) {}
    }
  });
  entered.wait_on_os_thread();
  for (bool found = false; !found;) {
    const gr::shutdown_report report = rt->shutdown(100ms);
    REQUIRE(report.size() == 1);
    CHECK_FALSE(report.ok());
    CHECK(report.begin()->name == std::string("stubborn"));
    found = std::string(report.begin()->waits).find("swallows") != std::string::npos;
  }
  CHECK(log.has("stubborn"));
  CHECK(log.has("stage"));
  rt.reset();
}

TEST_CASE("a survivor that waits under a shield is named with its wait and its messages") {
  unit::log_book log;
  auto rt = std::make_unique<gr::runtime>(gr::runtime_options{.logger = log.logger()});
  gate entered;
  auto to = rt->spawn({.name = "clinger"}, [&entered](gr::mailbox<number>&) {
    const gr::shield for_good;
    entered.open();
    for (;;) gr::sleep_for(24h);
  });
  entered.wait_on_os_thread();
  {
    [[maybe_unused]] const unit::leaves_behind these;
    to.send(number{1});
    to.send(number{2});
  }
  const gr::shutdown_report report = rt->shutdown(100ms);
  REQUIRE(report.size() == 1);
  CHECK(report.begin()->name == std::string("clinger"));
  CHECK(report.begin()->waits == std::string("sleep"));
  CHECK(report.begin()->messages == 2);
  CHECK(report.begin()->id == to.id());
  const gr::shutdown_report again = rt->shutdown(0ms);
  REQUIRE(again.size() == 1);
  CHECK(again.begin()->name == std::string("clinger"));
  rt.reset();
}

TEST_CASE("a survivor is named, an actor that has ended while its address is held is not") {
  unit::log_book log;
  auto rt = std::make_unique<gr::runtime>(gr::runtime_options{.logger = log.logger()});
  gate entered;
  const auto over = rt->spawn({.name = "over"}, [](gr::mailbox<number>&) {});
  rt->spawn({.name = "clinger"}, [&entered] {
    const gr::shield for_good;
    entered.open();
    for (;;) gr::sleep_for(24h);
  });
  entered.wait_on_os_thread();
  unit::yield_until([&] { return rt->actors() == 1; });
  const gr::shutdown_report report = rt->shutdown(100ms);
  REQUIRE(report.size() == 1);
  CHECK(report.begin()->name == std::string("clinger"));
  rt.reset();
}

TEST_CASE("all survivors are in the report, and the log names the first and counts the others") {
  unit::log_book log;
  auto rt = std::make_unique<gr::runtime>(gr::runtime_options{.logger = log.logger()});
  constexpr int n = 50;
  std::atomic<int> entered{0};
  for (int i = 0; i < n; ++i)
    rt->spawn({.name = "clinger"}, [&entered] {
      const gr::shield for_good;
      ++entered;
      for (;;) gr::sleep_for(24h);
    });
  unit::yield_until([&] { return entered == n; });
  CHECK(rt->shutdown(100ms).size() == n);
  CHECK(log.errors() == 1);
  CHECK(log.has("greenroom: shutdown: 50 actors did not stop in "));
  CHECK(log.has(", and 30 more"));
  rt.reset();
}

// Method: an actor that spins keeps the runtime draining until it has seen both refused.
TEST_CASE("while a runtime drains its own actors may spawn, and others may not") {
  gate spins, drains;
  std::atomic<int> inside{0};
  gr::runtime rt({.workers = 2});
  rt.spawn([&] {
    spins.open();
    drains.wait_on_green_thread();
    if (gr::spawn([&] { ++inside; }).join()) ++inside;
  });
  spins.wait_on_os_thread();
  std::thread stops([&] { CHECK(rt.shutdown(unit::long_time).ok()); });
  unit::yield_until([&] { return !rt.spawn([] {}); });
  drains.open();
  stops.join();
  CHECK(inside == 2);
}

TEST_CASE("shutdown from inside an actor of the same runtime is a logic error") {
  bool thrown = false;
  gr::runtime rt;
  unit::on_green_thread(rt, [&] {
    try {
      rt.shutdown(1s);
    } catch (const std::logic_error&) { thrown = true; }
  });
  CHECK(thrown);
  CHECK(unit::on_green_thread(rt, [] {}));  // it still runs
}

TEST_CASE("after shutdown nothing can be spawned, and a second one finds nobody left") {
  gr::runtime rt;
  CHECK(rt.shutdown(unit::long_time).ok());
  CHECK_FALSE(rt.spawn([] {}));
  CHECK_FALSE(rt.spawn([](gr::mailbox<number>&) {}));
  CHECK(rt.spawn([] {}).join().error() == gr::error::shutdown);
  CHECK(rt.shutdown(unit::long_time).ok());
}
