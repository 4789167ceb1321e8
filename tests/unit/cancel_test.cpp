// SPDX-License-Identifier: Apache-2.0
// Cancel by unwinding: where it throws, where it is reported, and where it must not.
#include "unit_test.hpp"

#include "child_process.hpp"

#include <exception>
#include <functional>
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

// Runs the body on a green thread, cancels it once it stands at the gate, and lets it go on.
template <class Body>
gr::status cancelled_at_gate(gr::runtime& rt, Body body) {
  gate here, go;
  auto thread = rt.spawn([&] {
    {
      const gr::shield until_it_is_cancelled;
      here.open();
      go.wait_on_green_thread();
    }
    body();
  });
  here.wait_on_os_thread();
  thread.cancel();
  go.open();
  return thread.join();
}

}  // namespace

TEST_CASE("a sleeper that is cancelled unwinds at once: its destructors run, join reports it") {
  const unit::no_leaks watch;
  gate asleep;
  bool woke = false;
  gr::runtime rt;
  auto thread = rt.spawn([&] {
    const counted mine(1);
    asleep.open();
    gr::sleep_for(std::chrono::hours(24));
    woke = true;
  });
  asleep.wait_on_os_thread();
  thread.cancel();
  const gr::status s = thread.join();
  REQUIRE_FALSE(s);
  CHECK(s.error() == gr::error::cancelled);
  CHECK_FALSE(woke);
}

TEST_CASE("yield and sleep throw in a green thread that is cancelled already") {
  int passed = 0;
  gr::runtime rt;
  CHECK(cancelled_at_gate(rt, [&] {
          gr::yield();
          ++passed;
        }).error() == gr::error::cancelled);
  CHECK(cancelled_at_gate(rt, [&] {
          gr::sleep_for(0s);
          ++passed;
        }).error() == gr::error::cancelled);
  CHECK(cancelled_at_gate(rt, [&] {
          gr::sleep_until(gr::now() - 1h);
          ++passed;
        }).error() == gr::error::cancelled);
  CHECK(passed == 0);
}

TEST_CASE("a green thread that does not wait is not interrupted") {
  bool seen = false;
  gr::runtime rt;
  CHECK(cancelled_at_gate(rt, [&] { seen = gr::cancel_requested(); }));
  CHECK(seen);
}

TEST_CASE("an ask, a send or a join reports the cancel once, and the next wait throws") {
  gate done;
  gr::runtime rt;
  auto mute = rt.spawn({.capacity = 1}, [&](gr::mailbox<number, question>& in) {
    done.wait_on_green_thread();
    while (in.receive([](number) {}, [](question) { return 1; })) {}
  });
  mute.send(number{1});
  auto never_ends = rt.spawn([&] { done.wait_on_green_thread(); });
  std::vector<gr::error::code_type> reported;
  int passed = 0;
  const auto check = [&](auto wait) {
    const gr::status s = cancelled_at_gate(rt, [&] {
      reported.push_back(wait());
      (void)wait();
      ++passed;
    });
    CHECK(s.error() == gr::error::cancelled);
  };
  check([&] { return mute.ask(question{}, unit::long_time).error().code(); });
  check([&] { return mute.send(number{2}).error().code(); });
  check([&] { return mute.send_for(unit::long_time, number{2}).error().why.code(); });
  check([&] { return never_ends.join().error().code(); });
  CHECK(reported == std::vector(4, gr::error::cancelled));
  CHECK(passed == 0);
  done.open();
  CHECK(never_ends.join());
}

TEST_CASE("waits under way are interrupted: ask, send to a full mailbox, join, receive") {
  const unit::no_leaks watch;
  gate done;
  gr::runtime rt;
  auto mute = rt.spawn({.capacity = 1}, [&](gr::mailbox<number, question>& in) {
    done.wait_on_green_thread();
    while (in.receive([](number) {}, [](question) { return 1; })) {}
  });
  mute.send(number{1});
  auto never_ends = rt.spawn([&] { done.wait_on_green_thread(); });
  const auto check = [&](auto wait) {
    gate here;
    gr::error::code_type reported{};
    auto thread = rt.spawn([&] {
      const counted mine(1);
      here.open();
      reported = wait();
      gr::yield();
    });
    here.wait_on_os_thread();
    thread.cancel();
    CHECK(thread.join().error() == gr::error::cancelled);
    CHECK(reported == gr::error::cancelled);
  };
  for (int i = 0; i < unit::scaled(200, 30); ++i) {
    check([&] { return mute.ask(question{}, unit::long_time).error().code(); });
    check([&] { return mute.send(number{2}).error().code(); });
    check([&] { return mute.send_for(unit::long_time, number{2}).error().why.code(); });
    check([&] { return never_ends.join().error().code(); });
  }
  done.open();
  CHECK(rt.dead_letters().closed == 0);
}

