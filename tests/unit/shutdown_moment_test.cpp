// SPDX-License-Identifier: Apache-2.0
// A shutdown at any moment of a program's life: while it starts, while actors are made, with a
// thousand asks in flight, from several threads; and what those hear who wait for who is left.
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
struct question {
  using reply = int;
};

// Stays for good: what it uses must stay, too.
template <class Rt>
auto spawn_clinger(Rt& rt, gate& entered, std::uint32_t capacity = 0) {
  return rt.spawn({.name = "clinger", .capacity = capacity},
                  [&entered](gr::mailbox<number, question>&) {
                    const gr::shield for_good;
                    entered.open();
                    for (;;) gr::sleep_for(24h);
                  });
}

}  // namespace

TEST_CASE("a runtime that has just been made can be shut down") {
  for (int i = 0; i < 20; ++i) {
    gr::runtime rt;
    CHECK(rt.shutdown(unit::long_time).ok());
  }
}

// Goal: an actor is made whole, and ends, or is not made at all. Method: OS threads and actors make
// actors, which count their ends, until one is refused; the shutdown comes somewhere in between.
TEST_CASE(
    "a shutdown in a storm of spawns: who was made ends, who was not leaves an empty handle") {
  const unit::no_leaks watch;
  const int rounds = unit::scaled(30, 5);
  for (int round = 0; round < rounds; ++round) {
    std::atomic<long> made{0}, ended{0};
    std::atomic<bool> begun{false};
    gr::runtime rt;
    const auto child = [&](const counted&, const auto& self, int depth) -> void {
      if (depth > 0 && gr::spawn(self, counted(depth), self, depth - 1)) ++made;
      ++ended;
    };
    const auto storm = [&] {
      while (rt.spawn(child, counted(0), child, 3)) {
        ++made;
        begun = true;
      }
    };
    std::thread a(storm), b(storm);
    unit::yield_until([&] { return begun.load(); });
    CHECK(rt.shutdown(unit::long_time).ok());
    a.join();
    b.join();
    CHECK(made == ended);
    CHECK(rt.actors() == 0);
  }
}

TEST_CASE("actors that go on making others while the runtime drains end with the deadline") {
  gate entered;
  std::atomic<long> alive{0};
  gr::runtime rt;
  const auto chain = [&](const auto& self) -> void {
    ++alive;
    entered.open();
    gr::yield();
    gr::spawn(self, self);
    --alive;
  };
  rt.spawn(chain, chain);
  entered.wait_on_os_thread();
  const gr::shutdown_report report = rt.shutdown({.refuse = unit::long_time,
                                                  .drain = 5ms,
                                                  .stop = unit::long_time,
                                                  .cancel = unit::long_time});
  CHECK(report.ok());
  CHECK(report[gr::shutdown_phase::drain].how == gr::shutdown_report::end_of_phase::timed_out);
  CHECK(alive == 0);
}

// Goal: each ask hears a value or an error, and the replies are those that were given.
TEST_CASE("a shutdown with a thousand asks in flight answers each or says why not") {
  constexpr int askers = 1000;
  std::atomic<int> started{0}, answered{0}, failed{0}, unwound{0}, given{0};
  gr::runtime rt;
  const auto slow = rt.spawn([&](gr::mailbox<question>& in) {
    while (in.receive([&](question) {
      gr::yield();
      return ++given;
    })) {}
  });
  std::vector<gr::green_thread> all;
  for (int i = 0; i < askers; ++i)
    all.push_back(rt.spawn([&] {
      ++started;
      try {
        (slow.ask(question{}, unit::long_time) ? answered : failed) += 1;
      } catch (const gr::cancelled&) {
        ++unwound;
        throw;
      }
    }));
  unit::yield_until([&] { return started > askers / 2; });
  CHECK(rt.shutdown(unit::long_time).ok());
  CHECK(answered + failed + unwound == askers);
  CHECK(answered == given);
  for (const auto& each : all) (void)each.join();
}

