// SPDX-License-Identifier: Apache-2.0
// What ends when memory is out, and what does not: actors, by name; never the process.
#include "scenario.hpp"

#include <atomic>
#include <string>
#include <thread>
#include <vector>

namespace {

using faults::exempt;
using faults::tracked;

struct job {
  tracked what;
};
struct total {
  using reply = int;
};
struct ping {
  int n;
  using reply = int;
};

struct copier {
  using messages = gr::messages<job, total>;
  void on(const job& j) { all.push_back(j.what); }
  int on(total) { return static_cast<int>(all.size()); }
  std::vector<tracked> all;
};

// With all allocations of this thread failing.
template <class Body>
void out_of_memory(Body&& body) {
  const faults::armed all(faults::which::from_there_on, 1);
  body();
}

// So that the workers have spare stacks afterwards.
void stock_stacks(gr::runtime& rt) {
  std::vector<gr::green_thread> all;
  for (int i = 0; i < 32; ++i) all.push_back(rt.spawn([] { gr::sleep_for(1ms); }));
  for (const auto& each : all) CHECK(each.join());
}

}  // namespace

// Goal: std::bad_alloc in a handler is that actor's end, told by name while memory is still out.
// Method: the message is there before; its handler copies when nothing can be allocated.
TEST_CASE("a bad_alloc in a handler ends that actor alone, and is told without memory") {
  gr::runtime rt(faults::options(1));
  stock_stacks(rt);
  auto other = rt.spawn<copier>();
  auto to = rt.spawn<copier>({.name = "copier"});
  faults::last_line::line[0] = '\0';
  std::string said;
  gr::status ended;
  std::expected<int, gr::error> of_other(0);
  gr::green_thread runs = rt.spawn([&] {
    CHECK(to.send(job{tracked(1)}));
    out_of_memory([&] {
      gr::yield();  // the copier has its turn
      while (faults::last_line::line[0] == '\0') gr::yield();
    });
    of_other = other.ask(total{}, 20s);
  });
  CHECK(runs.join());
  CHECK(std::string(faults::last_line::line).find("copier (id ") != std::string::npos);
  CHECK(std::string(faults::last_line::line).find("std::bad_alloc") != std::string::npos);
  CHECK(to.send(job{tracked(2)}).error() == gr::error::closed);
  CHECK(of_other.value() == 0);
}

// The same for who asks, and who joins: what they hear needs no memory either.
TEST_CASE("who asks and who joins an actor that has run out of memory hears failed") {
  gr::runtime rt(faults::options(1));
  stock_stacks(rt);
  auto to = rt.spawn([](gr::mailbox<ping>& in) {
    while (in.receive([](ping p) {
      if (p.n == 2) faults::arm(faults::which::from_there_on, 1);
      const std::vector<int> more(static_cast<std::size_t>(p.n) + 1000);
      return static_cast<int>(more.size());
    })) {}
  });
  std::string text_of_ask;
  gr::error::code_type code_of_ask{};
  gr::green_thread runs = rt.spawn([&] {
    std::expected<int, gr::error> got(0);
    CHECK(to.ask(ping{1}, 20s).value() == 1001);
    got = to.ask(ping{2}, 20s);
    faults::disarm();
    if (got) return;
    code_of_ask = got.error().code();
    text_of_ask = got.error().text();
  });
  CHECK(runs.join());
  CHECK(code_of_ask == gr::error::failed);
  CHECK(text_of_ask == "failed: the actor ended by an exception");
}

// Goal: more actors than a run queue holds can be made runnable when nothing can be allocated.
// Method: 20,000 actors rest; a green thread, then the main thread, drops the last address of each,
// which makes it runnable. All of them must end, and be counted.
TEST_CASE("everybody who rests can be woken when memory is out") {
  constexpr int many = 20'000;
  gr::runtime rt(faults::options(2));
  std::vector<gr::address<job>> inside, outside;
  struct resting {
    using messages = gr::messages<job>;
    void on(const job&) {}
  };
  for (int i = 0; i < many; ++i) {
    inside.push_back(gr::address<job>(rt.spawn<resting>()));
    outside.push_back(gr::address<job>(rt.spawn<resting>()));
  }
  std::atomic<bool> dropped{false};
  gr::green_thread runs = rt.spawn([&] {
    out_of_memory([&] {
      for (auto& each : inside) each = {};
    });
    dropped.store(true);
  });
  while (!dropped.load()) std::this_thread::yield();  // a join takes memory
  CHECK(runs.join());
  out_of_memory([&] {
    for (auto& each : outside) each = {};
  });
  CHECK(rt.shutdown(60s).ok());
  CHECK(rt.actors() == 0);
}

