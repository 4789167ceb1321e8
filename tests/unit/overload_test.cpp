// SPDX-License-Identifier: Apache-2.0
// What a full mailbox does by its policy: who gets in, who hears of it, and that everything sent
// is handled or counted.
#include "unit_test.hpp"

#include <algorithm>
#include <array>
#include <stdexcept>
#include <string>
#include <vector>

using unit::gate;

namespace {

struct number {
  int value;
  int producer = 0;
};
struct question {
  using reply = int;
};
struct tick {
  int value;
};
struct hold {};
struct owned {
  unit::counted value;
};

using everything = gr::mailbox<number, question, tick>;

// Waits for the gate, then receives all there is.
struct closed_door {
  gate& door;
  std::vector<int>& seen;
  std::vector<int>& ticks;
  std::uint64_t& dropped;
  void operator()(everything& in) const {
    door.wait_on_green_thread();
    while (in.receive([&](number n) { seen.push_back(n.value); }, [](question) { return 42; },
                      [&](tick t) { ticks.push_back(t.value); })) {}
    dropped = in.dropped();
  }
};

struct fixture {
  gate door;
  std::vector<int> seen, ticks;
  std::uint64_t dropped = 0;
  closed_door actor() { return {door, seen, ticks, dropped}; }
};

struct object {
  using messages = gr::messages<number, hold>;
  gate& is_held;
  gate& door;
  std::vector<int>& seen;
  void on(hold) {
    is_held.open();
    door.wait_on_green_thread();
  }
  void on(number n) { seen.push_back(n.value); }
};

std::size_t messages_in(const auto& to) {
  return gr::detail::inbox::depth_in(gr::detail::access::cell_of(to)->in.look());
}

// The last `n` of 0 to sent - 1.
std::vector<int> last_of(int sent, std::size_t n) {
  std::vector<int> all;
  for (int i = sent - static_cast<int>(n); i < sent; ++i) all.push_back(i);
  return all;
}

}  // namespace

TEST_CASE("a mailbox that fails when it is full says so at once, to whoever sends or asks") {
  fixture f;
  gr::runtime rt;
  {
    auto to = rt.spawn({.capacity = 4, .overload = gr::overload::fail}, f.actor());
    for (int i = 0; i < 4; ++i) CHECK(to.send(number{i}));
    const gr::status sent = to.send(number{4});
    REQUIRE_FALSE(sent);
    CHECK(sent.error() == gr::error::full);
    const auto asked = to.ask(question{}, unit::long_time);
    REQUIRE_FALSE(asked);
    CHECK(asked.error() == gr::error::full);
    CHECK(rt.dead_letters().full == 2);
    const auto bounded = to.send_for(unit::long_time, number{7});
    REQUIRE_FALSE(bounded);
    CHECK(bounded.error().why == gr::error::full);
    CHECK(bounded.error().message.value == 7);
    CHECK_FALSE(to.try_send(number{8}));
    f.door.open();
  }
  CHECK(rt.shutdown(unit::long_time).ok());
  CHECK(f.seen == std::vector{0, 1, 2, 3});
  CHECK(f.dropped == 0);
  CHECK(rt.dead_letters().total() == 2);  // messages given back are none
}

