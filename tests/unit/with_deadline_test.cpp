// SPDX-License-Identifier: Apache-2.0
// One deadline for a piece of code: which waits report it, which unwind, and what it passes by.
#include "unit_test.hpp"

#include <greenroom/detail/scheduler_access.hpp>
#include <greenroom/net.hpp>
#include <greenroom/park.hpp>

#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

using unit::counted;
using unit::gate;

namespace {

constexpr gr::duration soon = 2ms;  // shorter than any wait here would last by itself

struct number {
  int value;
};
struct question {
  using reply = int;
};
struct forwarded {
  using reply = int;
};

// Holds its only place, and answers nothing, until told to go on.
auto mute_until(gate& done) {
  return [&done](gr::mailbox<number, question>& in) {
    while (!done.is_open()) gr::sleep_for(1ms);
    while (in.receive([](number) {}, [](question) { return 1; })) {}
  };
}

template <class Body>
void on_both(gr::runtime& rt, Body body) {
  CHECK(rt.spawn([&] { body(); }).join());
  std::thread(body).join();
}

}  // namespace

TEST_CASE("with_deadline returns what the function returns, in an expected, if time suffices") {
  gr::runtime rt;
  on_both(rt, [] {
    const std::expected<int, gr::error> plain = gr::with_deadline(1h, [] { return 7; });
    CHECK(plain.value() == 7);
    const std::expected<std::string, gr::error> same =
        gr::with_deadline(1h, []() -> std::expected<std::string, gr::error> { return "seven"; });
    CHECK(same.value() == "seven");
    const auto failed = gr::with_deadline(
        1h, []() -> std::expected<int, gr::error> { return std::unexpected(gr::error::refused); });
    CHECK(failed.error() == gr::error::refused);
    const gr::status nothing = gr::with_deadline(1h, [] {});
    CHECK(nothing.ok());
    const gr::status told = gr::with_deadline(1h, []() -> gr::status { return gr::error::io; });
    CHECK(told.error() == gr::error::io);
    auto moved = gr::with_deadline(1h, [] { return std::make_unique<int>(3); });
    CHECK(*moved.value() == 3);
    CHECK_THROWS_AS(gr::with_deadline(1h, [] { throw std::runtime_error("out"); }),
                    std::runtime_error);
  });
}

TEST_CASE("sleep, yield and receive unwind to the with_deadline when its time is over") {
  const unit::no_leaks watch;
  gr::runtime rt;
  on_both(rt, [] {
    const gr::status slept = gr::with_deadline(soon, [] {
      const counted mine(1);
      gr::sleep_for(24h);
      CHECK(false);
    });
    CHECK(slept.error() == gr::error::timeout);
    const auto yielded = gr::with_deadline(soon, []() -> int {
      const counted mine(1);
      for (;;) gr::yield();
    });
    CHECK(yielded.error() == gr::error::timeout);
  });
  gr::error::code_type forever{}, bounded{}, polled{};
  gr::received shorter{};
  gate over;
  auto to = rt.spawn([&](gr::mailbox<number>& in) {
    const auto me = in.address();
    forever = gr::with_deadline(soon, [&] { in.receive([](number) {}); }).error().code();
    bounded = gr::with_deadline(soon, [&] { in.receive_for(24h, [](number) {}); }).error().code();
    shorter = gr::with_deadline(24h, [&] { return in.receive_for(soon, [](number) {}); }).value();
    polled = gr::with_deadline(0s, [&] { in.try_receive([](number) {}); }).error().code();
    // What it leaves is a receiver as before.
    me.send(number{5});
    in.receive([](number n) { CHECK(n.value == 5); });
    over.open();
  });
  over.wait_on_os_thread();
  CHECK(forever == gr::error::timeout);
  CHECK(bounded == gr::error::timeout);
  CHECK(polled == gr::error::timeout);
  CHECK(shorter == gr::received::nothing);
}

TEST_CASE("messages come through under a deadline, and the mailbox is fast again behind it") {
  int sum = 0;
  gr::runtime rt;
  auto adder = rt.spawn({.capacity = 4}, [&](gr::mailbox<number, question>& in) {
    const gr::status s = gr::with_deadline(1h, [&] {
      for (int i = 0; i < 1000; ++i)
        in.receive([&](number n) { sum += n.value; }, [](question) { return 0; });
    });
    CHECK(s);
    while (in.receive([&](number n) { sum += n.value; }, [&](question) { return sum; })) {}
  });
  on_both(rt, [&] {
    gr::with_deadline(1h, [&] {
      for (int i = 0; i < 1000; ++i) CHECK(adder.send(number{1}));
    });
  });
  CHECK(adder.ask(question{}, unit::long_time).value() == 2000);
}