TEST_CASE("a cancel is sticky: whoever swallows it meets it again at each wait") {
  int caught = 0;
  gr::runtime rt;
  const gr::status s = cancelled_at_gate(rt, [&] {
    for (int i = 0; i < 10; ++i) {
      try {
        gr::yield();
      } catch (...) { ++caught; }
    }
    gr::sleep_for(0s);
    caught = -1;
  });
  CHECK(s.error() == gr::error::cancelled);
  CHECK(caught == 10);
}

TEST_CASE("a handler for std::exception does not swallow a cancel") {
  bool swallowed = false;
  gr::runtime rt;
  const gr::status s = cancelled_at_gate(rt, [&] {
    try {
      gr::yield();
    } catch (const std::exception&) { swallowed = true; }
  });
  CHECK(s.error() == gr::error::cancelled);
  CHECK_FALSE(swallowed);
}

TEST_CASE("waits in destructors do not throw while the cancel unwinds the stack") {
  gr::runtime rt;
  auto echo = rt.spawn([](gr::mailbox<question>& in) {
    while (in.receive([](question) { return 7; })) {}
  });
  int asked = 0;
  struct farewell {
    const gr::address<question>& to;
    int& asked;
    ~farewell() {
      gr::yield();
      gr::sleep_for(1ms);
      asked = to.ask(question{}, unit::long_time).value_or(-1);
    }
  };
  const gr::status s = cancelled_at_gate(rt, [&] {
    const farewell last{echo, asked};
    gr::yield();
  });
  CHECK(s.error() == gr::error::cancelled);
  CHECK(asked == 7);
}

TEST_CASE("waits in clean-up end by themselves, with a deadline or without") {
  const unit::no_leaks watch;
  gate at_work, never_opened;
  gr::runtime rt;
  // It is at work for as long as the test lasts, and its mailbox is full.
  auto busy = rt.spawn({.capacity = 1}, [&](gr::mailbox<question, number>& in) {
    in.receive([](question) { return 7; },
               [&](number) {
                 at_work.open();
                 never_opened.wait_on_green_thread();
               });
  });
  auto stuck = rt.spawn([&] { never_opened.wait_on_green_thread(); });
  busy.send(number{0});
  at_work.wait_on_os_thread();
  while (busy.try_send(number{1})) {}
  gr::error sent = gr::error::closed, asked = sent, joined = sent;
  struct farewell {
    std::function<void()> wait;
    ~farewell() { wait(); }
  };
  const auto cancelled_in = [&](std::function<void()> wait) {
    return rt.spawn([wait = std::move(wait)] {
      const farewell last{wait};
      gr::sleep_for(24h);
    });
  };
  auto sender = cancelled_in([&] { sent = busy.send(number{2}).error(); });
  auto asker = cancelled_in([&] { asked = busy.ask(question{}, 24h).error(); });
  auto joins = cancelled_in([&] { joined = stuck.join().error(); });
  for (auto* one : {&sender, &asker, &joins}) one->cancel();
  for (auto* one : {&sender, &asker, &joins}) CHECK(one->join().error() == gr::error::cancelled);
  CHECK(sent == gr::error::timeout);
  CHECK(asked == gr::error::timeout);
  CHECK(joined == gr::error::timeout);
  never_opened.open();
}

TEST_CASE("waits in destructors go on as well when another exception unwinds the stack") {
  gr::runtime rt;
  unit::log_book log;
  int yields = 0;
  struct waits {
    int& n;
    ~waits() {
      gr::yield();
      ++n;
    }
  };
  const gr::status s = cancelled_at_gate(rt, [&] {
    try {
      const waits a{yields};
      const waits b{yields};
      throw std::runtime_error("other");
    } catch (const std::runtime_error&) { ++yields; }
    gr::yield();
    yields = -1;
  });
  CHECK(s.error() == gr::error::cancelled);
  CHECK(yields == 3);
}