TEST_CASE("a mailbox that drops the newest keeps what came first, and tells what it drops") {
  fixture f;
  std::vector<std::string> told;
  auto note = [&](const gr::dropped_message& what) {
    told.push_back(std::string(what.actor) + " " + what.message + " " + name_of(what.policy));
  };
  gr::runtime rt;
  {
    auto to = rt.spawn(
        {.name = "index", .capacity = 4, .overload = gr::overload::drop_newest, .on_dropped = note},
        f.actor());
    for (int i = 0; i < 4; ++i) CHECK(to.send(number{i}));
    const gr::status sent = to.send(number{4});
    REQUIRE_FALSE(sent);
    CHECK(sent.error() == gr::error::dropped);
    const auto asked = to.ask(question{}, unit::long_time);
    REQUIRE_FALSE(asked);
    CHECK(asked.error() == gr::error::dropped);
    // Who can take it back gets it back: nothing is dropped.
    const auto tried = to.try_send(number{5});
    REQUIRE_FALSE(tried);
    CHECK(tried.error().why == gr::error::full);
    REQUIRE(told.size() == 2);
    CHECK(told[0].find("index ") == 0);
    CHECK(told[0].find("number drop_newest") != std::string::npos);
    CHECK(told[1].find("question drop_newest") != std::string::npos);
    f.door.open();
  }
  CHECK(rt.shutdown(unit::long_time).ok());
  CHECK(f.seen == std::vector{0, 1, 2, 3});
  CHECK(f.dropped == 2);
  CHECK(rt.dead_letters().dropped == 2);
  CHECK(rt.dead_letters().total() == 2);
}

TEST_CASE("a mailbox that drops the oldest holds the last messages, in order") {
  for (const std::uint32_t capacity : {1u, 2u, 3u, 8u, 16u, 100u, 1024u}) {
    CAPTURE(capacity);
    fixture f;
    std::atomic<int> told{0};
    auto note = [&](const gr::dropped_message&) { ++told; };
    const int sent = static_cast<int>(capacity) * 2 + 50;
    gr::runtime rt;
    {
      auto to = rt.spawn(
          {.capacity = capacity, .overload = gr::overload::drop_oldest, .on_dropped = note},
          f.actor());
      for (int i = 0; i < sent; ++i)
        if (!to.send(number{i})) FAIL_CHECK("not admitted");
      CHECK(messages_in(to) == capacity);
      f.door.open();
    }
    CHECK(rt.shutdown(unit::long_time).ok());
    CHECK(f.seen == last_of(sent, capacity));
    CHECK(f.dropped == static_cast<std::uint64_t>(sent) - capacity);
    CHECK(told == static_cast<int>(f.dropped));
    CHECK(rt.dead_letters().dropped == f.dropped);
    CHECK(rt.dead_letters().total() == f.dropped);
  }
}

TEST_CASE("an object that drops the oldest while it is held in a handler goes on with the last") {
  for (const std::uint32_t capacity : {1u, 4u, 8u, 16u, 1024u}) {
    CAPTURE(capacity);
    fixture f;
    gate is_held;
    const int sent = static_cast<int>(capacity) * 3;
    gr::runtime rt({.report_stuck_after = gr::duration::max()});
    {
      auto to = rt.spawn<object>({.capacity = capacity, .overload = gr::overload::drop_oldest},
                                 is_held, f.door, f.seen);
      to.send(hold{});
      is_held.wait_on_os_thread();
      for (int i = 0; i < sent; ++i) to.send(number{i});
      f.door.open();
    }
    CHECK(rt.shutdown(unit::long_time).ok());
    // The message that is handled counts until its room is given back.
    CHECK(f.seen.size() >= capacity - (capacity >= 8 ? 1 : 0));
    CHECK(f.seen == last_of(sent, f.seen.size()));
    CHECK(rt.dead_letters().dropped == static_cast<std::uint64_t>(sent) - f.seen.size());
  }
}

TEST_CASE("try_send and send_for make room where the oldest is dropped") {
  fixture f;
  gr::runtime rt;
  {
    auto to = rt.spawn({.capacity = 2, .overload = gr::overload::drop_oldest}, f.actor());
    for (int i = 0; i < 5; ++i) CHECK(to.try_send(number{i}));
    CHECK(to.send_for(1ns, number{5}));
    f.door.open();
  }
  CHECK(rt.shutdown(unit::long_time).ok());
  CHECK(f.seen == std::vector{4, 5});
}