TEST_CASE("a wait with a result that the time cuts short reports timeout to the function") {
  gate done;
  gr::runtime rt;
  auto mute = rt.spawn({.capacity = 1}, mute_until(done));
  mute.send(number{1});
  auto never_ends = rt.spawn([&] {
    while (!done.is_open()) gr::sleep_for(1ms);
  });
  on_both(rt, [&] {
    const auto check = [&](auto wait) {
      const auto got = gr::with_deadline(soon, [&] { return gr::error(wait()); });
      CHECK(got.value() == gr::error::timeout);
      // Begun after the deadline it reports as well, once.
      int reported = 0;
      const gr::status s = gr::with_deadline(0s, [&] {
        while (wait() == gr::error::timeout) ++reported;
      });
      CHECK(s.error() == gr::error::timeout);
      CHECK(reported == 1);
    };
    check([&] { return mute.ask(question{}, 24h).error().code(); });
    check([&] { return mute.ask_until(question{}, gr::never).error().code(); });
    check([&] { return mute.send(number{2}).error().code(); });
    check([&] { return mute.send_for(24h, number{2}).error().why.code(); });
    check([&] { return never_ends.join().error().code(); });
    check([&] { return never_ends.join_for(24h).error().code(); });
    auto [here, there] = gr::memory_pipe(16);
    check([&] {
      char byte[1];
      return here->read_some(byte).error().code();
    });
  });
  done.open();
  CHECK(never_ends.join_for(unit::long_time));
}

TEST_CASE("a loop that tries an ask again and again ends by its deadline") {
  gate done;
  gr::runtime rt;
  auto mute = rt.spawn({.capacity = 1}, mute_until(done));
  mute.send(number{1});
  on_both(rt, [&] {
    const gr::status plain = gr::with_deadline(soon, [&] {
      while (!mute.ask(question{}, 24h)) {}
    });
    CHECK(plain.error() == gr::error::timeout);
    // Also when each try has a later deadline of its own around it.
    const gr::status nested = gr::with_deadline(soon, [&] {
      while (!gr::with_deadline(24h, [&] { return mute.ask(question{}, 24h); })) {}
    });
    CHECK(nested.error() == gr::error::timeout);
  });
  done.open();
}

TEST_CASE("join_for and join_until end at their deadline, or with the green thread") {
  gate done;
  gr::runtime rt;
  const auto waits = rt.spawn([&] {
    while (!done.is_open()) gr::sleep_for(1ms);
    throw std::runtime_error("after all");
  });
  on_both(rt, [&] {
    CHECK(waits.join_for(0s).error() == gr::error::timeout);
    CHECK(waits.join_for(-1s).error() == gr::error::timeout);
    CHECK(waits.join_for(soon).error() == gr::error::timeout);
    CHECK(waits.join_until(gr::now()).error() == gr::error::timeout);
  });
  done.open();
  on_both(rt, [&] {
    CHECK(waits.join_for(unit::long_time).error() == gr::error::failed);
    CHECK(waits.join_until(gr::never).error() == gr::error::failed);
  });
  CHECK(gr::green_thread().join_for(1s).error() == gr::error::shutdown);
}

TEST_CASE("nested deadlines: the inner one is never later, and unwinding passes it then") {
  gr::runtime rt;
  on_both(rt, [] {
    bool passed_inner = false;
    // The inner time is over first: only the inner one ends.
    const auto outer = gr::with_deadline(24h, [&] {
      const gr::status inner = gr::with_deadline(soon, [] { gr::sleep_for(24h); });
      passed_inner = true;
      return inner.error().code();
    });
    CHECK(outer.value() == gr::error::timeout);
    CHECK(passed_inner);
    passed_inner = false;
    const gr::status both = gr::with_deadline(soon, [&] {
      (void)gr::with_deadline(24h, [] { gr::sleep_for(24h); });
      passed_inner = true;
    });
    CHECK(both.error() == gr::error::timeout);
    CHECK_FALSE(passed_inner);
    // What was in force before is in force again.
    const gr::status after = gr::with_deadline(soon, [] {
      CHECK(gr::with_deadline(24h, [] { return 1; }));
      gr::sleep_for(24h);
    });
    CHECK(after.error() == gr::error::timeout);
    gr::sleep_for(0s);
  });
}

