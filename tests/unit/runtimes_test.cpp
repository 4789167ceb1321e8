// SPDX-License-Identifier: Apache-2.0
// Many runtimes, one after the other and side by side, ended at any moment; and fork.
#include "unit_test.hpp"

#include "child_process.hpp"

#include <optional>
#include <thread>
#include <vector>

using unit::counted;
using unit::gate;

namespace {

struct parcel {
  counted content;
};
struct question {
  using reply = counted;
  counted payload;
};
using any_address = gr::address<parcel, question>;

struct object {
  using messages = gr::messages<parcel, question>;
  counted mine = counted(1);
  void on(parcel) {}
  counted on(question q) { return q.payload; }
};

void function(gr::mailbox<parcel, question>& in) {
  const counted mine(1);
  while (in.receive([](parcel) {}, [](question q) { return q.payload; })) {}
}

// A program that sends, asks, waits, spawns and cancels all the time.
void start_busy_program(gr::runtime& rt, std::uint32_t seed) {
  const auto a = rt.spawn<object>({.capacity = 3});
  const auto b = rt.spawn({.capacity = 2}, function);
  for (std::uint32_t i = 0; i < 4; ++i)
    rt.spawn([a, b, random = std::minstd_rand(seed + i)]() mutable {
      const counted mine(1);
      for (;;) {
        const any_address& to = random() % 2 == 0 ? a : b;
        switch (random() % 6) {
          case 0: to.send(parcel{counted(1)}); break;
          case 1:
            (void)to.ask(question{counted(2)}, std::chrono::microseconds(random() % 100));
            break;
          case 2: gr::sleep_for(std::chrono::microseconds(random() % 50)); break;
          case 3:
            if (auto child = gr::spawn([to] { to.send(parcel{counted(3)}); })) child.cancel();
            break;
          case 4:
            gr::send_after(std::chrono::microseconds(random() % 50), to, parcel{counted(4)});
            break;
          default: gr::yield();
        }
      }
    });
}

}  // namespace

TEST_CASE("a busy program can be shut down at any moment, and leaves nothing behind") {
  const std::uint32_t seed = unit::seed_of_this_run();
  CAPTURE(seed);
  std::minstd_rand random(seed);
  for (int round = 0; round < unit::scaled(20, 8); ++round) {
    CAPTURE(round);
    const unit::no_leaks watch;
    gr::runtime rt;
    start_busy_program(rt, static_cast<std::uint32_t>(random()));
    for (auto spins = random() % 100'000; spins != 0; --spins) gr::detail::sync::relax();
    // It never comes to rest, so half of this time is spent draining, the other half is there to
    // cancel everybody, and is thousands of times what that takes.
    CHECK(rt.shutdown(unit::is_sanitized ? 2s : 1s).ok());
    CHECK(rt.actors() == 0);
  }
}

TEST_CASE("a thousand runtimes are made and destroyed") {
  const unit::no_leaks watch;
  for (int i = 0; i < unit::scaled(1'000, 60); ++i) {
    gr::runtime rt({.workers = 2});
    auto to = rt.spawn<object>();
    to.send(parcel{counted(i)});
    if (i % 3 == 0) CHECK(to.ask(question{counted(i)}, unit::long_time).value().value() == i);
    if (i % 5 == 0) rt.spawn([] { gr::sleep_for(24h); });
  }
}

TEST_CASE("runtimes talk to each other, and one that dies reports closed to the others") {
  const unit::no_leaks watch;
  gr::runtime here;
  for (int round = 0; round < unit::scaled(4, 2); ++round) {
    std::optional<gr::runtime> there;
    there.emplace(gr::runtime_options{.workers = 1});
    const any_address far = there->spawn({.capacity = 4}, function);
    std::atomic<int> good{0}, bad{0}, other{0};
    std::vector<gr::green_thread> all;
    for (int i = 0; i < 3; ++i)
      all.push_back(here.spawn([&, far] {
        for (;;) {
          const auto r = far.ask(question{counted(5)}, unit::long_time);
          const gr::status s = r ? far.send(parcel{counted(6)}) : gr::status(r.error());
          if (s) {
            ++good;
            continue;
          }
          (s.error() == gr::error::closed ? bad : other)++;
          return;
        }
      }));
    unit::yield_until([&] { return good >= 10; });
    // They never let it come to rest; it closes its mailboxes when draining has had its time, which
    // is half of this. The other half is enough on any machine.
    CHECK(there->shutdown(2s).ok());
    there.reset();
    for (const auto& one : all) CHECK(one.join());
    CHECK(bad == 3);
    CHECK(other == 0);
  }
}

TEST_CASE("an actor may make a runtime of its own, use it and end it") {
  int answer = 0;
  gr::runtime outer;
  CHECK(unit::on_green_thread(outer, [&] {
    gr::runtime inner({.workers = 1});
    auto to = inner.spawn<object>();
    answer = to.ask(question{counted(9)}, unit::long_time).value().value();
    inner.shutdown(unit::long_time);
  }));
  CHECK(answer == 9);
}

TEST_CASE("after fork, whatever the child does with its parent's actors reports closed") {
  gate go;
  std::atomic<int> entered{0};
  gr::runtime rt;
  const any_address at_rest = rt.spawn(function);
  const any_address object_at_rest = rt.spawn<object>();
  const any_address busy = rt.spawn([&](gr::mailbox<parcel, question>& in) {
    ++entered;
    go.wait_on_green_thread();
    while (in.receive([](parcel) {}, [](question q) { return q.payload; })) {}
  });
  unit::yield_until([&] { return entered == 1; });
  const auto result = child_process::run([&] {
    int step = 1;
    for (const any_address& to : {at_rest, object_at_rest, busy}) {
      if (to.send(parcel{counted(1)}).error() != gr::error::closed) _exit(step);
      ++step;
      const auto tried = to.try_send(parcel{counted(1)});
      if (tried || tried.error().why != gr::error::closed) _exit(step);
      ++step;
      const auto waited = to.send_for(unit::long_time, parcel{counted(1)});
      if (waited || waited.error().why != gr::error::closed) _exit(step);
      ++step;
      const auto asked = to.ask(question{counted(1)}, unit::long_time);
      if (asked || asked.error() != gr::error::closed) _exit(step);
      ++step;
      if (gr::send_after(1ms, to, parcel{counted(1)}).cancel()) _exit(step);
      ++step;
    }
    if (rt.spawn([] {})) _exit(60);
    if (rt.spawn(function)) _exit(61);
    if (!rt.shutdown(unit::long_time).ok()) _exit(62);
    _exit(0);
  });
  CAPTURE(result.status);
  CAPTURE(result.errors);
  CHECK(result.exited_with(0));
  go.open();
  for (const any_address& to : {at_rest, object_at_rest, busy})
    CHECK(to.ask(question{counted(3)}, unit::long_time).value().value() == 3);
}

TEST_CASE("after fork on a green thread, the child's copy of it cannot wait but does not hang") {
  gr::runtime rt;
  const any_address to = rt.spawn(function);
  child_process::result result;
  CHECK(unit::on_green_thread(rt, [&] {
    result = child_process::run([&] {
      if (to.send(parcel{counted(1)}).error() != gr::error::closed) _exit(1);
      if (to.ask(question{counted(1)}, unit::long_time).error() != gr::error::closed) _exit(2);
      gr::yield();
      _exit(0);
    });
  }));
  CAPTURE(result.status);
  CHECK(result.exited_with(0));
}