// Goal: nobody waits for an answer that cannot come. Method: one asks; others send to the full
// mailbox until the request has gone.
TEST_CASE("a request that is dropped fails its ask at once") {
  fixture f;
  std::atomic<bool> answered{false};
  gr::error why = gr::error::closed;
  gr::runtime rt;
  {
    auto to = rt.spawn({.capacity = 1, .overload = gr::overload::drop_oldest}, f.actor());
    auto asker = rt.spawn([&, to] {
      const auto reply = to.ask(question{}, 600s);
      if (!reply) why = reply.error();
      answered = true;
    });
    while (!answered) {
      to.send(number{1});
      gr::yield();
    }
    CHECK(asker.join());
    CHECK(why == gr::error::dropped);
    f.door.open();
  }
  CHECK(rt.shutdown(unit::long_time).ok());
}

TEST_CASE("timer messages are not dropped, and the newest message gets in beside them") {
  fixture f;
  gr::runtime rt;
  {
    auto to = rt.spawn({.capacity = 2, .overload = gr::overload::drop_oldest}, f.actor());
    to.send(number{-1});
    for (int i = 0; i < 5; ++i) gr::send_after(1ns, to, tick{i});
    unit::yield_until([&] { return messages_in(to) >= 6; });
    for (int i = 0; i < 100; ++i) to.send(number{i});
    CHECK(messages_in(to) == 6);
    f.door.open();
  }
  CHECK(rt.shutdown(unit::long_time).ok());
  std::sort(f.ticks.begin(), f.ticks.end());
  CHECK(f.ticks == std::vector{0, 1, 2, 3, 4});
  CHECK(f.seen == std::vector{99});
  CHECK(rt.dead_letters().dropped == 100);
}

TEST_CASE("the destructor of a dropped message may send") {
  struct tells {
    gr::address<number> to;
    explicit tells(gr::address<number> a) : to(std::move(a)) {}
    tells(tells&& other) noexcept : to(std::move(other.to)) {}
    ~tells() {
      if (to) to.send(number{1});
    }
  };
  int heard = 0;
  gr::runtime rt;
  {
    auto listener = rt.spawn([&](gr::mailbox<number>& in) {
      while (in.receive([&](number n) { heard += n.value; })) {}
    });
    gate door;
    auto to = rt.spawn({.capacity = 3, .overload = gr::overload::drop_oldest},
                       [&](gr::mailbox<tells>& in) {
                         door.wait_on_green_thread();
                         while (in.receive([](const tells&) {})) {}
                       });
    for (int i = 0; i < 20; ++i) to.send(tells(listener));
    door.open();
    listener = {};
    to = {};
    CHECK(rt.shutdown(unit::long_time).ok());
  }
  CHECK(heard == 20);
}

// Goal: sent = handled + refused + dropped, each exactly, in each producer's order. Method: many
// producers, a receiver that yields at random; a full mailbox is the rule.
TEST_CASE("under every policy all that is sent is handled or counted, in each producer's order") {
  constexpr int producers = 8;
  constexpr int each = unit::scaled(20'000, 1'000);
  using gr::overload;
  for (const overload policy :
       {overload::wait, overload::fail, overload::drop_newest, overload::drop_oldest}) {
    for (const std::uint32_t capacity : {1u, 7u, 64u}) {
      for (const std::uint32_t high : {0u, capacity}) {
        CAPTURE(name_of(policy));
        CAPTURE(capacity);
        CAPTURE(high);
        std::array<int, producers> last;
        last.fill(-1);
        bool in_order = true;
        std::uint64_t handled = 0;
        std::uint64_t dropped = 0;
        gr::runtime rt;
        {
          auto to = rt.spawn(
              {.capacity = capacity, .overload = policy, .marks = {.high = high, .low = 0}},
              [&](gr::mailbox<number>& in) {
                while (in.receive([&](number n) {
                  int& before = last[static_cast<std::size_t>(n.producer)];
                  in_order = in_order && n.value > before;
                  before = n.value;
                  if (++handled % 16 == 0) gr::yield();
                })) {}
                dropped = in.dropped();
              });
          for (int p = 0; p < producers; ++p)
            rt.spawn([to, p] {
              for (int i = 0; i < each; ++i) to.send(number{i, p});
            });
        }
        CHECK(rt.shutdown(unit::long_time).ok());
        const auto dead = rt.dead_letters();
        CHECK(in_order);
        CHECK(dead.dropped == dropped);
        CHECK(handled + dead.full + dead.dropped == std::uint64_t{producers} * each);
        CHECK(dead.total() == dead.full + dead.dropped);
        CHECK((policy == overload::wait || policy == overload::fail) == (dropped == 0));
        if (policy == overload::wait) CHECK(dead.total() == 0);
        if (policy == overload::drop_oldest) CHECK(handled >= capacity);
      }
    }
  }
}

