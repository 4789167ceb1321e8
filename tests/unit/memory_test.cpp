// SPDX-License-Identifier: Apache-2.0
// What a queued message and a resting actor take of the process's memory, as docs/design/costs.md
// says. Each is measured in a process of its own, for what earlier tests left behind would be used
// first.
#include "unit_test.hpp"

#include "child_process.hpp"

#include <fstream>
#include <string>
#include <unistd.h>
#include <vector>

namespace {

struct number {
  long value;
};

// Counted page by page, unlike the figure in /proc/self/statm, which lags on many processors.
std::size_t resident_bytes() {
  std::ifstream rollup("/proc/self/smaps_rollup");
  for (std::string word; rollup >> word;) {
    std::size_t kb = 0;
    if (word == "Rss:" && rollup >> kb) return kb * 1024;
  }
  return 0;
}

// By how much the process grows while `make` runs, for each of n.
template <class Make>
double bytes_each(int n, Make make) {
  const std::size_t before = resident_bytes();
  REQUIRE(before != 0);
  make();
  const double each = static_cast<double>(resident_bytes() - before) / n;
  MESSAGE("bytes each: ", each);
  return each;
}

struct object {
  using messages = gr::messages<number>;
  gr::address<number> back;
  void on(number n) { back.send(n); }
};

// Makes n actors, and hears from each once, so that it has run and rests.
template <class Spawn>
double bytes_of_actors(int n, Spawn spawn) {
  gr::runtime rt({.workers = 1, .threads_max = 1, .report_stuck_after = gr::duration::max()});
  double each = 0;
  std::atomic<bool> done{false};
  auto keeper = rt.spawn([&](gr::mailbox<number>& in) {
    // Written to before, so that they do not count.
    std::vector<gr::address<number>> all(static_cast<std::size_t>(n), in.address());
    each = bytes_each(n, [&] {
      for (auto& one : all) {
        one = spawn(in.address());
        one.send(number{1});
        in.receive([](number) {});
      }
    });
    done = true;
  });
  unit::yield_until([&] { return done.load(); });
  return each;
}

// Where pages are bigger, so is what a stack takes; the sanitizers have costs of their own.
bool can_measure() { return !unit::is_sanitized && ::sysconf(_SC_PAGESIZE) == 4096; }

void check_in_a_process_of_its_own(const char* name) {
  if (!can_measure()) return;
  const auto child = child_process::run_test_case(name, "GREENROOM_CAPACITY", "1024");
  if (child.could_not_start()) return;
  INFO(child.errors);
  CHECK(child.exited_with(0));
  CHECK(child.errors.find("bytes each: ") != std::string::npos);
}

}  // namespace

TEST_CASE("child: a queued message of 8 bytes takes 16" * doctest::skip()) {
  constexpr int n = 1'000'000;
  gr::runtime rt({.workers = 1, .threads_max = 1, .report_stuck_after = gr::duration::max()});
  unit::gate go;
  const auto to = rt.spawn({.capacity = gr::unbounded}, [&](gr::mailbox<number>& in) {
    go.wait_on_green_thread();
    while (in.receive([](number) {})) {}
  });
  const double each = bytes_each(n, [&] {
    for (int i = 0; i < n; ++i) to.send(number{i});
  });
  go.open();
  CHECK(each >= 16);
  CHECK(each <= 17);
}

TEST_CASE("child: a resting object actor of 16 bytes takes 160 at most" * doctest::skip()) {
  const double each = bytes_of_actors(
      100'000, [](gr::address<number> back) { return gr::spawn<object>(std::move(back)); });
  CHECK(each >= 80);
  CHECK(each <= 160);
}

TEST_CASE("child: a resting function actor takes 4700 bytes at most" * doctest::skip()) {
  const double each = bytes_of_actors(10'000, [](gr::address<number> back) {
    return gr::spawn(
        [](gr::mailbox<number>& in, const gr::address<number>& to) {
          while (in.receive([&](number n) { to.send(n); })) {}
        },
        std::move(back));
  });
  CHECK(each >= 4096);
  CHECK(each <= 4700);
}

TEST_CASE("a queued message of 8 bytes takes 16") {
  check_in_a_process_of_its_own("child: a queued message of 8 bytes takes 16");
}

TEST_CASE("a resting object actor takes 160 bytes at most, its 16 included") {
  check_in_a_process_of_its_own("child: a resting object actor of 16 bytes takes 160 at most");
}

TEST_CASE("a resting function actor takes 4700 bytes at most, a page of stack included") {
  check_in_a_process_of_its_own("child: a resting function actor takes 4700 bytes at most");
}
