// SPDX-License-Identifier: Apache-2.0
// A wait is decided by exactly one of all who try: several wakers, its deadline, a cancel, or the
// waiter itself that takes it back. Checked by what the winners gave and the waiters got.
#include "stress.hpp"

using stress::random_stream;
using stress::verdict;

namespace {

constexpr gr::detail::wait_reason racing{"a race"};

// Where a waiter shows its ticket. The waiter is the same for all of a lane's races.
struct alignas(64) lane {
  std::atomic<gr::detail::fiber*> who{nullptr};
  std::atomic<std::uint64_t> seq{0};
};

struct book {
  std::atomic<std::uint64_t> given{0}, given_sum{0};  // by wakers who won
  std::atomic<std::uint64_t> got{0}, got_sum{0};      // by waiters
  std::atomic<std::uint64_t> timeouts{0}, taken_back{0};
  std::atomic<bool> over{false};
};

void keep_waking(std::vector<lane>& lanes, book& b, std::uint32_t number, bool is_green) {
  random_stream random(number);
  std::uint64_t value = (std::uint64_t{number} << 40) + 4096;
  while (!b.over.load(std::memory_order_acquire)) {
    lane& l = lanes[random.below(static_cast<std::uint32_t>(lanes.size()))];
    gr::detail::fiber* const who = l.who.load(std::memory_order_acquire);
    if (who != nullptr) {
      value += 16;
      if (gr::detail::wake({who, l.seq.load(std::memory_order_acquire)}, value)) {
        b.given.fetch_add(1, std::memory_order_relaxed);
        b.given_sum.fetch_add(value, std::memory_order_relaxed);
      }
    }
    if (is_green && random.below(4) == 0) gr::yield();
  }
}

void wait_often(lane& l, book& b, verdict& v, std::uint32_t number, int races) {
  random_stream random(number);
  for (int i = 0; i < races; ++i) {
    const auto ticket = gr::detail::begin_wait(racing);
    // Of some nobody knows, so that each way to end is met however fast the wakers are.
    const bool alone = random.below(16) == 0;
    if (!alone) {
      l.seq.store(ticket.seq, std::memory_order_release);
      l.who.store(ticket.who, std::memory_order_release);
    }
    // Some are woken before they park.
    for (std::uint32_t spins = random.below(64); spins != 0; --spins) asm volatile("");
    const std::uint32_t how = random.below(alone ? 2 : 8);
    if (how == 0 && gr::detail::abandon()) {
      ++b.taken_back;
      continue;
    }
    const gr::time_point deadline =
        how < 4 ? gr::now() + std::chrono::microseconds(random.below(60)) : gr::never;
    const std::uint64_t outcome = gr::detail::park(deadline);
    if (outcome == gr::detail::outcome_timeout) {
      v.expect(deadline != gr::never && gr::now() >= deadline, "no deadline ends a wait early");
      ++b.timeouts;
    } else {
      v.expect(outcome >= 4096, "a waker's value or a timeout");
      ++b.got;
      b.got_sum += outcome;
    }
  }
}

void race(unsigned workers, int waiters, int races) {
  CAPTURE(workers);
  book b;
  verdict v;
  std::vector<lane> lanes(static_cast<std::size_t>(waiters));
  {
    gr::runtime rt{{.workers = workers}};
    stress::group green, wakers;
    std::vector<std::thread> threads;
    for (int i = 0; i < waiters; ++i) {
      auto wait = [&lanes, &b, &v, i, races] {
        wait_often(lanes[static_cast<std::size_t>(i)], b, v, static_cast<std::uint32_t>(i) + 100,
                   races);
      };
      // One waiter in eight is a plain OS thread.
      if (i % 8 == 7)
        threads.emplace_back(wait);
      else
        green.spawn(rt, wait);
    }
    std::thread outside([&] { keep_waking(lanes, b, 1, false); });
    for (std::uint32_t i = 2; i < 4; ++i)
      wakers.spawn(rt, [&lanes, &b, i] { keep_waking(lanes, b, i, true); });
    CHECK(green.join());
    for (std::thread& each : threads) each.join();
    b.over.store(true, std::memory_order_release);
    CHECK(wakers.join());
    outside.join();
  }
  v.report();
  CHECK(b.given == b.got);
  CHECK(b.given_sum == b.got_sum);
  CHECK(b.got + b.timeouts + b.taken_back ==
        static_cast<std::uint64_t>(waiters) * static_cast<std::uint64_t>(races));
  // All ends must have been tried, or this tests nothing.
  CHECK(b.got > 0);
  CHECK(b.timeouts > 0);
  CHECK(b.taken_back > 0);
}

}  // namespace

