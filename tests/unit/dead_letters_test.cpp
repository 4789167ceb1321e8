// SPDX-License-Identifier: Apache-2.0
// Messages that reached nobody: counted by type and reason, told to who subscribes, and logged.
#include "unit_test.hpp"

#include <string>
#include <thread>
#include <vector>

namespace letters {

struct add {
  int value;
};
struct total {
  using reply = int;
};

}  // namespace letters

namespace {

using letters::add;
using letters::total;

struct note {
  gr::dead_letter letter;
};

using reason = gr::dead_letter_reason;

// An actor that has ended, by its address.
gr::address<add, total> ended_actor(gr::runtime& rt, const char* name) {
  gr::address<add, total> dead = rt.spawn({.name = name}, [](gr::mailbox<add, total>&) {});
  gr::detail::cell* c = gr::detail::access::cell_of(dead);
  REQUIRE(gr::detail::join_actor(c));
  return dead;
}

}  // namespace

TEST_CASE("dead letters are counted by type and reason") {
  unit::gate begin;
  gr::runtime rt({.workers = 1, .dead_letter_log = gr::duration::max()});
  const auto dead = ended_actor(rt, "counter");
  for (int i = 0; i < 3; ++i) CHECK(dead.send(add{i}).error() == gr::error::closed);
  CHECK(dead.ask(total{}, 1s).error() == gr::error::closed);
  auto full = rt.spawn({.capacity = 1, .overload = gr::overload::drop_newest},
                       [&](gr::mailbox<add, total>& in) {
                         begin.wait_on_green_thread();
                         while (in.receive([](add) {}, [](total) { return 0; })) {}
                       });
  for (int i = 0; i < 5; ++i) full.send(add{i});
  const gr::dead_letter_counts counts = rt.count_dead_letters();
  CHECK(counts.of("letters::add", reason::closed) == 3);
  CHECK(counts.of("letters::total", reason::closed) == 1);
  CHECK(counts.of("letters::total", reason::full) == 0);
  CHECK(counts.size() == 3);
  CHECK(counts.begin()->count == 4);  // the most frequent first
  CHECK(counts.begin()->reason == reason::dropped);
  CHECK(rt.dead_letters().closed == 4);
  CHECK(rt.dead_letters().dropped == 4);
  CHECK(rt.dead_letters().total() == 8);
  begin.open();
}

TEST_CASE("what is left in a mailbox is counted by its type") {
  unit::gate begin;
  gr::runtime rt({.workers = 1, .dead_letter_log = gr::duration::max()});
  auto leaves = rt.spawn([&](gr::mailbox<add, total>&) { begin.wait_on_green_thread(); });
  for (int i = 0; i < 10; ++i) {
    leaves.send(add{i});
    if (i % 5 == 0) leaves.send(total{});
  }
  begin.open();
  REQUIRE(gr::detail::join_actor(gr::detail::access::cell_of(leaves)));
  const gr::dead_letter_counts counts = rt.count_dead_letters();
  REQUIRE(counts.size() == 2);
  CHECK(counts.begin()[0].count == 10);
  CHECK(counts.begin()[1].count == 2);
  CHECK(counts.begin()[1].reason == reason::undelivered);
  CHECK(std::string(counts.begin()[1].type) == "letters::total");
}

TEST_CASE("more types than there are rows are counted together") {
  gr::runtime rt({.workers = 1, .dead_letter_log = gr::duration::max()});
  static char names[400][8];
  static gr::detail::dead_table table;
  for (auto& name : names) table.count(name, reason::full, 2);
  for (auto& name : names) table.count(name, reason::full, 1);
  CHECK(table.total(reason::full) == 1200);
  constexpr std::size_t last = gr::detail::dead_table::types_max;
  CHECK(table.at(last).counts[2] >= 3 * (400 - last));
  std::size_t rows = 0;
  for (std::size_t i = 0; i < last; ++i) {
    if (table.at(i).name == nullptr) continue;
    ++rows;
    CHECK(table.at(i).counts[2] == 3);
  }
  CHECK(rows > last / 2);
}

TEST_CASE("a subscription hears of each dead letter until its token goes") {
  gr::runtime rt({.workers = 1, .dead_letter_log = gr::duration::max()});
  const auto dead = ended_actor(rt, "counter");
  std::vector<gr::dead_letter> heard;
  dead.send(add{0});
  {
    const auto token = rt.on_dead_letter([&](const gr::dead_letter& d) { heard.push_back(d); });
    dead.send(add{1});
    (void)dead.ask(total{}, 1s);
  }
  dead.send(add{2});
  REQUIRE(heard.size() == 2);
  CHECK(heard[0].reason == reason::closed);
  CHECK(std::string(heard[0].actor) == "counter");
  CHECK(heard[0].id == dead.id());
  CHECK(heard[0].count == 1);
  CHECK(std::string(heard[0].type) == "letters::add");
  CHECK(std::string(heard[1].type) == "letters::total");
}

