// SPDX-License-Identifier: Apache-2.0
// What reports say of an actor that waits: for what, and on whom.
#include "unit_test.hpp"

#include <memory>
#include <string>

using unit::gate;

// Not in a namespace, for their names are read here.
struct wt_stored {};
struct wt_totals {
  using reply = int;
};
struct wt_go {};

namespace {

std::string waits_of(const auto& address) {
  char text[192];
  gr::detail::describe_wait(gr::detail::access::cell_of(address), text, sizeof text);
  return text;
}

// Waits until it waits as expected: else the test ends by its time limit.
void reaches(const auto& address, const std::string& expected) {
  unit::yield_until([&] { return waits_of(address) == expected; });
}

}  // namespace

TEST_CASE("a wait tells for what it is and on whom") {
  gate door;
  gr::runtime rt;
  auto index =
      rt.spawn({.name = "index", .capacity = 2}, [&](gr::mailbox<wt_stored, wt_totals>& in) {
        door.wait_on_green_thread();
        while (in.receive([](wt_stored) {}, [](wt_totals) { return 1; })) {}
      });
  auto roomy = rt.spawn({.name = "ledger"}, [&](gr::mailbox<wt_totals>& in) {
    door.wait_on_green_thread();
    while (in.receive([](wt_totals) { return 1; })) {}
  });
  auto joined = rt.spawn({.name = "session/7"}, [&] { door.wait_on_green_thread(); });
  index.send(wt_stored{});
  index.send(wt_stored{});

  const auto waiter = [&](const char* name, auto what) {
    return rt.spawn({.name = name},
                    [what](gr::mailbox<wt_go>& in) { in.receive([&](wt_go) { what(); }); });
  };
  auto sender = waiter("shard/7", [index] { index.send(wt_stored{}); });
  auto bounded = waiter("shard/8", [index] { (void)index.send_for(24h, wt_stored{}); });
  auto asker = waiter("report/1", [roomy] { (void)roomy.ask(wt_totals{}, 24h); });
  auto joiner = waiter("main", [joined] { (void)joined.join(); });
  reaches(sender, "receive");
  sender.send(wt_go{});
  reaches(sender, "send `wt_stored` to index (full, 2)");
  bounded.send(wt_go{});
  reaches(bounded, "send `wt_stored` to index (full, 2)");
  asker.send(wt_go{});
  reaches(asker, "ask `wt_totals` to ledger");
  joiner.send(wt_go{});
  reaches(joiner, "join session/7");
  door.open();
}

TEST_CASE("a full mailbox with marks is described by its capacity") {
  gate door;
  gr::runtime rt;
  auto index = rt.spawn({.name = "index", .capacity = 3, .marks = {.high = 2}},
                        [&](gr::mailbox<wt_stored>& in) {
                          door.wait_on_green_thread();
                          while (in.receive([](wt_stored) {})) {}
                        });
  auto sender = rt.spawn([index](gr::mailbox<wt_go>&) {
    for (int i = 0; i < 4; ++i) index.send(wt_stored{});
  });
  reaches(sender, "send `wt_stored` to index (full, 3)");
  door.open();
}

// Goal: a description never reads what has gone. Method: actors that ask, and end, all the time,
// while another thread describes their waits.
TEST_CASE("waits may be described while those waited on end and others take their cells") {
  gate over;
  gr::runtime rt;
  auto asker = rt.spawn({.name = "asker"}, [&](gr::mailbox<wt_go>&) {
    const unit::opens_at_end end(over);
    for (int i = 0; i < unit::scaled(20'000, 1'000); ++i) {
      auto short_lived = gr::spawn({.name = "short"}, [](gr::mailbox<wt_totals>& in) {
        in.receive([](wt_totals) { return 1; });
      });
      (void)short_lived.ask(wt_totals{}, unit::long_time);
    }
  });
  bool sound = true;
  while (!over.is_open()) {
    const std::string text = waits_of(asker);
    sound = sound && (text.empty() || text == "receive" || text.find("ask `") == 0);
  }
  CHECK(sound);
}

TEST_CASE("a shutdown report says whom a survivor asks") {
  unit::log_book log;
  auto rt = std::make_unique<gr::runtime>(gr::runtime_options{.logger = log.logger()});
  gate entered;
  auto ledger = rt->spawn({.name = "ledger"}, [](gr::mailbox<wt_totals>&) {
    const gr::shield for_good;
    for (;;) gr::sleep_for(24h);
  });
  {
    [[maybe_unused]] const unit::leaves_behind these;
    auto asker = rt->spawn({.name = "report/1"}, [&entered, ledger](gr::mailbox<wt_go>&) {
      const gr::shield for_good;
      [[maybe_unused]] const unit::leaves_behind its_request;
      entered.open();
      for (;;) (void)ledger.ask(wt_totals{}, 24h);
    });
    entered.wait_on_os_thread();
    reaches(asker, "ask `wt_totals` to ledger");
  }
  const gr::shutdown_report report = rt->shutdown(100ms);
  REQUIRE(report.size() == 2);
  CHECK(log.has("report/1"));
  CHECK(log.has("waits for ask `wt_totals` to ledger"));
  rt.reset();
}
