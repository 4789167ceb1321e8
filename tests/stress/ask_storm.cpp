// SPDX-License-Identifier: Apache-2.0
// A storm of asks: replies, deadlines, cancels and the ends of actors race for each, at random, and
// every one must be accounted for. GREENROOM_STORM_ASKS=1000000 makes it long.
#include "stress.hpp"

#include <cstdlib>
#include <optional>
#include <stdexcept>
#include <utility>

using stress::random_stream;
using stress::verdict;

namespace {

// How many of its kind are alive: what is lost, or destroyed twice, shows.
class counted {
 public:
  explicit counted(std::uint64_t value) noexcept : value_(value) { ++alive; }
  counted(counted&& other) noexcept : value_(std::exchange(other.value_, 0)) { ++alive; }
  counted& operator=(counted&&) noexcept = default;
  ~counted() { --alive; }
  [[nodiscard]] std::uint64_t value() const noexcept { return value_; }
  static inline std::atomic<long> alive{0};

 private:
  std::uint64_t value_;
};

struct question {
  using reply = counted;
  counted payload;
};
struct puzzle {  // answered later, by the next one, if at all
  using reply = counted;
  counted payload;
};

constexpr int victims = 16;
constexpr int askers = 12;

struct book {
  std::atomic<long> asked{0}, answered{0}, timeout{0}, cancelled{0}, closed{0}, dropped{0};
  std::atomic<long> failed{0}, other{0}, unwound{0};
  // By those asked: answers that somebody got, that came too late, and how many there were.
  std::atomic<long> handled{0}, given{0}, late{0}, returned{0};
  verdict wrong;

  template <class R>
  void count(const R& got, std::uint64_t wanted) {
    if (got) {
      wrong.expect(got->value() == wanted, "an answer belongs to its question");
      ++answered;
    } else {
      switch (got.error().code()) {
        case gr::error::timeout: ++timeout; break;
        case gr::error::cancelled: ++cancelled; break;
        case gr::error::closed: ++closed; break;
        case gr::error::dropped: ++dropped; break;
        case gr::error::failed: ++failed; break;
        default: ++other;
      }
    }
  }
};

using victim_address = gr::address<question, puzzle>;

// Answers at once, after a wait, or later; ends by itself or an exception every so often.
struct victim {
  using messages = gr::messages<question, puzzle>;
  book& all;
  std::uint32_t number;
  random_stream random{number};
  std::optional<gr::promise<counted>> kept = {};
  std::uint64_t kept_value = 0;

  void settle(gr::promise<counted>& p, std::uint64_t value) {
    if (p.set(counted(value)))
      ++all.given;
    else
      ++all.late;
  }
  counted on(question q) {
    ++all.handled;
    if (random.below(8) == 0) gr::yield();
    if (random.below(64) == 0) gr::sleep_for(std::chrono::microseconds(random.below(80)));
    if (random.below(500) == 0) gr::self().stop();
    if (random.below(500) == 0) throw std::runtime_error("on purpose");
    ++all.returned;
    return counted(q.payload.value());
  }
  void on(puzzle q, gr::promise<counted> p) {
    ++all.handled;
    if (kept) settle(*kept, kept_value);
    kept.reset();
    switch (random.below(4)) {
      case 0: settle(p, q.payload.value()); break;
      case 1: break;  // dropped
      default: kept_value = q.payload.value(); kept = std::move(p);
    }
  }
};

// Who is asked now; a killer replaces it.
class seats {
 public:
  victim_address get(std::uint32_t i) {
    const std::lock_guard guard(mutex_);
    return all_[i];
  }
  void put(std::uint32_t i, victim_address a) {
    const std::lock_guard guard(mutex_);
    std::swap(all_[i], a);
  }