TEST_CASE("a time that is past, or no time at all, ends the first wait and nothing before") {
  gr::runtime rt;
  on_both(rt, [] {
    for (const gr::duration d : {gr::duration(0s), gr::duration(-1h), gr::duration::min()}) {
      bool ran = false;
      const gr::status s = gr::with_deadline(d, [&] {
        ran = true;
        gr::yield();
        ran = false;
      });
      CHECK(s.error() == gr::error::timeout);
      CHECK(ran);
      CHECK(gr::with_deadline(d, [] { return 4; }).value() == 4);
    }
    CHECK(gr::with_deadline_until(gr::now() - 1s, [] { gr::sleep_for(24h); }).error() ==
          gr::error::timeout);
    CHECK(gr::with_deadline(gr::duration::max(), [] { gr::yield(); }));
    CHECK(gr::with_deadline_until(gr::never, [] { gr::sleep_for(0s); }));
  });
}

TEST_CASE("the unwinding is no std::exception, and who swallows it meets it at the next wait") {
  gr::runtime rt;
  on_both(rt, [] {
    int caught = 0;
    const gr::status s = gr::with_deadline(0s, [&] {
      for (int i = 0; i < 5; ++i) {
        try {
          gr::sleep_for(24h);
        } catch (const std::exception&) { caught = -100; } catch (...) {
          ++caught;
        }
      }
      gr::yield();
      caught = -1;
    });
    CHECK(s.error() == gr::error::timeout);
    CHECK(caught == 5);
  });
}

TEST_CASE("clean-up may wait: under a shield and in destructors the deadline does not count") {
  gr::runtime rt;
  auto echo = rt.spawn([](gr::mailbox<question>& in) {
    while (in.receive([](question) { return 7; })) {}
  });
  struct farewell {
    const gr::address<question>& to;
    std::vector<int>& got;
    ~farewell() {
      gr::sleep_for(soon);
      gr::yield();
      got.push_back(to.ask(question{}, unit::long_time).value_or(-1));
    }
  };
  on_both(rt, [&] {
    std::vector<int> got;
    const gr::status s = gr::with_deadline(0s, [&] {
      const farewell last{echo, got};
      {
        const gr::shield clean_up;
        gr::sleep_for(soon);
        got.push_back(echo.ask(question{}, unit::long_time).value_or(-1));
        // It may bound itself all the same.
        CHECK(gr::with_deadline(soon, [] { gr::sleep_for(24h); }).error() == gr::error::timeout);
        got.push_back(1);
      }
      gr::sleep_for(24h);
      got.push_back(-2);
    });
    CHECK(s.error() == gr::error::timeout);
    CHECK(got == std::vector{7, 1, 7});
  });
}

TEST_CASE("a receive behind a shield is bounded again") {
  gate over;
  gr::runtime rt;
  gr::error::code_type how{};
  auto to = rt.spawn([&](gr::mailbox<number>& in) {
    how = gr::with_deadline(soon,
                            [&] {
                              {
                                const gr::shield s;
                                (void)gr::with_deadline(1h, [] {});
                              }
                              in.receive([](number) {});
                            })
              .error()
              .code();
    over.open();
  });
  over.wait_on_os_thread();
  CHECK(how == gr::error::timeout);
}

TEST_CASE("a cancel comes through a with_deadline") {
  gate inside;
  bool passed = false;
  gr::runtime rt;
  auto thread = rt.spawn([&] {
    (void)gr::with_deadline(24h, [&] {
      inside.open();
      gr::sleep_for(24h);
    });
    passed = true;
  });
  inside.wait_on_os_thread();
  thread.cancel();
  CHECK(thread.join().error() == gr::error::cancelled);
  CHECK_FALSE(passed);
}

