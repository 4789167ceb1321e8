// SPDX-License-Identifier: Apache-2.0
// Memory of what has ended goes back to the system, and nothing else does.
#include "unit_test.hpp"

#include "scheduler/backlog.hpp"
#include "scheduler/fiber.hpp"

#include <greenroom/detail/free_objects.hpp>
#include <greenroom/detail/home.hpp>

#include <algorithm>
#include <fstream>
#include <set>
#include <string>
#include <thread>
#include <unistd.h>
#include <vector>

namespace {

using gr::detail::slab;
using gr::detail::trim;

std::size_t resident_kb() {
  std::ifstream file("/proc/self/statm");
  std::size_t pages = 0;
  file >> pages >> pages;
  return pages * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE)) / 1024;
}

struct block {
  block* next;
  std::uint64_t number;
  char rest[496];
};

struct block_links {
  static block* next(const block* b) { return b->next; }
  static void set_next(block* b, block* next) { b->next = next; }
  struct cursor {
    block* at = nullptr;
    [[nodiscard]] bool more() const { return at != nullptr; }
    block* take() { return std::exchange(at, at->next); }
  };
  static cursor from(block* first) { return {first}; }
};

using free_blocks = gr::detail::free_objects<block, block_links>;

// A few slabs of blocks, of which some are free.
struct blocks {
  std::vector<slab*> slabs;
  std::vector<block*> all;

  explicit blocks(int count) {
    for (int i = 0; i < count; ++i) {
      slab* s = gr::detail::map_slab();
      REQUIRE(s != nullptr);
      s->object_size = sizeof(block);
      slabs.push_back(s);
      for (std::uint32_t k = 0; k < s->capacity(); ++k) {
        auto* b = reinterpret_cast<block*>(s->memory()) + k;
        b->number = all.size() + 1;
        all.push_back(b);
      }
    }
  }
};

struct outcome {
  std::set<block*> kept, dropped;
  std::set<slab*> emptied;
};

outcome trimmed(free_blocks& free, bool all) {
  outcome o;
  gr::detail::trimmer<block, block_links> trims;
  trims.begin(free.age(all));
  while (trims.busy())
    trims.step(
        [&](block* b) {
          CHECK(o.kept.insert(b).second);
          free.keep(b);
        },
        [&](block* b) { CHECK(o.dropped.insert(b).second); },
        [&](slab* s) { CHECK(o.emptied.insert(s).second); });
  return o;
}

struct question {
  int value;
};
struct echo {
  using messages = gr::messages<question>;
  explicit echo(gr::address<question> a) : to(std::move(a)) {}
  gr::address<question> to;
  void on(question q) { to.send(q); }
};

constexpr int waiters = unit::scaled(2'000, 300);

struct many_waits {
  std::vector<gr::detail::wait_ticket> tickets;
  std::vector<gr::green_thread> threads;
  std::atomic<int> begun{0};
  std::atomic<int> woken{0};

  void start(gr::runtime& rt) {
    static constexpr gr::detail::wait_reason reason{"test"};
    tickets.resize(waiters);
    for (auto& t : tickets)
      threads.push_back(rt.spawn([this, &t] {
        t = gr::detail::begin_wait(reason);
        ++begun;
        if (gr::detail::park() == gr::detail::outcome_woken) ++woken;
      }));
    unit::yield_until([&] { return begun == waiters; });
  }
  void finish() {
    for (const auto& t : tickets) CHECK(gr::detail::wake(t));
    for (auto& t : threads) CHECK(t.join());
    CHECK(woken == waiters);
  }
};

}  // namespace

TEST_CASE("a slab goes back when all of its objects are free, and only then") {
  blocks b(5);
  free_blocks free;
  // Slab 0: all; 1: all but one; 2: none; 3: all; 4: one. In an order that mixes them.
  std::vector<block*> freed;
  for (block* one : b.all) {
    const auto in = std::find(b.slabs.begin(), b.slabs.end(), slab::of(one)) - b.slabs.begin();
    const bool first = one == reinterpret_cast<block*>(slab::of(one)->memory());
    if (in == 0 || in == 3 || (in == 1 && !first) || (in == 4 && first)) freed.push_back(one);
  }
  std::minstd_rand random(unit::seed_of_this_run());
  std::shuffle(freed.begin(), freed.end(), random);
  for (block* one : freed) free.put(one);
  const outcome o = trimmed(free, true);
  CHECK(o.emptied == std::set<slab*>{b.slabs[0], b.slabs[3]});
  CHECK(o.dropped.size() == 2 * b.slabs[0]->capacity());
  CHECK(o.kept.size() == b.slabs[0]->capacity());
  for (block* one : o.dropped) CHECK(one->number == 0);
  for (block* one : b.all)
    if (!o.dropped.contains(one)) CHECK(one->number != 0);
  // What was kept is still to be had, once each.
  std::set<block*> again;
  while (block* one = free.take()) CHECK(again.insert(one).second);
  CHECK(again == o.kept);
}

