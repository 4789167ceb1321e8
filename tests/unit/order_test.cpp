// SPDX-License-Identifier: Apache-2.0
// The messages of one sender are handled in the order sent, also when it migrates between workers.
//
// Method: senders that yield, and wait for a foreign thread to wake them on any worker, number
// their messages; the receiver checks each sender's numbers. The same senders are run against a
// queue that keeps order per OS thread only, to show that they migrate and that this can fail.
#include "unit_test.hpp"

#include "tests/stress/stress.hpp"

#include <concurrentqueue/concurrentqueue.h>

#include <array>
#include <vector>

namespace {

constexpr int senders = 8;

struct item {
  std::int32_t sender;
  std::int32_t number;
};

struct order_check {
  std::array<std::int32_t, senders> next{};
  long breaks = 0;
  long seen = 0;

  void operator()(item i) {
    ++seen;
    auto& expected = next[static_cast<std::size_t>(i.sender)];
    if (i.number != expected) ++breaks;
    expected = i.number + 1;
  }
};

// Sends `each` numbered items through `push` on a green thread of its own; counts migrations.
template <class Push>
gr::green_thread start_sender(gr::runtime& rt, stress::mover& away, std::int32_t sender,
                              std::int32_t each, Push push, std::atomic<long>& migrations) {
  return rt.spawn([sender, each, push, &away, &migrations] {
    for (std::int32_t i = 0; i < each; ++i) {
      push(item{sender, i});
      if (i % 16 == sender) gr::yield();
      if (i % 128 == 0 && away.move()) ++migrations;
    }
  });
}

struct receiver {
  using messages = gr::messages<item>;
  order_check& check;
  unit::opens_at_end at_end;
  void on(item i) { check(i); }
};

// Out of line: the queue finds its producer by a thread_local, whose address a compiler would keep
// across a yield if this were inlined into the sender's loop.
__attribute__((noinline)) void enqueue(moodycamel::ConcurrentQueue<item>& queue, item i) {
  queue.enqueue(i);
  asm volatile("" ::: "memory");
}

}  // namespace

TEST_CASE("a million messages of eight migrating senders are each handled in order") {
  const std::int32_t each = unit::scaled(125'000, 6'000);
  for (const std::uint32_t capacity : {1024u, 7u, gr::unbounded}) {
    for (const bool is_object : {false, true}) {
      CAPTURE(capacity);
      CAPTURE(is_object);
      order_check check;
      unit::gate ended;
      std::atomic<long> migrations{0};
      stress::mover away;
      gr::runtime rt{{.workers = 3}};
      {
        auto function = [&](gr::mailbox<item>& in) {
          while (in.receive([&](item i) { check(i); })) {}
          ended.open();
        };
        gr::address<item> to =
            is_object ? rt.spawn<receiver>({.capacity = capacity}, check, unit::opens_at_end(ended))
                      : rt.spawn({.capacity = capacity}, function);
        std::vector<gr::green_thread> all;
        for (std::int32_t s = 0; s < senders; ++s)
          all.push_back(start_sender(rt, away, s, each, [to](item i) { to.send(i); }, migrations));
        for (const auto& one : all) CHECK(one.join());
      }
      ended.wait_on_os_thread();
      CHECK(check.breaks == 0);
      CHECK(check.seen == senders * long{each});
    }
  }
}

TEST_CASE("a queue that keeps order per OS thread loses a migrating sender's order") {
  const std::int32_t each = unit::scaled(125'000, 6'000);
  moodycamel::ConcurrentQueue<item> queue;
  std::atomic<long> migrations{0};
  stress::mover away;
  gr::runtime rt{{.workers = 3}};
  std::vector<gr::green_thread> all;
  for (std::int32_t s = 0; s < senders; ++s)
    all.push_back(
        start_sender(rt, away, s, each, [&queue](item i) { enqueue(queue, i); }, migrations));
  for (const auto& one : all) CHECK(one.join());
  order_check check;
  item i{};
  while (queue.try_dequeue(i)) check(i);
  CHECK(check.seen == senders * long{each});
  CAPTURE(migrations.load());
  CHECK((check.breaks > 0 || migrations == 0));
}
