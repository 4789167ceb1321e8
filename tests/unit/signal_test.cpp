// SPDX-License-Identifier: Apache-2.0
// SIGTERM and SIGINT as requests to shut down. A process that is to be ended by a signal is one of
// its own: the cases named "child: …" run there, and their ends are what is tested.
#include "child_process.hpp"
#include "unit_test.hpp"

#include <csignal>
#include <memory>
#include <string>
#include <thread>
#include <vector>

using unit::gate;

namespace {

struct question {
  using reply = int;
};

child_process::result run_child(const char* name) {
  return child_process::run_test_case(name, "GREENROOM_CAPACITY", "1024");
}

// How it ended, or nothing where such a process cannot be started.
#define CHECK_CHILD(name, holds)         \
  do {                                   \
    const auto child = run_child(name);  \
    if (child.could_not_start()) return; \
    INFO(child.errors);                  \
    INFO(child.status);                  \
    CHECK(child.holds);                  \
  } while (false)

struct sigaction now_for(int number) {
  struct sigaction found{};
  ::sigaction(number, nullptr, &found);
  return found;
}

// As a pointer, which the framework can print.
const void* handler_of(int number) {
  return reinterpret_cast<const void*>(now_for(number).sa_handler);
}

void some_handler(int) {}
const void* const some = reinterpret_cast<const void*>(some_handler);

// Ends the child by what a program's main would return, past the test framework.
[[noreturn]] void leave(int code) { ::_exit(code); }

gr::runtime_options with_signals() { return {.handle_signals = true}; }

}  // namespace

TEST_CASE("child: SIGTERM right after the start" * doctest::skip()) {
  int code = 1;
  {
    gr::runtime rt(with_signals());
    ::raise(SIGTERM);
    code = rt.run_until_signal().exit_code();
  }
  leave(code + 10);
}
TEST_CASE("a signal that comes before anybody waits for one counts") {
  CHECK_CHILD("child: SIGTERM right after the start", exited_with(10));
}

TEST_CASE("child: SIGINT from another thread" * doctest::skip()) {
  gr::runtime rt(with_signals());
  bool told = false;
  const auto hook = rt.on_shutdown([&] { told = true; });
  std::thread kills([] { ::kill(::getpid(), SIGINT); });
  const int code = rt.run_until_signal().exit_code();
  kills.join();
  leave(code == 0 && told ? 10 : 11);
}
TEST_CASE("a signal wakes who waits for one, and the hooks run") {
  CHECK_CHILD("child: SIGINT from another thread", exited_with(10));
}

TEST_CASE("child: SIGTERM in a storm of spawns" * doctest::skip()) {
  std::atomic<long> made{0}, ended{0};
  std::atomic<bool> killed{false};
  gr::runtime rt(with_signals());
  std::thread storm([&] {
    while (rt.spawn([&] {
      if (made > 100 && !killed.exchange(true)) ::kill(::getpid(), SIGTERM);
      ++ended;
    }))
      ++made;
  });
  const bool ok = rt.run_until_signal().ok();
  storm.join();
  leave(ok && made == ended ? 10 : 11);
}
TEST_CASE("a signal in a storm of spawns, from an actor, ends all that was made") {
  CHECK_CHILD("child: SIGTERM in a storm of spawns", exited_with(10));
}

TEST_CASE("child: SIGTERM with asks in flight" * doctest::skip()) {
  constexpr int askers = 1000;
  std::atomic<int> heard{0}, asked{0};
  gr::runtime rt(with_signals());
  const auto slow = rt.spawn([](gr::mailbox<question>& in) {
    while (in.receive([](question) {
      gr::yield();
      return 1;
    })) {}
  });
  for (int i = 0; i < askers; ++i)
    rt.spawn([&] {
      if (++asked == askers / 2) ::kill(::getpid(), SIGTERM);
      struct hears {
        std::atomic<int>& n;
        ~hears() { ++n; }
      } const at_end{heard};
      (void)slow.ask(question{}, unit::long_time);
    });
  const bool ok = rt.run_until_signal().ok();
  leave(ok && heard == asked ? 10 : 11);
}
TEST_CASE("a signal with a thousand asks in flight ends all of them") {
  CHECK_CHILD("child: SIGTERM with asks in flight", exited_with(10));
}

TEST_CASE("child: SIGTERM while it shuts down" * doctest::skip()) {
  gate draining, go_on;
  gr::runtime rt(with_signals());
  rt.spawn([&] {
    draining.open();
    go_on.wait_on_green_thread();
  });
  draining.wait_on_os_thread();
  std::thread stops([&] { (void)rt.shutdown(unit::long_time); });
  unit::yield_until([&] { return !rt.spawn([] {}); });
  ::raise(SIGTERM);
  go_on.open();
  const int code = rt.run_until_signal().exit_code();
  stops.join();
  leave(code + 10);
}
TEST_CASE("the first signal during a shutdown changes nothing about it") {
  CHECK_CHILD("child: SIGTERM while it shuts down", exited_with(10));
}

// Two signals while an actor hangs: `second` is what comes when the shutdown has begun.
static void hang_and_signal(int second) {
  gate entered;
  gr::runtime rt({.shutdown_deadline = 24h, .handle_signals = true});
  rt.spawn([&] {
    const gr::shield for_good;
    entered.open();
    for (;;) gr::sleep_for(24h);
  });
  entered.wait_on_os_thread();
  std::thread kills([&] {
    ::kill(::getpid(), SIGTERM);
    unit::yield_until([&] { return !rt.spawn([] {}); });
    ::kill(::getpid(), second);
  });
  (void)rt.run_until_signal();
  leave(11);
}
TEST_CASE("child: SIGTERM twice" * doctest::skip()) { hang_and_signal(SIGTERM); }
TEST_CASE("child: SIGTERM and then SIGINT" * doctest::skip()) { hang_and_signal(SIGINT); }
TEST_CASE("a second signal ends the process at once, though the shutdown hangs") {
  CHECK_CHILD("child: SIGTERM twice", killed_by(SIGTERM));
  CHECK_CHILD("child: SIGTERM and then SIGINT", killed_by(SIGINT));
}

