// SPDX-License-Identifier: Apache-2.0
// The signal that makes runtimes write their dumps. Each in a process of its own, for a process has
// one set of handlers, and one made by fork() has no workers.
#include "child_process.hpp"
#include "unit_test.hpp"

#include <atomic>
#include <csignal>
#include <stdexcept>
#include <string>

namespace {

constexpr const char* in_child = "GREENROOM_TEST_DUMP_SIGNAL";

void check_in_child(const char* name) {
  const child_process::result r = child_process::run_test_case(name, in_child, "1");
  CAPTURE(r.errors);
  CHECK((r.could_not_start() || r.exited_with(0)));
}

void wait_for(const unit::log_book& log, std::string_view text) {
  unit::yield_until([&] { return log.has(text); });
}

std::atomic<int> heard{0};
void hear(int) { ++heard; }

}  // namespace

// Goal: the dump comes while nobody can run anything. Method: the only worker spins, and no other
// thread may join.
TEST_CASE("child: a signal dumps while the only worker is stuck" * doctest::skip()) {
  unit::log_book log;
  std::atomic<bool> over{false}, spins{false};
  gr::runtime rt(
      {.workers = 1, .threads_max = 1, .name = "web", .logger = log.logger(), .dump_on = SIGQUIT});
  auto spinner = rt.spawn({.name = "spinner"}, [&] {
    spins = true;
    while (!over.load(std::memory_order_relaxed)) {}
  });
  unit::yield_until([&] { return spins.load(); });
  ::raise(SIGQUIT);
  wait_for(log, "spinner (id " + std::to_string(spinner.id()) + "): runs");
  CHECK(log.has("greenroom: dump of runtime web: 1 actors"));
  over = true;
}

TEST_CASE("a signal dumps while the only worker is stuck") {
  check_in_child("child: a signal dumps while the only worker is stuck");
}

TEST_CASE("child: every runtime that wants it dumps, and the old handler comes back" *
          doctest::skip()) {
  std::signal(SIGUSR1, hear);
  {
    unit::log_book first, second, third;
    gr::runtime a({.workers = 1, .name = "first", .logger = first.logger(), .dump_on = SIGUSR1});
    gr::runtime c({.workers = 1, .name = "third", .logger = third.logger()});
    {
      gr::runtime b(
          {.workers = 1, .name = "second", .logger = second.logger(), .dump_on = SIGUSR1});
      ::raise(SIGUSR1);
      wait_for(first, "dump of runtime first");
      wait_for(second, "dump of runtime second");
    }
    ::raise(SIGUSR1);
    // The second one, for there are two heads now.
    unit::yield_until([&] {
      const std::string all = first.text();
      return all.find("dump of runtime first") != all.rfind("dump of runtime first");
    });
    CHECK_FALSE(third.has("dump of"));
  }
  CHECK(heard == 0);
  ::raise(SIGUSR1);
  CHECK(heard == 1);
}

TEST_CASE("every runtime that wants it dumps, and the old handler comes back") {
  check_in_child("child: every runtime that wants it dumps, and the old handler comes back");
}

TEST_CASE("a signal that cannot be had is refused by name") {
  for (const int signal : {-1, SIGKILL, SIGSTOP, SIGSEGV, SIGURG, 1000}) {
    CAPTURE(signal);
    std::string said;
    try {
      gr::runtime rt({.workers = 1, .dump_on = signal});
    } catch (const std::invalid_argument& e) { said = e.what(); }
    CHECK(said == "greenroom: dump_on = " + std::to_string(signal) +
                      ": must be 0 (none) or a signal that can be caught, as SIGQUIT");
  }
}
