// SPDX-License-Identifier: Apache-2.0
// The phases of a shutdown: hooks, trees, deadlines of their own, and what the report says of each.
#include "unit_test.hpp"

#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

using unit::counted;
using unit::gate;

namespace {

struct question {
  using reply = int;
};

using gr::shutdown_phase;
using how = gr::shutdown_report::end_of_phase;

// Stands for a supervision tree: what it was told, and by when.
struct tree : gr::detail::stoppable {
  tree(int n, std::vector<int>& order) : number(n), told(order) {
    stop = [](gr::detail::stoppable* s, gr::time_point) {
      auto* me = static_cast<tree*>(s);
      gr::yield();
      me->told.push_back(me->number);
    };
    release = [](gr::detail::stoppable* s) noexcept { ++static_cast<tree*>(s)->released; };
  }
  int number;
  int released = 0;
  std::vector<int>& told;
};

// The home of a runtime, seen from inside it.
gr::detail::home* home_of(gr::runtime& rt) {
  gr::detail::home* found = nullptr;
  unit::on_green_thread(rt, [&] { found = gr::detail::current_home(); });
  return found;
}

const gr::shutdown_deadlines long_each{unit::long_time, unit::long_time, unit::long_time,
                                       unit::long_time};

}  // namespace

TEST_CASE("hooks run newest first, before anything ends, and may ask, spawn and wait") {
  const unit::no_leaks watch;
  std::vector<int> order;
  int answer = 0;
  gr::runtime rt;
  const auto echo = rt.spawn([](gr::mailbox<question>& in) {
    while (in.receive([](question) { return 7; })) {}
  });
  const auto first = rt.on_shutdown([&, mine = counted(1)] { order.push_back(1); });
  rt.on_shutdown([&, mine = counted(2)] {
      answer = echo.ask(question{}, unit::long_time).value_or(-1);
      gr::spawn([&] { gr::yield(); }).join();
      order.push_back(2);
    }).keep();
  const auto third = rt.on_shutdown([&] { order.push_back(3); });
  const gr::shutdown_report report = rt.shutdown(unit::long_time);
  CHECK(report.ok());
  CHECK(order == std::vector<int>{3, 2, 1});
  CHECK(answer == 7);
  CHECK(report[shutdown_phase::refuse].how == how::in_time);
  CHECK(report[shutdown_phase::drain].how == how::in_time);
  CHECK(report[shutdown_phase::stop].how == how::in_time);
  CHECK(report[shutdown_phase::cancel].how == how::not_needed);
}

TEST_CASE("a hook that was taken back is not called, and one that comes too late is empty") {
  const unit::no_leaks watch;
  int calls = 0;
  gr::runtime rt;
  {
    const auto brief = rt.on_shutdown([&, mine = counted(1)] { ++calls; });
    CHECK(brief);
  }
  auto taken = rt.on_shutdown([&] { ++calls; });
  taken.remove();
  CHECK_FALSE(taken);
  bool late_is_empty = false;
  const auto last =
      rt.on_shutdown([&] { late_is_empty = !rt.on_shutdown([&, mine = counted(2)] { ++calls; }); });
  CHECK(rt.shutdown(unit::long_time).ok());
  CHECK(late_is_empty);
  CHECK_FALSE(rt.on_shutdown([&, mine = counted(3)] { ++calls; }));
  CHECK(calls == 0);
}

TEST_CASE("a hook may take itself back while it runs") {
  int calls = 0;
  gr::runtime rt;
  gr::shutdown_hook mine;
  mine = rt.on_shutdown([&] {
    mine.remove();
    gr::yield();
    ++calls;
  });
  CHECK(rt.shutdown(unit::long_time).ok());
  CHECK(calls == 1);
}