TEST_CASE("a shield keeps the cancel off, nested or not, until it is gone") {
  int steps = 0;
  gr::runtime rt;
  const gr::status s = cancelled_at_gate(rt, [&] {
    {
      const gr::shield outer;
      {
        const gr::shield inner;
        gr::yield();
        ++steps;
      }
      gr::sleep_for(1ms);
      ++steps;
      CHECK(gr::cancel_requested());
    }
    gr::yield();
    steps = -1;
  });
  CHECK(s.error() == gr::error::cancelled);
  CHECK(steps == 2);
}

TEST_CASE("a wait begun under a shield is not interrupted by a cancel that comes later") {
  gate asked, answer;
  gr::runtime rt;
  auto slow = rt.spawn([&](gr::mailbox<question>& in) {
    while (in.receive([&](question) {
      asked.open();
      answer.wait_on_green_thread();
      return 5;
    })) {}
  });
  int got = 0;
  auto thread = rt.spawn([&] {
    const gr::shield whole;
    got = slow.ask(question{}, unit::long_time).value_or(-1);
  });
  asked.wait_on_os_thread();
  thread.cancel();
  answer.open();
  CHECK(thread.join());
  CHECK(got == 5);
}

TEST_CASE("cancels from another OS thread at random moments end every green thread once") {
  const std::uint32_t seed = unit::seed_of_this_run();
  CAPTURE(seed);
  const unit::no_leaks watch;
  const int rounds = unit::scaled(5'000, 300);
  gr::runtime rt;
  std::minstd_rand random(seed);
  int cancelled = 0;
  for (int i = 0; i < rounds; ++i) {
    auto thread = rt.spawn([] {
      const counted mine(1);
      for (;;) {
        gr::yield();
        gr::sleep_for(1us);
      }
    });
    for (auto spins = random() % 200; spins != 0; --spins) gr::detail::sync::relax();
    thread.cancel();
    thread.cancel();
    if (thread.join().error() == gr::error::cancelled) ++cancelled;
  }
  CHECK(cancelled == rounds);
}

TEST_CASE("a cancel that meets the end of an actor, or the next one in its place, is harmless") {
  const unit::no_leaks watch;
  gr::runtime rt({.workers = 2});
  gr::detail::home* home = nullptr;
  CHECK(rt.spawn([&] { home = gr::detail::current_home(); }).join());
  std::atomic<bool> enough{false};
  // As a shutdown does it: it walks over the cells and holds none of the actors it meets.
  std::thread walker([&] {
    const auto cancel_one = [](gr::detail::cell* c, void*) { gr::detail::cancel_actor(c); };
    while (!enough) gr::detail::for_each_cell(home, cancel_one, nullptr);
  });
  std::atomic<int> ended{0};
  const int n = unit::scaled(100'000, 5'000);
  for (int i = 0; i < n; ++i) rt.spawn([&ended, mine = counted(i)] { ++ended; });
  unit::yield_until([&] { return ended == n; });
  enough = true;
  walker.join();
}

TEST_CASE("child: a cancel meets a destructor" * doctest::skip()) {
  struct waits {
    ~waits() { gr::yield(); }
  };
  gr::runtime rt;
  gate here, go;
  auto thread = rt.spawn({.name = "careless"}, [&] {
    const waits at_the_end;
    {
      const gr::shield until_it_is_cancelled;
      here.open();
      go.wait_on_green_thread();
    }
  });
  here.wait_on_os_thread();
  thread.cancel();
  go.open();
  (void)thread.join();
}

TEST_CASE("a cancel that ends the program says who was cancelled, and the remedy") {
  const auto child = child_process::run_test_case("child: a cancel meets a destructor", "NONE", "");
  if (child.could_not_start()) {
    MESSAGE("skipped: this program cannot be started under emulation");
    return;
  }
  CHECK(child.errors.find("careless (id ") != std::string::npos);
  CHECK(child.errors.find("gr::shield") != std::string::npos);
  CHECK_FALSE(child.exited_with(0));
}
