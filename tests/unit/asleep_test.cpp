// SPDX-License-Identifier: Apache-2.0
// All asleep: run() returns when its green threads wait for ever, and says who they are.
//
// Each runs in a process of its own: in this one, other tests have left OS threads behind. What
// hangs there is ended by SIGALRM.
#include "child_process.hpp"
#include "unit_test.hpp"

#include <cstdio>
#include <poll.h>
#include <string>
#include <thread>
#include <unistd.h>
#include <vector>

// Not in a namespace, for their names are read here.
struct as_question {
  using reply = int;
};
struct as_carry {
  gr::promise<int> answer;
};

namespace {

constexpr const char* piece = "GREENROOM_TEST_PIECE";

std::string chosen() {
  const char* name = std::getenv(piece);
  return name == nullptr ? "" : name;
}

// Main waits for a channel whose only sender it has itself, others for their mailboxes, and one for
// an answer that was promised by somebody who keeps the promise.
int sleep_for_good() {
  auto keeper = gr::spawn({.name = "keeper"}, [](gr::mailbox<as_question>& in) {
    std::vector<gr::promise<int>> kept;
    while (in.receive(
        [&](as_question, gr::promise<int> answer) { kept.push_back(std::move(answer)); })) {}
  });
  std::vector<gr::green_thread> all;
  for (const char* name : {"asker/1", "asker/2"})
    all.push_back(
        gr::spawn({.name = name}, [keeper] { (void)keeper.ask_until(as_question{}, gr::never); }));
  auto [sender, receiver] = gr::channel<int>(1);
  return receiver.receive() ? 3 : 4;
}

// Outside of the runtime, much longer than the watchdog takes to find all asleep.
void pause() { ::poll(nullptr, 0, 100); }

int piece_of(const std::string& which) {
  ::alarm(60);
  const gr::runtime_options options{.workers = 2, .name = "sleepy"};
  if (which == "for good") return gr::run(options, sleep_for_good);
  if (which == "a timer")
    return gr::run(options, [] {
      gr::sleep_for(50ms);
      return 5;
    });
  if (which == "a thread") {
    std::jthread late;
    return gr::run(options, [&] {
      auto [sender, receiver] = gr::channel<int>(1);
      late = std::jthread([to = std::move(sender)]() mutable {
        pause();
        to.send(1);
      });
      return receiver.receive() ? 6 : 7;
    });
  }
  if (which == "a blocking call")
    return gr::run(options, [&] {
      auto [sender, receiver] = gr::channel<int>(1);
      auto to = gr::spawn([s = std::move(sender)]() mutable {
        gr::blocking([] { pause(); });
        s.send(1);
      });
      return receiver.receive() ? 8 : 9;
    });
  return 10;
}

bool can_judge(const child_process::result& r) {
#if defined(GREENROOM_EMULATED)
  return false;  // the emulator has threads of its own
#else
  return !r.could_not_start();
#endif
}

child_process::result run_piece(const char* which) {
  return child_process::run_test_case("a piece of a test: run in a process of its own", piece,
                                      which);
}

}  // namespace

TEST_CASE("a piece of a test: run in a process of its own" * doctest::skip()) {
  std::fflush(nullptr);
  ::_exit(piece_of(chosen()));
}

TEST_CASE("run returns 2 when all its green threads are asleep for good, and lists them by waits") {
  const auto r = run_piece("for good");
  if (!can_judge(r)) return;
  CAPTURE(r.errors);
  CHECK(r.exited_with(2));
  const auto says = [&](const char* part) { return r.errors.find(part) != std::string::npos; };
  CHECK(says("runtime sleepy: deadlock: all 4 actors and green threads are asleep"));
  CHECK(says("asleep (receive): keeper"));
  CHECK(says("asleep (ask `as_question` to keeper at asleep_test.cpp:"));
  CHECK(says("asker/1"));
  CHECK(says("asker/2"));
}

TEST_CASE("run is not over while a timer, another OS thread or a blocking call may wake somebody") {
  for (const auto& [which, code] :
       {std::pair{"a timer", 5}, {"a thread", 6}, {"a blocking call", 8}}) {
    const auto r = run_piece(which);
    if (!can_judge(r)) return;
    CAPTURE(which);
    CAPTURE(r.errors);
    CHECK(r.exited_with(code));
  }
}