// Goal: timers are never lost: with no room for them in the heap they go off all the same.
// Method: 3,000 green threads (a heap begins with 64 places) fall asleep while memory is out; a
// third of them is cancelled before its time.
TEST_CASE("sleepers wake in time, and cancelled ones at once, when there is no room for timers") {
  constexpr int many = 3'000;
  gr::runtime rt(faults::options(1));
  std::atomic<int> begun{0}, woken{0};
  std::vector<gr::green_thread> all;
  std::atomic<bool> may_sleep{false};
  for (int i = 0; i < many; ++i)
    all.push_back(rt.spawn({.stack_size = 16u << 10}, [&, i] {
      ++begun;
      while (!may_sleep.load()) gr::yield();
      // In another order than they began.
      gr::sleep_for(i % 3 == 0 ? gr::duration(1h) : 1ms + 1us * ((i * 7919) % many));
      ++woken;
    }));
  while (begun.load() != many) std::this_thread::yield();
  out_of_memory([&] {
    may_sleep.store(true);
    while (woken.load() != many - many / 3) std::this_thread::yield();
    for (int i = 0; i < many; i += 3) all[static_cast<std::size_t>(i)].cancel();
    for (auto& each : all) (void)each.join();
  });
  CHECK(woken.load() == many - many / 3);
  CHECK(rt.shutdown(20s).ok());
}

// Goal: who gets an empty address or handle learns why. Method: out of memory, and after the end.
TEST_CASE("an empty address and an empty handle say whether memory was out or the runtime ends") {
  gr::runtime rt(faults::options(1));
  gr::address<job, total> to;
  gr::green_thread runs;
  gr::error::code_type of_send{}, of_ask{}, of_join{};
  out_of_memory([&] {
    to = rt.spawn<copier>();
    runs = rt.spawn([] {});
    of_ask = to.ask(total{}, 1s).error().code();
    of_join = runs.join().error().code();
  });
  CHECK_FALSE(to);
  CHECK_FALSE(runs);
  CHECK(to.why_empty() == gr::error::no_memory);
  CHECK(runs.why_empty() == gr::error::no_memory);
  CHECK(of_ask == gr::error::no_memory);
  CHECK(of_join == gr::error::no_memory);
  const gr::address<job> narrow = to;
  const gr::green_thread copy = runs;
  of_send = narrow.send(job{tracked(1)}).error().code();
  CHECK(of_send == gr::error::no_memory);
  CHECK(copy.id() == 0);
  copy.cancel();
  CHECK(rt.shutdown(20s).ok());
  to = rt.spawn<copier>();
  runs = rt.spawn([] {});
  CHECK(to.send(job{tracked(1)}).error() == gr::error::shutdown);
  CHECK(runs.join().error() == gr::error::shutdown);
  CHECK(gr::address<job>().why_empty() == gr::error::closed);
  gr::runtime again(faults::options(1));
  gr::address<job, total> left = again.spawn<copier>();
  gr::address<job, total> moved = std::move(left);
  CHECK(moved);
  CHECK(left.send(job{tracked(1)}).error() == gr::error::closed);  // NOLINT: it is empty then
}

// Goal: an actor for which there is no stack ends with a sentence that says so, under its name.
TEST_CASE("an actor for which there is no stack is refused with a sentence, and others live on") {
  gr::runtime rt(faults::options(1));
  stock_stacks(rt);
  faults::last_line::line[0] = '\0';
  std::string of_join;
  gr::green_thread runs = rt.spawn([&] {
    gr::green_thread big;
    {
      // Its cell, name and record fit, its stack does not.
      const faults::armed all(faults::which::the_one, 4);
      big = gr::spawn({.name = "wants much", .stack_size = 8u << 20}, [] {});
      while (faults::last_line::line[0] == '\0') gr::yield();
    }
    REQUIRE(big);
    const gr::status how = big.join();
    of_join = how ? "ended well" : how.error().text();
    CHECK(how.error() == gr::error::no_memory);
  });
  CHECK(runs.join());
  CHECK(std::string(faults::last_line::line).find("wants much (id ") != std::string::npos);
  CAPTURE(of_join);
  CHECK((of_join.find("no room for another stack") != std::string::npos ||
         of_join.find("out of memory for a green thread") != std::string::npos));
}