 private:
  std::mutex mutex_;
  victim_address all_[victims];
};

void ask_often(seats& all, book& b, random_stream& random, int asks) {
  for (int i = 0; i < asks; ++i) {
    const victim_address to = all.get(random.below(victims));
    const std::uint64_t value = random.below(1'000'000) + 1;
    const auto within = std::chrono::microseconds(random.below(120));
    ++b.asked;
    const auto one = [&] {
      if (random.below(3) == 0)
        b.count(to.ask(puzzle{counted(value)}, within), value);
      else
        b.count(to.ask(question{counted(value)}, within), value);
    };
    switch (random.below(4)) {
      case 0: {  // the deadline around it is the earlier one, or not
        bool counted_it = false;
        const gr::status s = gr::with_deadline(std::chrono::microseconds(random.below(120)), [&] {
          one();
          counted_it = true;
        });
        b.wrong.expect(s.ok() == counted_it, "the first wait of a deadline reports it");
        break;
      }
      default: one();
    }
  }
}

long wanted_asks() {
  const char* const wish = std::getenv("GREENROOM_STORM_ASKS");
  return wish != nullptr ? std::strtol(wish, nullptr, 10) : stress::scaled(42'000, 6'000);
}

}  // namespace

// Goal: each ask ends once, each answer is got or late, and nothing is left of any of it.
// Method: askers, a part of them cancelled at random, ask actors of which one after the other is
// stopped, loses its last address, or is replaced in the middle of it all. Values count themselves.
TEST_CASE("in a storm of asks, deadlines, cancels and kills every reply is accounted for") {
  const long all_asks = wanted_asks();
  const int each = 50;
  const long alive_before = counted::alive;
  book b;
  gr::dead_letters dead{};
  long threads = 0, cancelled_threads = 0;
  {
    gr::runtime rt{{.workers = 4, .logger = stress::nobody_hears()}};
    seats all;
    std::uint32_t number = 1000;
    const auto seat = [&](std::uint32_t i) {
      all.put(i, rt.spawn<victim>({.capacity = i % 4 == 0 ? 2u : 64u}, b, ++number));
    };
    for (std::uint32_t i = 0; i < victims; ++i) seat(i);
    random_stream random(1);
    while (b.asked < all_asks) {
      std::vector<gr::green_thread> some;
      for (int k = 0; k < askers; ++k) {
        const auto stream = static_cast<std::uint32_t>(++threads + 10'000);
        some.push_back(rt.spawn([&all, &b, stream] {
          struct at_end {
            book& b;
            ~at_end() { ++b.unwound; }
          } const count{b};
          random_stream mine(stream);
          ask_often(all, b, mine, each);
        }));
      }
      std::thread outside;
      if (random.below(8) == 0)
        outside = std::thread([&all, &b, stream = number] {
          random_stream mine(stream + 500'000);
          ask_often(all, b, mine, each / 5);
        });
      for (const gr::green_thread& one : some) {
        for (auto n = random.below(4); n != 0; --n) seat(random.below(victims));
        if (random.below(4) != 0) continue;
        one.cancel();
        ++cancelled_threads;
      }
      for (const gr::green_thread& one : some) {
        const gr::status ended = one.join();
        b.wrong.expect(ended.ok() || ended.error() == gr::error::cancelled,
                       "an asker ends well or cancelled");
      }
      if (outside.joinable()) outside.join();
    }
    for (std::uint32_t i = 0; i < victims; ++i) all.put(i, {});
    CHECK(rt.shutdown(60s).ok());
    CHECK(rt.actors() == 0);
    dead = rt.dead_letters();
  }
  b.wrong.report();
  MESSAGE("asked ", b.asked.load(), ", answered ", b.answered.load(), ", timeout ",
          b.timeout.load(), ", cancelled ", b.cancelled.load(), ", closed ", b.closed.load(),
          ", failed ", b.failed.load(), ", dropped ", b.dropped.load(), ", late ", dead.late_reply,
          ", expired ", dead.expired, ", cancels ", cancelled_threads);
  CHECK(counted::alive == alive_before);  // no message, no answer is left, or was destroyed twice
  CHECK(b.unwound == threads);
  CHECK(b.other == 0);
  // An ask that unwinds, because a cancel was reported before, is counted as asked only.
  const long told = b.answered + b.timeout + b.cancelled + b.closed + b.failed + b.dropped;
  CHECK(told <= b.asked);
  CHECK(b.asked - told <= cancelled_threads);
  // Replies are conserved: those got and those too late are those that were given.
  CHECK(b.answered + static_cast<long>(dead.late_reply) == b.returned + b.given + b.late);
  // All ends must have been tried, or this tests nothing.
  CHECK(b.answered > 0);
  CHECK(b.timeout > 0);
  CHECK(b.cancelled > 0);
  CHECK(b.dropped > 0);
  CHECK(b.closed > 0);
  CHECK(b.failed > 0);
  CHECK(dead.late_reply > 0);
}