TEST_CASE("asks carry the time that is left, and what handlers ask inherits it") {
  gate done;
  gr::runtime rt;
  auto mute = rt.spawn({.capacity = 1}, mute_until(done));
  mute.send(number{1});
  std::atomic<int> inner{-1};
  auto middle = rt.spawn([&](gr::mailbox<forwarded>& in) {
    while (in.receive([&](forwarded) {
      const auto got = mute.ask(question{}, 24h);
      inner = got ? -2 : got.error().code();
      return 0;
    })) {}
  });
  CHECK(unit::on_green_thread(rt, [&] {
    // The handler's answer may just come in time.
    (void)gr::with_deadline(soon, [&] { return middle.ask(forwarded{}, 24h); });
  }));
  // The handler's ask ends though it asked for a day.
  unit::yield_until([&] { return inner != -1; });
  CHECK(inner == gr::error::timeout);
  done.open();
}

TEST_CASE("a request whose time is over when its turn comes is not run, and is counted") {
  std::atomic<int> ran{0};
  gate begun, done;
  gr::runtime rt;
  auto busy = rt.spawn([&](gr::mailbox<number, question>& in) {
    while (in.receive(
        [&](number) {
          begun.open();
          done.wait_on_green_thread();
        },
        [&](question) { return ++ran; })) {}
  });
  busy.send(number{0});
  begun.wait_on_os_thread();
  const auto got = gr::with_deadline(soon, [&] { return busy.ask(question{}, 24h); });
  CHECK(got.error() == gr::error::timeout);
  done.open();
  CHECK(busy.ask(question{}, unit::long_time).value() == 1);
  CHECK(rt.dead_letters().expired == 1);
}

// Goal: a deadline that is hit at any moment leaves receiver and senders whole.
// Method: a receiver takes messages under deadlines around the time a message takes to come; the
// sum of what was received in all its turns is that of what was sent.
TEST_CASE("no message is lost or doubled between deadlines") {
  const std::uint32_t seed = unit::seed_of_this_run();
  CAPTURE(seed);
  const unit::no_leaks watch;
  struct parcel {
    counted content;
  };
  const int count = unit::scaled(20'000, 1'500);
  long sum = 0;
  int unwound = 0;
  {
    gr::runtime rt;
    auto to = rt.spawn({.capacity = 16}, [&](gr::mailbox<parcel>& in) {
      std::minstd_rand random(seed);
      for (bool open = true; open;) {
        const auto within = std::chrono::microseconds(random() % 50);
        const gr::status s = gr::with_deadline(within, [&] {
          while (open) open = in.receive([&](parcel p) { sum += p.content.value(); });
        });
        unwound += !s;
      }
    });
    std::vector<gr::green_thread> senders;
    for (int k = 0; k < 4; ++k)
      senders.push_back(rt.spawn([&, to, k] {
        std::minstd_rand random(seed + static_cast<std::uint32_t>(k) + 1);
        for (int i = 0; i < count; ++i) {
          if (random() % 64 == 0) gr::sleep_for(std::chrono::microseconds(random() % 100));
          to.send(parcel{counted(1)});
        }
      }));
    for (const auto& s : senders) CHECK(s.join());
    to = {};
    CHECK(rt.shutdown(unit::long_time).ok());
  }
  CHECK(sum == 4L * count);  // none was refused, for none had a deadline
  CHECK(unwound > 0);
}

// Goal: shutdown does not wait for a timer that a finished wait has left armed.
// Method: an ask with a deadline of an hour is answered, then its asker waits for messages. The
// scheduler counts as quiet for the next two hours then. (Else it would never get quiet here, and
// the loop ends by its own long deadline.)
TEST_CASE("a deadline that nobody waits for any more does not keep a scheduler from being quiet") {
  gr::runtime rt;
  auto echo = rt.spawn([](gr::mailbox<question>& in) {
    while (in.receive([](question) { return 7; })) {}
  });
  gate asked;
  std::atomic<gr::detail::scheduler*> scheduler{nullptr};
  auto rests = rt.spawn([&](gr::mailbox<number>& in) {
    scheduler = gr::detail::current_scheduler();
    CHECK(echo.ask(question{}, 1h).value_or(0) == 7);
    asked.open();
    while (in.receive([](number) {})) {}
  });
  asked.wait_on_os_thread();
  const auto is_quiet = [&] { return gr::detail::is_quiet(scheduler, gr::now() + 2h); };
  const gr::time_point give_up = gr::now() + unit::long_time;
  while (!is_quiet() && gr::now() < give_up) gr::yield();
  CHECK(is_quiet());
  // Dropping it took nothing from the waits to come.
  gate slept;
  auto sleeper = rt.spawn([&] {
    gr::sleep_for(soon);
    slept.open();
  });
  slept.wait_on_os_thread();
}
