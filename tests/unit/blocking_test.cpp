// SPDX-License-Identifier: Apache-2.0
// gr::blocking and gr::on_os_stack: what they return and throw, where they run.
#include "unit_test.hpp"

#include <memory>
#include <regex>
#include <stdexcept>
#include <string>

namespace {

struct only_movable {
  explicit only_movable(int v) : value(std::make_unique<int>(v)) {}
  std::unique_ptr<int> value;
};

// Uses that much stack, truly.
std::size_t deep(std::size_t kib) {
  volatile char block[1024];
  block[0] = 1;
  block[1023] = static_cast<char>(kib);
  return kib == 0 ? 0 : deep(kib - 1) + static_cast<std::size_t>(block[0]);
}

template <class Call>
void check_results(Call&& call) {
  const unit::no_leaks watch;
  int target = 1;
  CHECK(call([] { return 42; }) == 42);
  CHECK(*call([] { return only_movable(7); }).value == 7);
  CHECK(call([] { return std::string(1000, 'x'); }).size() == 1000);
  CHECK(call([] { return unit::counted(5); }).value() == 5);
  call([&]() -> int& { return target; }) = 9;
  CHECK(target == 9);
  call([&] { target = 10; });
  CHECK(target == 10);
  bool caught = false;
  try {
    call([] { throw std::runtime_error("from below"); });
  } catch (const std::runtime_error& e) { caught = std::string(e.what()) == "from below"; }
  CHECK(caught);
  // In a handler, inside of another.
  try {
    throw std::logic_error("outer");
  } catch (...) {
    CHECK_THROWS_AS(call([]() -> int { throw std::runtime_error("inner"); }), std::runtime_error);
    CHECK(call([&call] { return call([] { return 3; }); }) == 3);
  }
  CHECK(std::uncaught_exceptions() == 0);
}

}  // namespace

TEST_CASE("blocking gives back what the call returns, and what it throws") {
  const auto call = [](auto&& f) -> decltype(auto) { return gr::blocking(f); };
  check_results(call);
  gr::runtime rt({.workers = 2});
  CHECK(unit::on_green_thread(rt, [&] { check_results(call); }));
}

TEST_CASE("on_os_stack gives back what the call returns, and what it throws") {
  const auto call = [](auto&& f) -> decltype(auto) { return gr::on_os_stack(f); };
  check_results(call);
  gr::runtime rt({.workers = 2});
  CHECK(unit::on_green_thread(rt, [&] { check_results(call); }));
}

TEST_CASE("on_os_stack has room where a green thread has none") {
  gr::runtime rt({.workers = 2, .stack_size = 64u << 10});
  CHECK(unit::on_green_thread(rt, [] {
    for (int i = 0; i < 20; ++i) {
      CHECK(gr::on_os_stack([] { return deep(unit::scaled(4000, 1000)); }) > 0);
      gr::yield();
    }
    const std::string text(2000, 'a');
    CHECK(gr::on_os_stack([&] { return std::regex_match(text, std::regex("(a|b)*")); }));
  }));
}

TEST_CASE("many use the stacks of two OS threads, between waits") {
  std::atomic<long> sum{0};
  gr::runtime rt({.workers = 2});
  std::vector<gr::green_thread> all;
  for (int i = 0; i < 200; ++i)
    all.push_back(rt.spawn([&, i] {
      for (int n = 0; n < unit::scaled(50, 10); ++n) {
        sum += gr::on_os_stack([&] { return static_cast<long>(deep(16)) * 0 + i; });
        gr::yield();
      }
    }));
  for (const auto& one : all) CHECK(one.join());
  CHECK(sum == 199L * 200 / 2 * unit::scaled(50, 10));
}

TEST_CASE("what waits on the OS thread's stack blocks that thread, and others go on") {
  struct word {
    int value;
  };
  gr::runtime rt({.workers = 1, .report_stuck_after = gr::duration::max()});
  {
    auto echo = rt.spawn(
        [](gr::mailbox<word>& in, gr::address<word>) {
          while (in.receive([](word) {})) {}
        },
        gr::address<word>{});
    auto full = rt.spawn({.capacity = 1}, [](gr::mailbox<word>& in) {
      while (in.receive([](word) { gr::yield(); })) {}
    });
    CHECK(unit::on_green_thread(rt, [&] {
      gr::on_os_stack([&] {
        gr::sleep_for(1ms);
        gr::yield();
        for (int i = 0; i < 20; ++i) CHECK(full.send(word{i}));
        CHECK(gr::cancel_requested() == false);
      });
    }));
  }
  CHECK(rt.shutdown(unit::long_time).ok());
  CHECK(rt.dead_letters().total() == 0);
}

TEST_CASE("a blocking section may wait, and end on another worker") {
  gr::runtime rt({.workers = 2, .report_stuck_after = gr::duration::max()});
  std::vector<gr::green_thread> all;
  std::atomic<int> done{0};
  for (int i = 0; i < 50; ++i)
    all.push_back(rt.spawn([&] {
      for (int n = 0; n < 20; ++n)
        gr::blocking([] {
          gr::yield();
          gr::blocking([] { gr::sleep_for(100us); });
        });
      ++done;
    }));
  for (const auto& one : all) CHECK(one.join());
  CHECK(done == 50);
}