// Method: asks without an end keep the runtime moving, so without the refusal it would drain for
// a minute, and the thread would hear `closed` first.
TEST_CASE("an OS thread that asks in a loop hears that the runtime shuts down") {
  gate asked;
  gate keeps_draining;
  gr::runtime rt;
  const auto echo = rt.spawn([](gr::mailbox<question>& in) {
    while (in.receive([](question) { return 1; })) {}
  });
  gr::error why = gr::error::failed;
  std::thread asks([&] {
    for (;;) {
      const auto answer = echo.ask(question{}, unit::long_time);
      if (!answer) {
        why = answer.error();
        return;
      }
      asked.open();
    }
  });
  asked.wait_on_os_thread();
  rt.spawn([&] { keeps_draining.wait_on_green_thread(); });
  std::thread stops([&] { CHECK(rt.shutdown(unit::long_time).ok()); });
  asks.join();
  keeps_draining.open();
  stops.join();
  CHECK(why == gr::error::shutdown);
}

TEST_CASE("shutdown from several OS threads: each returns when all is over") {
  const int rounds = unit::scaled(50, 10);
  for (int round = 0; round < rounds; ++round) {
    gr::runtime rt;
    std::atomic<bool> ended{false};
    gate entered;
    rt.spawn([&] {
      entered.open();
      for (int i = 0; i < 100; ++i) gr::yield();
      ended = true;
    });
    entered.wait_on_os_thread();
    std::vector<std::thread> all;
    for (int i = 0; i < 4; ++i)
      all.emplace_back([&] {
        CHECK(rt.shutdown(unit::long_time).ok());
        CHECK(ended);
        CHECK(rt.actors() == 0);
      });
    for (auto& each : all) each.join();
  }
}

// Goal: nobody waits for ever for an actor that was left behind. Method: OS threads wait for its
// end, for an answer, and for room; afterwards others come too late.
TEST_CASE("those who wait for a survivor are told, and who comes later as well") {
  unit::log_book log;
  std::atomic<int> waiting{0};
  gr::runtime rt({.logger = log.logger()});
  static gate entered[3];  // they are left behind with it
  const auto thread = rt.spawn({.name = "stuck"}, [] {
    const gr::shield for_good;
    entered[0].open();
    for (;;) gr::sleep_for(24h);
  });
  const auto full = spawn_clinger(rt, entered[1], 1);
  const auto mute = spawn_clinger(rt, entered[2]);
  for (gate& each : entered) each.wait_on_os_thread();
  gr::status joined, sent;
  gr::error asked = gr::error::failed, in_line = gr::error::failed;
  const auto waits = [&](auto&& how) {
    return std::thread([&waiting, how] {
      [[maybe_unused]] const unit::leaves_behind these;
      ++waiting;
      how();
    });
  };
  waits([&] { full.send(number{1}); }).join();
  std::thread all[] = {waits([&] { joined = thread.join(); }),
                       waits([&] { sent = full.send(number{2}); }),
                       waits([&] { in_line = full.ask(question{}, 24h).error(); }),
                       waits([&] { asked = mute.ask(question{}, 24h).error(); })};
  // All of them wait, or are about to; what comes after the refusal of asks hears the same.
  unit::yield_until([&] { return waiting == 5; });
  CHECK(rt.shutdown(100ms).size() == 3);
  for (std::thread& each : all) each.join();
  CHECK(joined.error() == gr::error::shutdown);
  CHECK(std::string(joined.error().text()).find("stuck did not stop") != std::string::npos);
  // Who was late found the mailbox closed.
  for (const gr::error& each : {sent.error(), in_line, asked})
    CHECK((each == gr::error::closed || each == gr::error::shutdown));
  CHECK(thread.join().error() == gr::error::shutdown);
  CHECK(thread.join_for(1ns).error() == gr::error::shutdown);
}

