// SPDX-License-Identifier: Apache-2.0
// Bounded mailboxes: how many fit, who waits, in which order they are let in, and circles.
#include "unit_test.hpp"

#include <array>
#include <string>
#include <thread>
#include <vector>

using unit::gate;

namespace {

struct number {
  int value;
};
struct owned {
  unit::counted value;
};
struct question {
  using reply = int;
};

// Waits for the gate, then receives all there is.
auto closed_door(gate& door, std::vector<int>& seen) {
  return [&door, &seen](gr::mailbox<number>& in) {
    door.wait_on_green_thread();
    while (in.receive([&](number n) { seen.push_back(n.value); })) {}
  };
}

}  // namespace

TEST_CASE("exactly as many messages as the capacity fit into a mailbox") {
  for (const std::uint32_t capacity : {1u, 2u, 3u, 4u, 7u, 16u, 100u, 1024u, 60'000u}) {
    CAPTURE(capacity);
    gate door;
    std::vector<int> seen;
    gr::runtime rt;
    {
      auto to = rt.spawn({.capacity = capacity}, closed_door(door, seen));
      std::uint32_t fit = 0;
      while (to.try_send(number{1})) ++fit;
      CHECK(fit == capacity);
      const auto more = to.try_send(number{2});
      REQUIRE_FALSE(more);
      CHECK(more.error().why == gr::error::full);
      CHECK(more.error().message.value == 2);
      door.open();
    }
    CHECK(rt.shutdown(unit::long_time).ok());
    CHECK(seen.size() == capacity);
  }
}

TEST_CASE("the capacity comes from the runtime unless the spawn says otherwise") {
  gate door;
  std::vector<int> a, b;
  gr::runtime rt({.capacity = 5});
  auto five = rt.spawn(closed_door(door, a));
  auto unlimited = rt.spawn({.capacity = gr::unbounded}, closed_door(door, b));
  int fit = 0;
  if (std::getenv("GREENROOM_CAPACITY") == nullptr) {
    while (five.try_send(number{1})) ++fit;
    CHECK(fit == 5);
  }
  for (int i = 0; i < 200'000; ++i)
    if (!unlimited.try_send(number{1})) FAIL("an unbounded mailbox was full");
  door.open();
}

TEST_CASE("room that is given back can be used again, without end") {
  for (const std::uint32_t capacity : {1u, 3u, 17u}) {
    CAPTURE(capacity);
    int seen = 0;
    const int many = unit::scaled(20'000, 2'000);
    gate ended;
    gr::runtime rt;
    auto actor = [&](gr::mailbox<number>& in) {
      while (in.receive([&](number n) { seen += n.value == seen ? 1 : 0; })) {}
      ended.open();
    };
    {
      auto to = rt.spawn({.capacity = capacity}, actor);
      unit::on_green_thread(rt, [&, to] {
        for (int i = 0; i < many; ++i) to.send(number{i});
      });
    }
    ended.wait_on_os_thread();
    CHECK(seen == many);
  }
}

TEST_CASE("waiting senders are admitted first come first served") {
  constexpr int senders = 20;
  gate door;
  std::vector<int> seen;
  std::atomic<int> at_the_door{0};
  gr::runtime rt({.workers = 1, .threads_max = 1});
  {
    auto to = rt.spawn({.capacity = 2}, closed_door(door, seen));
    to.send(number{-2});
    to.send(number{-1});
    unit::on_green_thread(rt, [&] {
      for (int i = 0; i < senders; ++i) {
        gr::spawn([&, i, to] {
          ++at_the_door;
          to.send(number{i});
        });
        // With one worker, the next that runs after its step up to the door is us.
        unit::yield_until([&] { return at_the_door == i + 1; });
        for (int k = 0; k < 3; ++k) gr::yield();
      }
    });
    to = {};
    door.open();
  }
  CHECK(rt.shutdown(unit::long_time).ok());
  REQUIRE(seen.size() == senders + 2);
  if (rt.workers() == 1)
    for (int i = 0; i < senders + 2; ++i) CHECK(seen[static_cast<std::size_t>(i)] == i - 2);
}

TEST_CASE("while somebody waits, nobody passes: try_send says full even when there is room") {
  std::string trace;
  gate door, waits, ended;
  gr::runtime rt({.workers = 1, .threads_max = 1});
  auto actor = [&](gr::mailbox<number>& in) {
    door.wait_on_green_thread();
    // Room is given back when a quarter of the capacity is free, in one go; the sender that
    // waits takes its place before anybody else is let in.
    while (in.receive([&](number n) { trace += std::to_string(n.value); })) {}
    ended.open();
  };
  auto to = rt.spawn({.capacity = 1}, actor);
  to.send(number{1});
  auto waiter = rt.spawn([&, to] {
    waits.open();
    to.send(number{2});
  });
  unit::on_green_thread(rt, [&] {
    waits.wait_on_green_thread();
    for (int k = 0; k < 3; ++k) gr::yield();
    const auto passed = to.try_send(number{9});
    CHECK_FALSE(passed.has_value());
  });
  door.open();
  CHECK(waiter.join());
  to = {};
  ended.wait_on_os_thread();
  CHECK(trace == "12");
}

TEST_CASE("send_for gives the message back when there was no room in time") {
  const unit::no_leaks watch;
  gate door;
  int got = 0;
  gr::runtime rt;
  auto actor = [&](gr::mailbox<owned>& in) {
    door.wait_on_green_thread();
    while (in.receive([&](owned o) { got += o.value.value(); })) {}
  };
  {
    auto to = rt.spawn({.capacity = 1}, actor);
    to.send(owned{unit::counted(1)});
    const auto from_os_thread = to.send_for(1ms, owned{unit::counted(10)});
    REQUIRE_FALSE(from_os_thread);
    CHECK(from_os_thread.error().why == gr::error::timeout);
    CHECK(from_os_thread.error().message.value.value() == 10);
    unit::on_green_thread(rt, [&] {
      for (const gr::duration d : {gr::duration(1ms), gr::duration(0), gr::duration(-1s)}) {
        const auto again = to.send_for(d, owned{unit::counted(100)});
        CHECK_FALSE(again.has_value());
        if (again) continue;
        CHECK(again.error().why == gr::error::timeout);
        CHECK(again.error().message.value.value() == 100);
      }
    });
    door.open();
    CHECK(to.send_for(unit::long_time, owned{unit::counted(1000)}));
  }
  CHECK(rt.shutdown(unit::long_time).ok());
  CHECK(got == 1001);  // what was given back was never admitted
  CHECK(rt.dead_letters().total() == 0);
}

TEST_CASE("a sender that waits hears closed when the actor ends, and its message is counted") {
  const unit::no_leaks watch;
  gate door;
  std::atomic<int> closed{0};
  std::atomic<int> started{0};
  gr::runtime rt;
  auto actor = [&](gr::mailbox<owned>&) { door.wait_on_green_thread(); };
  auto to = rt.spawn({.capacity = 1}, actor);
  to.send(owned{unit::counted(1)});
  std::vector<gr::green_thread> senders;
  for (int i = 0; i < 5; ++i)
    senders.push_back(rt.spawn([&, to] {
      ++started;
      const gr::status s = to.send(owned{unit::counted(2)});
      if (!s && s.error() == gr::error::closed) ++closed;
    }));
  std::jthread outside([&, to] {
    ++started;
    const gr::status s = to.send(owned{unit::counted(3)});
    if (!s && s.error() == gr::error::closed) ++closed;
  });
  unit::yield_until([&] { return started == 6; });
  door.open();
  for (const auto& s : senders) CHECK(s.join());
  outside.join();
  CHECK(closed == 6);
  unit::yield_until([&] { return rt.actors() == 0; });  // it counts what is left as it ends
  const auto dead = rt.dead_letters();
  CHECK(dead.closed == 6);
  CHECK(dead.undelivered == 1);
}

TEST_CASE("senders that wait and give up at random are each handled or given back, never both") {
  const std::uint32_t seed = unit::seed_of_this_run();
  CAPTURE(seed);
  const unit::no_leaks watch;
  constexpr int senders = 6;
  const int each = unit::scaled(4'000, 400);
  std::atomic<int> sent{0}, given_back{0};
  int handled = 0;
  gate ended;
  gr::runtime rt;
  auto actor = [&](gr::mailbox<owned>& in) {
    std::minstd_rand random(seed);
    while (in.receive([&](owned) { ++handled; }))
      if (random() % 8 == 0) gr::yield();
    ended.open();
  };
  {
    auto to = rt.spawn({.capacity = 3}, actor);
    std::vector<gr::green_thread> all;
    for (int s = 0; s < senders; ++s)
      all.push_back(rt.spawn([&, s, to] {
        std::minstd_rand random(seed + static_cast<std::uint32_t>(s) + 1);
        for (int i = 0; i < each; ++i) {
          const auto d = std::chrono::microseconds(random() % 50);
          if (to.send_for(d, owned{unit::counted(i)}))
            ++sent;
          else
            ++given_back;
        }
      }));
    for (const auto& s : all) CHECK(s.join());
  }
  ended.wait_on_os_thread();
  CHECK(handled == sent);
  CHECK(sent + given_back == senders * each);
}

TEST_CASE("asks to a full mailbox wait in line too, and are answered or time out") {
  gate door;
  gr::runtime rt;
  auto actor = [&](gr::mailbox<question>& in) {
    door.wait_on_green_thread();
    while (in.receive([](question) { return 7; })) {}
  };
  auto to = rt.spawn({.capacity = 1}, actor);
  std::atomic<int> answered{0}, late{0}, begun{0};
  std::vector<gr::green_thread> all;
  for (int i = 0; i < 10; ++i)
    all.push_back(rt.spawn([&, to] {
      ++begun;
      const auto r = to.ask(question{}, unit::long_time);
      if (r && *r == 7) ++answered;
    }));
  unit::yield_until([&] { return begun == 10; });
  unit::on_green_thread(rt, [&, to] {
    const auto r = to.ask(question{}, 1ms);
    if (!r && r.error() == gr::error::timeout) ++late;
  });
  door.open();
  for (const auto& a : all) CHECK(a.join());
  CHECK(answered == 10);
  CHECK(late == 1);
}

TEST_CASE("who was let in goes on elsewhere when the receiver keeps its worker") {
  constexpr int senders = 4;
  const int each = unit::scaled(200'000, 20'000);
  const int holds_max = unit::scaled(40, 10);
  struct line {
    std::atomic<bool> in_send{false};
    std::atomic<int> sent{0};
  };
  std::array<line, senders> lines;
  int handled = 0, holds = 0;
  gate ended;
  // Room there is, and nobody goes on: all were let in and stand in this worker's queue.
  const auto all_let_in = [&](const gr::mailbox<number>& in) {
    for (const line& l : lines)
      if (!l.in_send || l.sent == each) return false;
    return in.size() <= 150;
  };
  const auto progress = [&] {
    int sum = 0;
    for (const line& l : lines) sum += l.sent;
    return sum;
  };
  gr::runtime rt({.workers = 2, .threads_max = 2, .report_stuck_after = gr::duration::max()});
  auto actor = [&](gr::mailbox<number>& in) {
    while (in.receive([&](number) { ++handled; })) {
      if (holds == holds_max || handled < 5'000 || !all_let_in(in)) continue;
      ++holds;
      for (const int before = progress(); progress() == before;) {}
    }
    ended.open();
  };
  {
    auto to = rt.spawn({.capacity = 256}, actor);
    std::vector<gr::green_thread> all;
    for (line& l : lines)
      all.push_back(rt.spawn([&, to] {
        for (int i = 0; i < each; ++i) {
          l.in_send = true;
          CHECK(to.send(number{i}));
          l.in_send = false;
          ++l.sent;
        }
      }));
    for (const auto& s : all) CHECK(s.join());
  }
  ended.wait_on_os_thread();
  CHECK(handled == senders * each);
  CHECK(holds > 0);
}