// Goal: after remove() what the hook uses may go. Method: the hook waits until the remover must be
// waiting, as far as one can know; it then writes to what the remover destroys next.
TEST_CASE("taking back a hook that runs waits for its end") {
  gate entered, go_on;
  std::atomic<bool> returned{false};
  gr::runtime rt;
  bool ended = false;
  auto hook = rt.on_shutdown([&] {
    entered.open();
    go_on.wait_on_green_thread();
    for (int i = 0; i < 100; ++i) gr::yield();
    CHECK_FALSE(returned);
    ended = true;
  });
  std::thread stops([&] { CHECK(rt.shutdown(unit::long_time).ok()); });
  entered.wait_on_os_thread();
  go_on.open();
  hook.remove();
  returned = true;
  CHECK(ended);
  stops.join();
}

TEST_CASE("a hook that throws is logged, and the others run") {
  unit::log_book log;
  int calls = 0;
  gr::runtime rt({.logger = log.logger()});
  const auto a = rt.on_shutdown([&] { ++calls; });
  const auto b = rt.on_shutdown([] { throw std::runtime_error("part of a test"); });
  const auto c = rt.on_shutdown([] { throw 7; });
  const auto d = rt.on_shutdown([&] { ++calls; });
  CHECK(rt.shutdown(unit::long_time).ok());
  CHECK(calls == 2);
  CHECK(log.has("shutdown hook"));
  CHECK(log.has("part of a test"));
  CHECK(log.errors() == 2);
}

TEST_CASE("a hook that does not end is cancelled with its phase, and the others still begin") {
  const unit::no_leaks watch;
  bool began = false, unwound = false;
  gr::runtime rt;
  const auto older = rt.on_shutdown([&] { began = true; });
  const auto hangs = rt.on_shutdown([&] {
    const counted mine(1);
    try {
      gr::sleep_for(24h);
    } catch (const gr::cancelled&) {
      unwound = true;
      throw;
    }
  });
  gr::shutdown_deadlines d = long_each;
  d.refuse = 1ms;
  const gr::shutdown_report report = rt.shutdown(d);
  CHECK(report.ok());
  CHECK(began);
  CHECK(unwound);
  CHECK(report[shutdown_phase::refuse].how == how::timed_out);
  CHECK(report[shutdown_phase::refuse].allowed <= 1ms);
}

TEST_CASE("a hook that never ends is a survivor, and nobody waits for it any more") {
  unit::log_book log;
  gr::runtime rt({.logger = log.logger()});
  auto hook = rt.on_shutdown([] {
    const gr::shield for_good;
    for (;;) gr::sleep_for(24h);
  });
  const gr::shutdown_report report =
      rt.shutdown(gr::shutdown_deadlines{.refuse = 1ms, .drain = 1ms, .stop = 1ms, .cancel = 1ms});
  REQUIRE(report.size() == 1);
  CHECK(report.exit_code() == 1);
  CHECK(report.begin()->name == std::string("shutdown hook"));
  CHECK(log.has("1 actor did not stop in "));
  CHECK(log.has("shutdown hook (id "));
  hook.remove();
}

TEST_CASE("trees stop after the drain, newest first, each waited for") {
  std::vector<int> order;
  tree one(1, order), two(2, order), three(3, order);
  gr::runtime rt;
  gr::detail::home* const h = home_of(rt);
  for (tree* each : {&one, &two, &three})
    CHECK(gr::detail::add_stoppable(h, shutdown_phase::stop, each));
  const auto hook = rt.on_shutdown([&] { order.push_back(0); });
  CHECK(gr::detail::remove_stoppable(&two));
  CHECK_FALSE(gr::detail::remove_stoppable(&two));
  const gr::shutdown_report report = rt.shutdown(long_each);
  CHECK(report.ok());
  CHECK(order == std::vector<int>{0, 3, 1});
  CHECK(one.released == 1);
  CHECK(two.released == 0);
  CHECK(three.released == 1);
  CHECK(report[shutdown_phase::stop].how == how::in_time);
  CHECK_FALSE(gr::detail::add_stoppable(h, shutdown_phase::stop, &two));
}

