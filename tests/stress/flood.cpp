// SPDX-License-Identifier: Apache-2.0
// Fast producers before a slow consumer: memory stays flat, and everything is accounted for.
//
// Method: eight producers send as fast as they can, for a time, to one that works 100 times longer
// on a message than it takes to send one. It looks at the memory of the process now and then. Each
// producer numbers its messages and counts what it is told; in the end the counts must agree.
// GREENROOM_FLOOD_SECONDS sets how long each flood lasts.
#include "stress.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <fstream>

using gr::overload;
using stress::verdict;

namespace {

constexpr int producers = 8;
constexpr long growth_max_kb = 10 * 1024;

struct item {
  std::int32_t producer;
  std::int64_t number;
  char weight[48];
};

// Resident memory of this process, in KiB.
long resident_kb() {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;)
    if (word == "VmRSS:") {
      long kb = 0;
      status >> kb;
      return kb;
    }
  return 0;
}

gr::duration flood_time() {
  const char* const wish = std::getenv("GREENROOM_FLOOD_SECONDS");
  if (wish != nullptr) return std::chrono::seconds(std::atoi(wish));
  return std::chrono::milliseconds(stress::scaled(300, 100));
}

struct ledger {
  std::array<std::int64_t, producers> next{};
  std::int64_t handled = 0;
  std::int64_t dropped = 0;  // as the mailbox counts
  std::int64_t gaps = 0;
  long most_kb = 0;
  verdict v;

  void take(const item& i) {
    constexpr auto work = 20us;
    std::int64_t& expected = next[static_cast<std::size_t>(i.producer)];
    v.expect(i.number >= expected, "a producer's messages come in order, at most once each");
    gaps += i.number - expected;
    expected = i.number + 1;
    if (handled++ % 512 == 0) most_kb = std::max(most_kb, resident_kb());
    for (const auto until = gr::now() + work; gr::now() < until;) {}
  }
};

struct object {
  using messages = gr::messages<item>;
  ledger& book;
  explicit object(ledger& b) : book(b) {}
  ~object() { book.dropped = static_cast<std::int64_t>(gr::self().dropped()); }
  void on(const item& i) { book.take(i); }
};

void function(gr::mailbox<item>& in, ledger* book) {
  while (in.receive([&](const item& i) { book->take(i); })) {}
  book->dropped = static_cast<std::int64_t>(in.dropped());
}

struct sent {
  std::atomic<std::int64_t> all{0}, full{0}, dropped{0}, others{0};
};

void produce(const gr::address<item>& to, int producer, gr::time_point until, sent& counts) {
  sent mine;
  std::int64_t number = 0;
  while (gr::now() < until) {
    for (int i = 0; i < 64; ++i) {
      const gr::status s = to.send(item{producer, number++, {}});
      if (s) continue;
      if (s.error() == gr::error::full)
        ++mine.full;
      else if (s.error() == gr::error::dropped)
        ++mine.dropped;
      else
        ++mine.others;
    }
    gr::yield();  // where nobody waits, the consumer needs the processor as well
  }
  counts.all += number;
  counts.full += mine.full;
  counts.dropped += mine.dropped;
  counts.others += mine.others;
}

void flood(overload policy, bool is_object) {
  CAPTURE(name_of(policy));
  CAPTURE(is_object);
  ledger book;
  sent counts;
  std::atomic<std::int64_t> told{0};
  auto note = [&](const gr::dropped_message&) { ++told; };
  gr::runtime rt({.logger = stress::nobody_hears()});
  const bool drops = policy == overload::drop_newest || policy == overload::drop_oldest;
  const gr::spawn_options how{.overload = policy,
                              .on_dropped = drops ? gr::drop_handler(note) : gr::drop_handler()};
  const long before_kb = resident_kb();
  {
    auto to = is_object ? rt.spawn<object>(how, book) : rt.spawn(how, function, &book);
    const gr::time_point until = gr::now() + flood_time();
    stress::group all;
    for (int p = 0; p < producers; ++p)
      all.spawn(rt, [&, to, p] { produce(to, p, until, counts); });
    CHECK(all.join());
  }
  CHECK(rt.shutdown(60s).ok());
  book.v.report();
  const auto dead = rt.dead_letters();
  const auto lost = static_cast<std::int64_t>(dead.full + dead.dropped);
  CHECK(book.handled > 0);
  CHECK(book.handled + lost == counts.all);
  CHECK(static_cast<std::int64_t>(dead.total()) == lost);
  CHECK(counts.others == 0);
  CHECK(counts.full == static_cast<std::int64_t>(dead.full));
  CHECK(book.dropped == static_cast<std::int64_t>(dead.dropped));
  CHECK(told == book.dropped);
  if (policy == overload::wait) CHECK(lost == 0);
  if (policy == overload::fail) CHECK(lost == counts.full);
  if (policy == overload::drop_newest) CHECK(counts.dropped == lost);
  if (policy == overload::drop_oldest) CHECK(counts.dropped == 0);
  // What was never handled lies between two that were, or after a producer's last.
  CHECK(book.gaps <= lost);
  if (policy != overload::wait) CHECK(lost > 0);
  if (!stress::is_sanitized) {
    INFO("grew by " << book.most_kb - before_kb << " KiB; " << counts.all.load() << " sent, "
                    << book.handled << " handled");
    CHECK(book.most_kb - before_kb < growth_max_kb);
  }
}

}  // namespace

TEST_CASE("eight fast producers and a consumer 100 times slower keep memory flat") {
  for (const overload policy :
       {overload::wait, overload::fail, overload::drop_newest, overload::drop_oldest})
    for (const bool is_object : {false, true}) flood(policy, is_object);
}