TEST_CASE("child: SIGTERM twice while the only worker is stuck" * doctest::skip()) {
  gate entered;
  std::atomic<bool> never_set{false};
  gr::runtime rt({.workers = 1,
                  .threads_max = 1,
                  .report_stuck_after = gr::duration::max(),
                  .shutdown_deadline = 24h,
                  .handle_signals = true});
  rt.spawn([&] {
    entered.open();
    while (!never_set) {}
  });
  entered.wait_on_os_thread();
  std::thread kills([&] {
    ::kill(::getpid(), SIGTERM);
    unit::yield_until([&] { return !rt.spawn([] {}); });
    ::kill(::getpid(), SIGTERM);
  });
  (void)rt.run_until_signal();
  leave(11);
}
TEST_CASE("a second signal needs no worker that still works") {
  CHECK_CHILD("child: SIGTERM twice while the only worker is stuck", killed_by(SIGTERM));
}

TEST_CASE("child: run is ended by SIGTERM" * doctest::skip()) {
  std::vector<int> order;
  const int code = gr::run({.handle_signals = true}, [&] {
    struct notes {
      std::vector<int>& order;
      ~notes() { order.push_back(1); }
    } const at_end{order};
    ::raise(SIGTERM);
    gr::sleep_for(24h);
  });
  leave(code == 0 && order == std::vector<int>{1} ? 10 : 11);
}
TEST_CASE("child: run returns what main returns after SIGTERM" * doctest::skip()) {
  const int code = gr::run({.handle_signals = true}, [] {
    ::raise(SIGTERM);
    try {
      gr::sleep_for(24h);
    } catch (const gr::cancelled&) {}
    return 5;
  });
  leave(code == 5 ? 10 : 11);
}
TEST_CASE("child: run with a main that stays" * doctest::skip()) {
  const int code = gr::run({.shutdown_deadline = 20ms, .handle_signals = true}, [] {
    const gr::shield for_good;
    ::raise(SIGTERM);
    for (;;) gr::sleep_for(24h);
  });
  leave(code == 1 ? 10 : 11);
}
TEST_CASE("run: a signal cancels main, whose result counts if it has one") {
  CHECK_CHILD("child: run is ended by SIGTERM", exited_with(10));
  CHECK_CHILD("child: run returns what main returns after SIGTERM", exited_with(10));
  const auto child = run_child("child: run with a main that stays");
  if (child.could_not_start()) return;
  CHECK(child.exited_with(10));
  CHECK(child.errors.find("1 actor did not stop in ") != std::string::npos);
  CHECK(child.errors.find("main (id ") != std::string::npos);
}

TEST_CASE("child: a fork of a process that handles SIGTERM" * doctest::skip()) {
  gr::runtime rt(with_signals());
  const pid_t child = ::fork();
  if (child == 0) {
    ::raise(SIGTERM);
    ::_exit(12);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  leave(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM && !rt.shutdown_requested() ? 10 : 11);
}
// ThreadSanitizer's own handling of signals does not survive a fork of a process with threads.
#if !defined(GREENROOM_TSAN)
TEST_CASE("in a process made by fork the signal does what it did before") {
  CHECK_CHILD("child: a fork of a process that handles SIGTERM", exited_with(10));
}
#endif

TEST_CASE("handlers come with the first runtime that asks for them and go with the last") {
  const auto before = now_for(SIGTERM);
  struct sigaction mine{};
  mine.sa_handler = some_handler;
  ::sigaction(SIGTERM, &mine, nullptr);
  {
    const gr::runtime plain;
    CHECK(handler_of(SIGTERM) == some);
  }
  {
    const auto first = std::make_unique<gr::runtime>(with_signals());
    const void* const handler = handler_of(SIGTERM);
    CHECK(handler != some);
    auto second = std::make_unique<gr::runtime>(with_signals());
    CHECK(handler_of(SIGTERM) == handler);
    second.reset();
    CHECK(handler_of(SIGTERM) == handler);
  }
  CHECK(handler_of(SIGTERM) == some);
  ::sigaction(SIGTERM, &before, nullptr);
}

TEST_CASE("a signal that is ignored stays ignored") {
  const auto before = now_for(SIGINT);
  struct sigaction ignored{};
  ignored.sa_handler = SIG_IGN;
  ::sigaction(SIGINT, &ignored, nullptr);
  {
    const gr::runtime rt(with_signals());
    CHECK(handler_of(SIGINT) == reinterpret_cast<const void*>(SIG_IGN));
    ::raise(SIGINT);
    CHECK_FALSE(rt.shutdown_requested());
  }
  CHECK(handler_of(SIGINT) == reinterpret_cast<const void*>(SIG_IGN));
  ::sigaction(SIGINT, &before, nullptr);
}

TEST_CASE("one signal is heard by all runtimes that ask for it, and by the next program anew") {
  {
    gr::runtime one(with_signals()), two(with_signals()), deaf;
    ::raise(SIGTERM);
    CHECK(one.run_until_signal().ok());
    CHECK(two.run_until_signal().ok());
    CHECK_FALSE(deaf.shutdown_requested());
  }
  const gr::runtime later(with_signals());
  CHECK_FALSE(later.shutdown_requested());
}
