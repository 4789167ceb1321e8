// SPDX-License-Identifier: Apache-2.0
// Long queues and long chains: a million messages before an actor, a tower of parents that each
// wait for their child. On one worker, without helpers.
#include "stress.hpp"

using stress::verdict;

namespace {

struct number {
  std::int64_t value;
};

// What a receiver of numbers 0, 1, 2, ... has seen, and how many in a row while another green
// thread, which was ready to run, got no turn.
struct receipts {
  std::int64_t wanted = stress::scaled(1'000'000, 100'000);
  std::atomic<std::int64_t> seen{0};
  std::atomic<bool> all{false};
  std::atomic<long> row{0};
  std::atomic<long> longest_row{0};
  verdict v;

  void take(number n) {
    v.expect(n.value == seen, "the messages of one sender are handled in order");
    ++seen;
    const long now = row.fetch_add(1, std::memory_order_relaxed) + 1;
    if (now > longest_row.load(std::memory_order_relaxed))
      longest_row.store(now, std::memory_order_relaxed);
    if (seen == wanted) all.store(true, std::memory_order_release);
  }
};

struct object {
  using messages = gr::messages<number>;
  receipts& got;
  void on(number n) { got.take(n); }
  static constexpr long row_max = 256;
  static gr::address<number> start(gr::runtime& rt, receipts& got) {
    return rt.spawn<object>({.capacity = gr::unbounded}, got);
  }
};

struct function {
  // It looks at the others' claims once for 255 messages, and obeys one look in 61 at least.
  static constexpr long row_max = 61L * 256;
  static gr::address<number> start(gr::runtime& rt, receipts& got) {
    return rt.spawn({.capacity = gr::unbounded}, [&got](gr::mailbox<number>& in) {
      while (in.receive([&](number n) { got.take(n); })) {}
    });
  }
};

int tower(int levels) {
  if (levels == 0) return 0;
  int below = 0;
  if (!gr::spawn([&] { below = tower(levels - 1); }).join()) return 0;
  return below + 1;
}

}  // namespace

TEST_CASE_TEMPLATE("a million queued messages are handled in order, and others have their turns",
                   Form, object, function) {
  receipts got;
  long turns = 0;
  {
    gr::runtime rt{{.workers = 1, .threads_max = 1, .logger = stress::nobody_hears()}};
    const gr::address<number> to = Form::start(rt, got);
    CHECK(rt.spawn([&] {
              // A send to an unbounded mailbox never waits, so all of them are there before the
              // receiver has its first turn.
              for (std::int64_t i = 0; i < got.wanted; ++i)
                got.v.expect(to.send(number{i}).ok(), "an unbounded mailbox takes any message");
              got.v.expect(got.seen == 0, "all were sent before the first was handled");
              while (!got.all.load(std::memory_order_acquire)) {
                got.row.store(0, std::memory_order_relaxed);
                ++turns;
                gr::yield();
              }
            }).join());
    CHECK(rt.dead_letters().total() == 0);
  }
  got.v.report();
  CHECK(got.seen == got.wanted);
  CHECK(got.longest_row.load() <= Form::row_max);
  CHECK(turns >= got.wanted / Form::row_max);
}

TEST_CASE("a tower of green threads, each waiting for its child, stands on one worker") {
  gr::runtime rt{{.workers = 1, .threads_max = 1}};
  const int levels = stress::scaled(20'000, 2'000);
  for (int round = 0; round < 2; ++round) {
    int height = 0;
    CHECK(rt.spawn([&] { height = tower(levels); }).join());
    CHECK(height == levels);
  }
}