TEST_CASE("the report says where a survivor stands and who holds its address") {
  unit::log_book log;
  gr::runtime rt({.name = "stage", .logger = log.logger()});
  static gate entered[2];  // they are left behind with it
  auto to = spawn_clinger(rt, entered[0]);
  rt.spawn({.name = "holder"}, [to = std::move(to)] {
    const gr::shield for_good;
    entered[1].open();
    for (;;) gr::sleep_for(24h);
  });
  for (gate& each : entered) each.wait_on_os_thread();
  const gr::shutdown_report report = rt.shutdown(100ms);
  REQUIRE(report.size() == 2);
  for (const gr::survivor& each : report) {
    CHECK(each.waits == std::string("sleep"));
    CHECK(each.stack != std::string());
    if (each.name == std::string("clinger"))
      CHECK(std::string(each.held_by).find("holder") != std::string::npos);
  }
  CHECK(log.has("greenroom: shutdown of stage: 2 actors did not stop in "));
  CHECK(log.has("waits for sleep"));
  CHECK(log.has("is held by"));
  CHECK(log.errors() == 1);
}

TEST_CASE("a survivor that computes is named as one that runs") {
  unit::log_book log;
  static gate entered;
  static std::atomic<bool> enough{false};
  {
    gr::runtime rt({.workers = 1, .logger = log.logger()});
    rt.spawn({.name = "sums"}, [] {
      entered.open();
      while (!enough) {}
    });
    entered.wait_on_os_thread();
    const gr::shutdown_report report = rt.shutdown(100ms);
    REQUIRE(report.size() == 1);
    CHECK(report.begin()->waits == std::string());
  }
  CHECK(log.has("1 actor did not stop in "));
  enough = true;
}

TEST_CASE("run_until_signal waits for a request, of any thread or actor") {
  {
    gr::runtime rt;
    CHECK_FALSE(rt.shutdown_requested());
    rt.request_shutdown();
    CHECK(rt.shutdown_requested());
    CHECK(rt.run_until_signal().ok());
  }
  {
    gr::runtime rt;
    rt.spawn([&] { rt.request_shutdown(); });
    CHECK(rt.run_until_signal().exit_code() == 0);
  }
  gr::runtime rt;
  bool thrown = false;
  unit::on_green_thread(rt, [&] {
    try {
      (void)rt.run_until_signal();
    } catch (const std::logic_error&) { thrown = true; }
  });
  CHECK(thrown);
}

TEST_CASE("run with options returns what main returns, and 1 when it ended by an exception") {
  unit::log_book log;
  CHECK(gr::run({.workers = 1}, [] { return 7; }) == 7);
  CHECK(gr::run({.workers = 1}, [] {}) == 0);
  CHECK(gr::run({.workers = 1, .logger = log.logger()},
                []() -> int { throw std::runtime_error("part of a test"); }) == 1);
  CHECK(log.has("part of a test"));
  int sum = 0;
  CHECK(gr::run({.workers = 2}, [&sum, mine = std::make_unique<int>(3)] {
          auto to = gr::spawn([&](gr::mailbox<number>& in) {
            while (in.receive([&](number n) { sum += n.value; })) {}
          });
          for (int i = 1; i <= 100; ++i) to.send(number{i});
          return *mine;
        }) == 3);
  CHECK(sum == 5050);
}

TEST_CASE("main may register hooks and ask for the shutdown, as any actor may") {
  std::vector<int> order;
  CHECK(gr::run({.workers = 2}, [&] {
          gr::on_shutdown([&] { order.push_back(2); }).keep();
          const auto mine = gr::on_shutdown([&] { order.push_back(1); });
          gr::request_shutdown();
          try {
            gr::sleep_for(24h);
          } catch (const gr::cancelled&) { order.push_back(3); }
          return 4;
        }) == 4);
  CHECK(order == std::vector<int>{1, 2, 3});
  CHECK_THROWS_AS(gr::request_shutdown(), std::logic_error);
  CHECK_THROWS_AS((void)gr::on_shutdown([] {}), std::logic_error);
}