// Goal: nothing is lost, doubled or leaked when a mailbox closes, or its actor ends, while senders
// drop what is in it. Method: the receiver leaves after a random number of messages.
TEST_CASE("a mailbox may close while its senders drop") {
  const unit::no_leaks all_gone;
  const std::uint32_t seed = unit::seed_of_this_run();
  CAPTURE(seed);
  std::minstd_rand random(seed);
  const int rounds = unit::scaled(300, 30);
  constexpr int each = 200;
  constexpr int producers = 4;
  for (int round = 0; round < rounds; ++round) {
    const bool closes = random() % 2 == 0;
    const auto wanted = random() % 300;
    const auto policy = random() % 2 == 0 ? gr::overload::drop_oldest : gr::overload::drop_newest;
    std::uint64_t handled = 0;
    gr::runtime rt({.workers = 2});
    {
      auto to =
          rt.spawn({.capacity = 1u + static_cast<std::uint32_t>(random() % 20),
                    .overload = policy,
                    .marks = {.high = 1}},
                   [&](gr::mailbox<owned>& in) {
                     while (handled < wanted && in.receive([&](const owned&) { ++handled; })) {}
                     if (!closes) return;
                     in.close();
                     while (in.receive([&](const owned&) { ++handled; })) {}
                   });
      for (int p = 0; p < producers; ++p)
        rt.spawn([to] {
          for (int i = 0; i < each; ++i) to.send(owned{unit::counted(i)});
        });
    }
    CHECK(rt.shutdown(unit::long_time).ok());
    CHECK(handled + rt.dead_letters().total() == std::uint64_t{producers} * each);
  }
}

TEST_CASE("rules that make no sense are refused, with the option and the value") {
  gr::runtime rt;
  auto actor = [](gr::mailbox<number>&) {};
  const auto refusal = [&](const gr::spawn_options& how) {
    try {
      rt.spawn(how, actor);
    } catch (const std::invalid_argument& e) { return std::string(e.what()); }
    return std::string();
  };
  CHECK(refusal({.name = "index", .capacity = 10, .marks = {.high = 11}}) ==
        "greenroom: marks.high of index = 11: must be 1 to the capacity (10)");
  CHECK(refusal({.capacity = 10, .marks = {.high = 8, .low = 8}}) ==
        "greenroom: marks.low = 8: must be less than marks.high (8)");
  CHECK(refusal({.marks = {.low = 8}}) ==
        "greenroom: marks.high = 0: must be 1 to the capacity where there are marks");
  CHECK(refusal({.capacity = gr::unbounded, .marks = {.high = 8}}) ==
        "greenroom: marks.high = 8: must be left out where the capacity is unbounded");
  CHECK(refusal({.on_dropped = [](const gr::dropped_message&) {}}) ==
        "greenroom: overload = wait: must be drop_newest or drop_oldest where on_dropped is set; "
        "else nothing is dropped");
  CHECK(refusal({.capacity = 10, .marks = {.high = 10, .low = 9}}).empty());
}
