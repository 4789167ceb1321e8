// SPDX-License-Identifier: Apache-2.0
// Stacks of green threads: overflow is told by name, unwinders end at the entry, big stacks, many
// live at once, and spawns beyond every queue's size.
#include "stress.hpp"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <sys/wait.h>
#include <unistd.h>
#include <unwind.h>

namespace {

// Not a tail call, and every frame is written to.
__attribute__((noinline)) int deep(int levels) {
  volatile char room[1024];
  room[0] = static_cast<char>(levels);
  if (levels == 0) return room[0];
  return deep(levels - 1) + room[0];
}

struct walk {
  int frames = 0;
};

_Unwind_Reason_Code one_frame(_Unwind_Context*, void* argument) {
  auto* w = static_cast<walk*>(argument);
  return ++w->frames > 1000 ? _URC_NORMAL_STOP : _URC_NO_REASON;
}

void overflow_a_stack() {
  gr::runtime rt{{.workers = 1, .threads_max = 1}};
  (void)rt.spawn({.name = "digger"}, [] { std::printf("%d", deep(1'000'000)); }).join();
}

constexpr int cannot_execute = 127;

// Runs this program as --child=NAME; what it printed on standard error.
std::string run_as_child(const char* name, int& status) {
  int ends[2];
  REQUIRE(pipe(ends) == 0);
  const pid_t child = fork();
  if (child == 0) {
    dup2(ends[1], STDERR_FILENO);
    close(ends[0]);
    const std::string argument = std::string("--child=") + name;
    execl("/proc/self/exe", "stress-test", argument.c_str(), nullptr);
    _exit(cannot_execute);
  }
  close(ends[1]);
  std::string text;
  char part[512];
  for (ssize_t n; (n = read(ends[0], part, sizeof part)) > 0;)
    text.append(part, static_cast<std::size_t>(n));
  close(ends[0]);
  waitpid(child, &status, 0);
  return text;
}

}  // namespace

int run_child(const char* name) {
  if (std::strcmp(name, "overflow") == 0) overflow_a_stack();
  return 3;  // not reached by the overflow
}

TEST_CASE("a stack overflow names the green thread, its stack, and the remedy, and aborts") {
  int status = 0;
  const std::string text = run_as_child("overflow", status);
  if (std::getenv("GREENROOM_EMULATED") != nullptr && WIFEXITED(status) &&
      WEXITSTATUS(status) == cannot_execute) {
    MESSAGE("skipped: a program under an emulator cannot execute itself");
    return;
  }
  CAPTURE(text);
  CHECK(text.find("stack overflow in digger (id 1") != std::string::npos);
  CHECK(text.find("256 KiB") != std::string::npos);
  CHECK(text.find("stack_size") != std::string::npos);
  REQUIRE(WIFSIGNALED(status));
  CHECK(WTERMSIG(status) == SIGABRT);
}

TEST_CASE("an unwinder that walks a green thread's stack ends at its entry") {
  gr::runtime rt{{.workers = 2}};
  _Unwind_Reason_Code fresh = _URC_NO_REASON;
  _Unwind_Reason_Code resumed = _URC_NO_REASON;
  CHECK(rt.spawn([&] {
            walk w;
            fresh = _Unwind_Backtrace(one_frame, &w);
            gr::yield();
            gr::sleep_for(1us);
            resumed = _Unwind_Backtrace(one_frame, &w);
          }).join());
  CHECK(fresh == _URC_END_OF_STACK);
  CHECK(resumed == _URC_END_OF_STACK);
}

TEST_CASE("a green thread with a bigger stack recurses deeper, also after it has migrated") {
  gr::runtime rt{{.workers = 3}};
  stress::mover away;
  stress::verdict v;
  stress::group all;
  const int threads = stress::scaled(16, 4);
  for (int i = 0; i < threads; ++i)
    all.spawn(rt, {.name = "deep", .stack_size = 8u << 20}, [&] {
      const int levels = stress::scaled(4000, 1000);
      const int here = deep(levels);
      away.move();
      v.expect(deep(levels) == here, "the same recursion gives the same sum");
    });
  CHECK(all.join());
  v.report();
}

TEST_CASE("many green threads wait at once, each on a stack of its own that keeps its content") {
  gr::runtime rt{{.workers = 3}};
  const int threads = stress::scaled(20'000, 1'000);
  stress::verdict v;
  stress::group all;
  std::atomic<int> arrived{0};
  for (int i = 0; i < threads; ++i)
    all.spawn(rt, [&, i] {
      volatile int mine[64];
      for (int k = 0; k < 64; ++k) mine[k] = i + k;
      ++arrived;
      while (arrived.load() < threads) gr::yield();
      for (int k = 0; k < 64; ++k) v.expect(mine[k] == i + k, "a stack kept its content");
    });
  CHECK(all.join());
  v.report();
}

TEST_CASE("children beyond the size of every queue all run, once each") {
  gr::runtime rt{{.workers = 3}};
  const int children = stress::scaled(100'000, 5'000);
  std::vector<std::atomic<int>> ran(static_cast<std::size_t>(children));
  CHECK(rt.spawn([&] {
            std::vector<gr::green_thread> all;
            for (int i = 0; i < children; ++i)
              all.push_back(gr::spawn([&, i] {
                if (i % 3 == 0) gr::yield();
                ++ran[static_cast<std::size_t>(i)];
              }));
            for (const gr::green_thread& each : all) (void)each.join();
          }).join());
  int wrong = 0;
  for (const std::atomic<int>& each : ran) wrong += each.load() != 1;
  CHECK(wrong == 0);
}

TEST_CASE("a chain of nested spawns, each waiting for its child, comes back") {
  gr::runtime rt{{.workers = 2}};
  struct chain {
    static int down(int levels) {
      if (levels == 0) return 0;
      int below = 0;
      (void)gr::spawn([&] { below = down(levels - 1); }).join();
      return below + 1;
    }
  };
  const int levels = stress::scaled(10'000, 500);
  int depth = 0;
  CHECK(rt.spawn([&] { depth = chain::down(levels); }).join());
  CHECK(depth == levels);
}