TEST_CASE("what has been taken and freed between two looks is not looked through") {
  blocks b(2);
  free_blocks free;
  for (block* one : b.all) free.put(one);
  CHECK(trimmed(free, false).dropped.empty());  // free for less than a period
  // The first slab's objects come and go, the others rest.
  std::vector<block*> taken;
  while (block* one = free.take()) taken.push_back(one);
  for (block* one : taken) free.put(one);
  CHECK(trimmed(free, false).dropped.empty());
  CHECK(trimmed(free, false).dropped.size() == b.all.size());
  CHECK(free.take() == nullptr);
}

TEST_CASE("the backlog keeps order and number, across slabs and threads") {
  gr::detail::backlog queue;
  std::vector<gr::detail::runnable> in(20'000), out(777);
  for (std::size_t i = 0; i < in.size(); ++i) in[i] = i + 1;
  std::size_t sent = 0, got = 0;
  std::minstd_rand random(unit::seed_of_this_run());
  while (got < in.size()) {
    const std::size_t n = std::min<std::size_t>(random() % 3000, in.size() - sent);
    if (n != 0) queue.push(in.data() + sent, n);
    sent += n;
    CHECK(queue.size() == sent - got);
    const std::size_t m = queue.pop(out.data(), random() % out.size());
    for (std::size_t i = 0; i < m; ++i) REQUIRE(out[i] == ++got);
  }
  CHECK(queue.pop(out.data(), out.size()) == 0);

  const int each = unit::scaled(200'000, 20'000);
  std::atomic<std::uint64_t> sum{0};
  std::atomic<int> left{2 * each};
  {
    std::vector<std::jthread> threads;
    for (int k = 0; k < 2; ++k) {
      threads.emplace_back([&] {
        for (int i = 1; i <= each; ++i) queue.push(static_cast<std::uintptr_t>(i));
      });
      threads.emplace_back([&] {
        gr::detail::runnable some[64];
        while (left.load() > 0)
          if (const std::size_t n = queue.pop(some, 64)) {
            for (std::size_t i = 0; i < n; ++i) sum += some[i];
            left -= static_cast<int>(n);
          }
      });
    }
  }
  CHECK(sum ==
        std::uint64_t{1} * static_cast<std::uint64_t>(each) * static_cast<std::uint64_t>(each + 1));
}

TEST_CASE("a late wake-up does not meet a wait in a record whose memory was given back") {
  gr::runtime rt({.workers = 2});
  many_waits first, second;
  first.start(rt);
  first.finish();
  for (const trim what : {trim::begin, trim::begin, trim::begin_with_all})
    for (trim step = what; gr::detail::trim_fibers(step); step = trim::go_on) {}
  second.start(rt);
  for (const auto& t : first.tickets) CHECK_FALSE(gr::detail::wake(t));
  second.finish();
}

TEST_CASE("memory of a million ended actors and messages is back soon after") {
  const int many = unit::scaled(300'000, 3'000);
  gr::runtime rt({.workers = 2, .report_stuck_after = gr::duration::max()});
  const auto flood = [&] {
    int seen = 0;
    unit::on_green_thread(rt, [&] {
      auto counter = gr::spawn({.capacity = gr::unbounded}, [&](gr::mailbox<question>& in) {
        for (int i = 0; i < many; ++i) in.receive([&](question) { ++seen; });
      });
      std::vector<gr::address<question>> all;
      for (int i = 0; i < many; ++i) all.push_back(gr::spawn<echo>(counter));
      for (const auto& one : all) one.send(question{1});
    });
    unit::yield_until([&] { return rt.actors() == 0; });
    CHECK(seen == many);
  };
  const std::size_t before = resident_kb();
  flood();
  if (!unit::is_sanitized) {
    const std::size_t high = resident_kb();
    CHECK(high > before + static_cast<std::size_t>(many) / 20);  // 50 bytes each at the least
    unit::yield_until([&] { return resident_kb() <= before + (high - before) / 5; });
  }
  flood();
}