TEST_CASE("a subscription sends to an actor, and its own dead letters call nobody") {
  unit::gate begin;
  gr::runtime rt({.workers = 1, .dead_letter_log = gr::duration::max()});
  const auto dead = ended_actor(rt, "counter");
  int seen = 0;
  auto watcher =
      rt.spawn({.capacity = 2, .overload = gr::overload::drop_oldest}, [&](gr::mailbox<note>& in) {
        begin.wait_on_green_thread();
        while (in.receive([&](note) { ++seen; })) {}
      });
  {
    const auto token =
        rt.on_dead_letter([&](const gr::dead_letter& d) { (void)watcher.try_send(note{d}); });
    for (int i = 0; i < 10; ++i) dead.send(add{i});
  }
  CHECK(rt.dead_letters().dropped == 8);
  begin.open();
  watcher = {};
  CHECK(rt.shutdown(unit::long_time).ok());
  CHECK(seen == 2);
}

TEST_CASE("a token may outlive its runtime, and hears nothing of the next") {
  int heard = 0;
  gr::dead_letter_subscription token;
  {
    gr::runtime rt({.workers = 1, .dead_letter_log = gr::duration::max()});
    token = rt.on_dead_letter([&](const gr::dead_letter&) { ++heard; });
    ended_actor(rt, "counter").send(add{1});
  }
  CHECK(heard == 1);
  {
    gr::runtime rt({.workers = 1, .dead_letter_log = gr::duration::max()});
    ended_actor(rt, "counter").send(add{1});
  }
  token.end();
  CHECK(heard == 1);
}

// Goal: no call is under way when a token has gone. Method: threads make dead letters without a
// pause while others subscribe and go; a function that runs after its token went finds its flag
// down. TSan and ASan look for a use of the record.
TEST_CASE("subscriptions come and go while dead letters are made") {
  unit::log_book log;
  std::atomic<bool> over{false};
  std::atomic<int> late{0};
  std::atomic<int> heard{0};
  gr::runtime rt({.workers = 2, .dead_letter_log = 1ms, .logger = log.logger()});
  const auto dead = ended_actor(rt, "counter");
  std::vector<std::thread> senders;
  for (int i = 0; i < 2; ++i)
    senders.emplace_back([&] {
      while (!over) dead.send(add{1});
    });
  std::vector<std::thread> hosts;
  for (int i = 0; i < 2; ++i)
    hosts.emplace_back([&] {
      for (int k = 0; k < unit::scaled(300, 50); ++k) {
        std::atomic<bool> subscribed{true};
        auto token = rt.on_dead_letter([&](const gr::dead_letter&) {
          if (!subscribed) ++late;
          ++heard;
        });
        const int before = heard;
        while (heard == before) std::this_thread::yield();
        token.end();
        subscribed = false;
      }
    });
  for (auto& t : hosts) t.join();
  over = true;
  for (auto& t : senders) t.join();
  CHECK(late == 0);
  CHECK(rt.shutdown(unit::long_time).ok());
}

TEST_CASE("the log has one line for a flood of dead letters, and one for the shutdown") {
  unit::log_book log;
  gr::runtime rt({.workers = 1, .dead_letter_log = 1ms, .logger = log.logger()});
  const auto dead = ended_actor(rt, "counter");
  for (int i = 0; i < 1000; ++i) dead.send(add{i});
  unit::yield_until([&] { return log.has("dead letters in the last 0.001 s: "); });
  CHECK(log.has(" `letters::add` (closed); the first was `letters::add` to counter (id "));
  auto keeps = rt.spawn({.name = "keeps"}, [](gr::mailbox<add, total>&) { gr::sleep_for(24h); });
  for (int i = 0; i < 7; ++i) keeps.send(add{i});
  CHECK(rt.shutdown(100ms).ok());
  CHECK(log.has("7 `letters::add` (undelivered)"));
  // Every one of them is told once, each line beginning with a number and a type.
  std::uint64_t told = 0;
  const std::string text = log.text();
  for (std::size_t end = text.find(" `letters::add` ("); end != std::string::npos;
       end = text.find(" `letters::add` (", end + 1))
    told += std::stoull(text.substr(text.rfind(' ', end - 1) + 1));
  CHECK(told == 1007);
}

TEST_CASE("a line that is due keeps no shutdown, and the log may be off") {
  unit::log_book log;
  {
    gr::runtime rt({.workers = 1, .dead_letter_log = 24h, .logger = log.logger()});
    ended_actor(rt, "counter").send(add{1});
    CHECK(rt.shutdown(unit::long_time).ok());
  }
  CHECK(log.has("dead letters at the end: 1 `letters::add` (closed)"));
  unit::log_book silent;
  {
    gr::runtime rt(
        {.workers = 1, .dead_letter_log = gr::duration::max(), .logger = silent.logger()});
    ended_actor(rt, "counter").send(add{1});
  }
  CHECK(silent.text().empty());
  CHECK_THROWS_WITH_AS(gr::runtime({.dead_letter_log = -1ns}),
                       "greenroom: dead_letter_log = -1 ns: must be 0 or more",
                       std::invalid_argument);
}