TEST_CASE("a tree may be added while the runtime drains, and actors be made while trees stop") {
  std::vector<int> order;
  tree late(5, order);
  bool added = false, spawned = false;
  gr::runtime rt;
  struct spawns : gr::detail::stoppable {
    bool& done;
    explicit spawns(bool& d) : done(d) {
      stop = [](gr::detail::stoppable* s, gr::time_point) {
        static_cast<spawns*>(s)->done = gr::spawn([] {}).join().ok();
      };
      release = [](gr::detail::stoppable*) noexcept {};
    }
  } another(spawned);
  CHECK(gr::detail::add_stoppable(home_of(rt), shutdown_phase::stop, &another));
  const auto hook = rt.on_shutdown([&] {
    added = gr::detail::add_stoppable(gr::detail::current_home(), shutdown_phase::stop, &late);
  });
  CHECK(rt.shutdown(long_each).ok());
  CHECK(added);
  CHECK(spawned);
  CHECK(order == std::vector<int>{5});
}

TEST_CASE("a tree that does not stop in time is cut off, and the next is told") {
  std::vector<int> order;
  tree next(1, order);
  struct hangs : gr::detail::stoppable {
    hangs() {
      stop = [](gr::detail::stoppable*, gr::time_point) { gr::sleep_for(24h); };
      release = [](gr::detail::stoppable*) noexcept {};
    }
  } stuck;
  next.stop = [](gr::detail::stoppable* s, gr::time_point) {
    static_cast<tree*>(s)->told.push_back(1);
  };
  gr::runtime rt;
  gr::detail::home* const h = home_of(rt);
  CHECK(gr::detail::add_stoppable(h, shutdown_phase::stop, &next));
  CHECK(gr::detail::add_stoppable(h, shutdown_phase::stop, &stuck));
  gr::shutdown_deadlines d = long_each;
  d.stop = 1ms;
  const gr::shutdown_report report = rt.shutdown(d);
  CHECK(report.ok());
  CHECK(order == std::vector<int>{1});
  CHECK(report[shutdown_phase::stop].how == how::timed_out);
}

// Method: who lets others run for ever is never quiet, and waits for nothing but a cancel.
TEST_CASE("each phase has a deadline of its own, and the report says which were cut off") {
  gate entered;
  gr::runtime rt;
  rt.spawn([&] {
    entered.open();
    for (;;) gr::yield();
  });
  entered.wait_on_os_thread();
  gr::shutdown_deadlines d = long_each;
  d.drain = d.stop = 1ms;
  const gr::shutdown_report report = rt.shutdown(d);
  CHECK(report.ok());
  CHECK(report[shutdown_phase::refuse].how == how::not_needed);
  CHECK(report[shutdown_phase::drain].how == how::timed_out);
  CHECK(report[shutdown_phase::drain].took >= 1ms);
  CHECK(report[shutdown_phase::stop].how == how::timed_out);
  CHECK(report[shutdown_phase::cancel].how == how::in_time);
}

TEST_CASE("a deadline below zero is refused by its name") {
  gr::runtime rt;
  const auto text_of = [](auto&& makes) {
    try {
      makes();
    } catch (const std::invalid_argument& e) { return std::string(e.what()); }
    return std::string();
  };
  CHECK(text_of([&] { rt.shutdown({.drain = -1ns}); }).find("`drain`") != std::string::npos);
  CHECK(text_of([] {
          const gr::runtime other({.shutdown_deadlines = gr::shutdown_deadlines{.stop = -5ns}});
        }).find("`stop` in shutdown_deadlines = -5 ns") != std::string::npos);
}

TEST_CASE("the destructor uses the deadlines of the options") {
  bool unwound = false;
  {
    gate entered;
    gr::runtime rt({.shutdown_deadlines = long_each});
    rt.spawn([&] {
      entered.open();
      try {
        gr::sleep_for(24h);
      } catch (const gr::cancelled&) {
        unwound = true;
        throw;
      }
    });
    entered.wait_on_os_thread();
  }
  CHECK(unwound);
}
