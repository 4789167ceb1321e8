// SPDX-License-Identifier: Apache-2.0
// Messages to come: once, at intervals, cancelled, and too late.
#include "unit_test.hpp"

#include <thread>
#include <vector>

using unit::counted;
using unit::gate;

namespace {

struct number {
  int value;
};
struct beat {
  counted payload;
};

}  // namespace

TEST_CASE("a delayed message comes once, not before its time, the earlier one first") {
  // All three must be set before the first is due, so whoever was too slow gets more time.
  for (gr::duration lead = 20ms;; lead *= 4) {
    std::vector<int> seen;
    bool too_early = false;
    gate ended;
    gr::runtime rt;
    const auto start = gr::now() + lead;
    auto actor = [&](gr::mailbox<number>& in) {
      while (seen.size() < 3 && in.receive([&](number n) {
        seen.push_back(n.value);
        if (gr::now() < start + n.value * 1ms) too_early = true;
      })) {}
      ended.open();
    };
    auto to = rt.spawn(actor);
    gr::send_after(lead + 40ms, to, number{40});
    gr::send_at(start + 20ms, to, number{20});
    gr::send_at(start, to, number{0});
    const bool in_time = gr::now() < start;
    ended.wait_on_os_thread();
    CHECK_FALSE(too_early);
    if (!in_time) continue;
    CHECK(seen == std::vector{0, 20, 40});
    return;
  }
}

TEST_CASE("a delayed message works from inside an actor, to itself, in both forms") {
  struct ticker {
    using messages = gr::messages<number>;
    gate& ended;
    void on(number n) {
      if (n.value == 0)
        ended.open();
      else
        gr::send_after(1us, gr::self().address<number>(), number{n.value - 1});
    }
  };
  gate object_ended, function_ended;
  gr::runtime rt;
  auto object = rt.spawn<ticker>(object_ended);
  object.send(number{20});
  auto function = rt.spawn([&](gr::mailbox<number>& in) {
    while (in.receive([&](number n) {
      if (n.value == 0)
        function_ended.open();
      else
        gr::send_after(1us, in.address(), number{n.value - 1});
    })) {}
  });
  function.send(number{20});
  object_ended.wait_on_os_thread();
  function_ended.wait_on_os_thread();
}

TEST_CASE("a cancelled message does not come, and cancel says whether it was in time") {
  const unit::no_leaks watch;
  gate ended;
  int beats = 0;
  gr::runtime rt;
  auto actor = [&](gr::mailbox<beat, number>& in) {
    while (in.receive([&](beat) { ++beats; }, [&](number) { gr::self().stop(); })) {}
    ended.open();
  };
  auto to = rt.spawn(actor);
  auto never_comes = gr::send_after(24h, to, beat{counted(1)});
  auto copy = never_comes;
  CHECK(copy.cancel());
  CHECK_FALSE(never_comes.cancel());
  gr::timer_handle empty;
  CHECK_FALSE(empty.cancel());
  auto comes = gr::send_after(0s, to, number{1});
  ended.wait_on_os_thread();
  CHECK_FALSE(comes.cancel());
  CHECK(beats == 0);
}

TEST_CASE("intervals go on until they are cancelled") {
  const unit::no_leaks watch;
  gate ended;
  int beats = 0;
  gr::timer_handle every;
  gate set;
  gr::runtime rt;
  auto actor = [&](gr::mailbox<beat>& in) {
    set.wait_on_green_thread();
    while (beats < 5) in.receive([&](beat b) { beats += b.payload.value(); });
    CHECK(every.cancel());
    CHECK_FALSE(every.cancel());
    while (in.try_receive([&](beat) { ++beats; }) == gr::received::message) {}
    beats = 5;
    CHECK(in.receive_for(20ms, [&](beat) { ++beats; }) == gr::received::nothing);
    ended.open();
  };
  auto to = rt.spawn(actor);
  every = gr::send_every(1ms, to, beat{counted(1)});
  set.open();
  ended.wait_on_os_thread();
  CHECK(beats == 5);
}

TEST_CASE("a delayed message has room of its own in a full mailbox") {
  gate door, ended;
  std::vector<int> seen;
  gr::runtime rt;
  auto actor = [&](gr::mailbox<number>& in) {
    door.wait_on_green_thread();
    while (seen.size() < 3 && in.receive([&](number n) { seen.push_back(n.value); })) {}
    ended.open();
  };
  auto to = rt.spawn({.capacity = 1}, actor);
  to.send(number{1});
  auto timer = gr::send_after(0s, to, number{2});
  // Once it is sent, cancel finds nothing; asking that would take it back, so another is watched.
  gate later;
  auto other = rt.spawn([&](gr::mailbox<number>& in) {
    in.receive([](number) {});
    later.open();
  });
  gr::send_after(5ms, other, number{0});
  later.wait_on_os_thread();
  door.open();
  to.send(number{3});
  ended.wait_on_os_thread();
  CHECK(seen.size() == 3);
  CHECK(seen.front() == 1);
}