TEST_CASE("of wakers, a deadline and the waiter itself exactly one decides each wait") {
  for (const unsigned workers : {1u, 2u, 3u, 4u}) race(workers, 16, stress::scaled(10'000, 600));
}

TEST_CASE("of a waker, a deadline and a cancel exactly one decides a wait") {
  for (const unsigned workers : {1u, 2u, 4u}) {
    CAPTURE(workers);
    verdict v;
    const int races = stress::scaled(20'000, 1500);
    int by_wake = 0, by_timeout = 0, by_cancel = 0;
    {
      gr::runtime rt{{.workers = workers}};
      random_stream random(workers);
      for (int i = 0; i < races; ++i) {
        lane l;
        std::atomic<std::uint64_t> outcome{0};
        // Some waits have one way to end only, so that each way is met however fast things are.
        const int sort = i % 50;
        const bool only_deadline = sort == 0, only_cancel = sort == 1, only_waker = sort == 2;
        const std::uint32_t micros = only_deadline               ? random.below(50)
                                     : only_cancel || only_waker ? 50
                                                                 : random.below(60);
        const std::uint32_t pause = random.below(200);
        const gr::green_thread waiter = rt.spawn([&l, &outcome, micros] {
          const auto ticket = gr::detail::begin_wait(racing);
          l.seq.store(ticket.seq, std::memory_order_relaxed);
          l.who.store(ticket.who, std::memory_order_release);
          outcome = gr::detail::park(micros >= 50 ? gr::never
                                                  : gr::now() + std::chrono::microseconds(micros));
          gr::sleep_for(0ns);  // throws once it was cancelled, whoever won
        });
        std::uint64_t won = 0;
        const gr::green_thread waker = rt.spawn([&l, &won, wakes = !only_deadline && !only_cancel] {
          gr::detail::fiber* who;
          while ((who = l.who.load(std::memory_order_acquire)) == nullptr) gr::yield();
          if (wakes && gr::detail::wake({who, l.seq.load(std::memory_order_relaxed)}, 4096))
            won = 4096;
        });
        for (std::uint32_t spins = pause * 10; spins != 0; --spins) asm volatile("");
        const bool cancels = only_cancel || (sort > 2 && random.below(4) != 0);
        // A cancel before the wait would leave nothing to race for.
        while (only_cancel && l.who.load(std::memory_order_acquire) == nullptr) gr::yield();
        if (cancels) waiter.cancel();
        // A cancel that came before the start leaves nobody to wake.
        const gr::status ended = waiter.join();
        if (outcome == 0) l.who.store(reinterpret_cast<gr::detail::fiber*>(&l));
        (void)ended;
        if (l.who.load() == reinterpret_cast<gr::detail::fiber*>(&l)) {
          v.expect(false, "the waiter always gets to its wait");
          l.who.store(nullptr);
          waker.cancel();
        }
        (void)waker.join();
        const std::uint64_t end = outcome.load();
        v.expect((won != 0) == (end == 4096), "the waker won just when the waiter got its value");
        v.expect(cancels || end != gr::detail::outcome_cancelled, "no cancel without a cause");
        by_wake += end == 4096;
        by_timeout += end == gr::detail::outcome_timeout;
        by_cancel += end == gr::detail::outcome_cancelled;
      }
    }
    v.report();
    CHECK(by_wake + by_timeout + by_cancel == races);
    CHECK(by_wake > 0);
    CHECK(by_timeout > 0);
    CHECK(by_cancel > 0);
  }
}
