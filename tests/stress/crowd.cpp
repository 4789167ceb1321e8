// SPDX-License-Identifier: Apache-2.0
// A crowd of producers before one mailbox: 32 OS threads and 32 green threads at once.
//
// Method: each numbers its messages; the receiver checks that each producer's numbers come one by
// one from 0, so none was lost, doubled or overtaken, and in the end that all have come.
#include "stress.hpp"

#include <array>
#include <barrier>

using stress::random_stream;
using stress::verdict;

namespace {

constexpr int os_threads = 32;
constexpr int green_threads = 32;
constexpr int producers = os_threads + green_threads;

// Of two sizes of memory, so that a producer's messages do not all come from the same place.
struct item {
  std::int32_t producer;
  std::int32_t number;
};
struct big_item {
  item what;
  char weight[80];
};

struct ledger {
  std::array<std::int32_t, producers> next{};
  std::int64_t seen = 0;
  verdict v;

  void take(item i) {
    v.expect(i.producer >= 0 && i.producer < producers, "a message arrives whole");
    std::int32_t& expected = next[static_cast<std::size_t>(i.producer) % producers];
    v.expect(i.number == expected, "a producer's messages come in order, once each");
    expected = i.number + 1;
    ++seen;
  }
};

struct object {
  using messages = gr::messages<item, big_item>;
  ledger& book;
  void on(item i) { book.take(i); }
  void on(const big_item& i) { book.take(i.what); }
};

using address = gr::address<item, big_item>;

address start(gr::runtime& rt, bool is_object, std::uint32_t capacity, ledger& book) {
  if (is_object) return rt.spawn<object>({.capacity = capacity}, book);
  return rt.spawn({.capacity = capacity}, [&book](gr::mailbox<item, big_item>& in) {
    while (
        in.receive([&](item i) { book.take(i); }, [&](const big_item& i) { book.take(i.what); })) {}
  });
}

// In all ways there are to send.
void produce(const address& to, std::int32_t producer, std::int32_t each, verdict& v) {
  random_stream random(static_cast<std::uint32_t>(producer) + 900);
  for (std::int32_t number = 0; number < each; ++number) {
    const item next{producer, number};
    switch (random.below(4)) {
      case 0: v.expect(to.send(big_item{next, {}}).ok(), "a big message is admitted"); break;
      case 1:
        v.expect(to.send_for(1h, next).has_value(), "a message with a deadline is admitted");
        break;
      default:
        if (const auto sent = to.try_send(next); !sent) {
          v.expect(sent.error().why == gr::error::full, "only a full mailbox refuses");
          v.expect(to.send(next).ok(), "a message is admitted");
        }
    }
  }
}

void crowd(unsigned workers, bool is_object, std::uint32_t capacity) {
  CAPTURE(workers);
  CAPTURE(is_object);
  CAPTURE(capacity);
  const std::int32_t each = stress::scaled(2'000, 100);
  ledger book;
  {
    gr::runtime rt{{.workers = workers, .report_stuck_after = gr::duration::max()}};
    stress::group green;
    std::vector<std::thread> threads;
    {
      const address to = start(rt, is_object, capacity, book);
      std::barrier all_there(os_threads);
      for (std::int32_t p = 0; p < os_threads; ++p)
        threads.emplace_back([&, p] {
          all_there.arrive_and_wait();
          produce(to, p, each, book.v);
        });
      for (std::int32_t p = os_threads; p < producers; ++p)
        green.spawn(rt, [&, p] { produce(to, p, each, book.v); });
      CHECK(green.join());
      for (std::thread& one : threads) one.join();
    }
    CHECK(rt.shutdown(60s).ok());
    CHECK(rt.dead_letters().total() == 0);
  }
  book.v.report();
  CHECK(book.seen == std::int64_t{producers} * each);
  for (const std::int32_t next : book.next) CHECK(next == each);
}

}  // namespace

TEST_CASE("of 64 producers at one bounded mailbox none loses, doubles or swaps a message") {
  for (const unsigned workers : {1u, 3u})
    for (const bool is_object : {false, true})
      for (const std::uint32_t capacity : {1u, 7u, 64u}) crowd(workers, is_object, capacity);
}

TEST_CASE("of 64 producers at one unbounded mailbox none loses, doubles or swaps a message") {
  for (const unsigned workers : {1u, 3u})
    for (const bool is_object : {false, true}) crowd(workers, is_object, gr::unbounded);
}