TEST_CASE("timers are weak: they keep no actor alive and end with it") {
  const unit::no_leaks watch;
  gate ended;
  gr::runtime rt;
  gr::timer_handle once, every;
  {
    auto to = rt.spawn(
        [&](gr::mailbox<beat>& in, const unit::opens_at_end&) {
          while (in.receive([](beat) {})) {}
        },
        unit::opens_at_end(ended));
    once = gr::send_after(24h, to, beat{counted(1)});
    every = gr::send_every(24h, to, beat{counted(1)});
  }
  ended.wait_on_os_thread();
  once.cancel();
  every.cancel();
}

TEST_CASE("a runtime that ends takes its timers along") {
  const unit::no_leaks watch;
  gr::timer_handle once, every;
  gr::address<beat> to;
  {
    gr::runtime rt;
    to = rt.spawn([](gr::mailbox<beat>& in) {
      while (in.receive([](beat) {})) {}
    });
    once = gr::send_after(24h, to, beat{counted(1)});
    every = gr::send_every(1ms, to, beat{counted(1)});
    gr::send_after(24h, to, beat{counted(1)});
    gr::send_every(24h, to, beat{counted(1)});
  }
  once.cancel();
  every.cancel();
  gr::send_after(0s, to, beat{counted(1)}).cancel();
}

TEST_CASE("cancels race with firing timers, and each message comes or is taken back") {
  const std::uint32_t seed = unit::seed_of_this_run();
  CAPTURE(seed);
  const unit::no_leaks watch;
  const int rounds = unit::scaled(20'000, 1'500);
  std::atomic<int> came{0};
  int taken_back = 0;
  gr::runtime rt;
  {
    auto to = rt.spawn({.capacity = 16}, [&](gr::mailbox<beat>& in) {
      while (in.receive([&](beat) { ++came; })) {}
    });
    std::minstd_rand random(seed);
    std::vector<gr::timer_handle> pending;
    for (int i = 0; i < rounds; ++i) {
      pending.push_back(
          gr::send_after(std::chrono::microseconds(random() % 100), to, beat{counted(i)}));
      if (pending.size() == 8) {
        for (auto& p : pending)
          if (random() % 2 == 0) taken_back += p.cancel() ? 1 : 0;
        pending.clear();
      }
    }
    unit::yield_until([&] { return came + taken_back == rounds; });
  }
  CHECK(rt.shutdown(unit::long_time).ok());
  CHECK(came + taken_back == rounds);
}

// Goal: a cancel that comes as its message leaves takes no other message away. Method: OS threads
// that cancel about when theirs are due, beside others whose messages must all arrive.
TEST_CASE("cancels that race with their messages cost no other message") {
  const int each = unit::scaled(20'000, 2'000);
  std::atomic<int> arrived{0};
  std::atomic<bool> over{false};
  gr::runtime rt({.workers = 2, .capacity = gr::unbounded});
  const auto wanted = rt.spawn([&](gr::mailbox<number>& in) {
    while (in.receive([&](number) { ++arrived; })) {}
  });
  const auto unwanted = rt.spawn([](gr::mailbox<number>& in) {
    while (in.receive([](number) {})) {}
  });
  std::vector<std::thread> cancelling;
  for (std::uint32_t t = 0; t < 3; ++t)
    cancelling.emplace_back([&, random = std::minstd_rand(t + 1)]() mutable {
      while (!over) {
        gr::timer_handle some[8];
        for (auto& one : some)
          one = gr::send_after(std::chrono::microseconds(10 + random() % 60), unwanted, number{0});
        for (auto spins = random() % 2'000; spins != 0; --spins) gr::detail::sync::relax();
        for (auto& one : some) one.cancel();
      }
    });
  for (int i = 0; i < each; ++i) {
    gr::send_after(50us, wanted, number{i});
    if (i % 64 == 0) std::this_thread::yield();
  }
  unit::yield_until([&] { return arrived == each; });
  over = true;
  for (auto& one : cancelling) one.join();
}

TEST_CASE("a delayed message whose mailbox has closed is a dead letter, a cancelled one is not") {
  gate both_sent;
  gr::runtime rt;
  auto to = rt.spawn([&](gr::mailbox<number>&) { both_sent.wait_on_green_thread(); });
  gr::timer_handle cancelled = gr::send_after(24h, to, number{1});
  gr::send_after(20ms, to, number{2});
  CHECK(cancelled.cancel());
  both_sent.open();
  to = {};
  unit::yield_until([&] { return rt.dead_letters().total() != 0; });
  CHECK(rt.shutdown(unit::long_time).ok());
  // Undelivered, where it came before the actor's end.
  CHECK(rt.dead_letters().closed + rt.dead_letters().undelivered == 1);
  CHECK(rt.dead_letters().total() == 1);
}
