// SPDX-License-Identifier: Apache-2.0
// The memory of messages: it comes home, and is used again.
#include "unit_test.hpp"

#include <fstream>
#include <string>
#include <thread>
#include <unistd.h>

namespace {

struct number {
  int value;
};
struct wide {
  char text[100];
};

std::size_t resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  std::size_t all = 0, resident = 0;
  statm >> all >> resident;
  return resident * static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
}

struct tally {
  using messages = gr::messages<number, wide>;
  std::atomic<int>* heard;
  void on(number) { ++*heard; }
  void on(wide) { ++*heard; }
};

// Sends from an OS thread of its own that ends, and waits until all has been heard.
void burst(gr::runtime& rt, int n) {
  std::atomic<int> heard{0};
  auto to = rt.spawn<tally>({.capacity = gr::unbounded}, &heard);
  std::thread([&] {
    for (int i = 0; i < n; ++i) {
      if (i % 2 == 0)
        to.send(number{i});
      else
        to.send(wide{});
    }
  }).join();
  while (heard != n) std::this_thread::yield();
}

}  // namespace

// Under the sanitizers messages are malloc'd, one by one.
TEST_CASE("message memory of threads that have ended is used again" *
          doctest::skip(unit::is_sanitized)) {
  gr::runtime rt({.workers = 2});
  constexpr int n = 20'000;
  for (int i = 0; i < 20; ++i) burst(rt, n);
  const std::size_t before = resident_bytes();
  for (int i = 0; i < 200; ++i) burst(rt, n);
  // One burst is 1.5 MB; 200 of them kept would be 300. An emulator takes some for itself.
  CHECK(resident_bytes() < before + (std::size_t{150} << 20));
}

TEST_CASE("a message sent while a thread's locals are destroyed arrives, and its memory works") {
  gr::runtime rt({.workers = 1, .threads_max = 1});
  std::atomic<int> heard{0};
  auto to = rt.spawn<tally>({.capacity = gr::unbounded}, &heard);
  struct late {
    gr::address<number, wide> to;
    ~late() {
      for (int i = 0; i < 1'000; ++i) to.send(number{i});
    }
  };
  for (int round = 0; round < 10; ++round)
    std::thread([&] {
      // Made before the thread's first message, so destroyed after what that has left behind.
      static thread_local late last;
      last.to = to;
      to.send(number{0});
    }).join();
  while (heard != 10 * 1'001) std::this_thread::yield();
  CHECK(heard == 10 * 1'001);
}
