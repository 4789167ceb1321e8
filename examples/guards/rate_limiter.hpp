// SPDX-License-Identifier: Apache-2.0
// At most so many per second, with bursts: a token bucket. Shared by all who refer to it, on green
// threads or OS threads; in the order in which they came.
//
// Instead of tokens it keeps the time at which the next one is due, in steps of one period, and
// lets that lag behind the clock by a burst at most. (The idea is the virtual scheduling of ATM's
// generic cell rate algorithm.)
#pragma once

#include <greenroom/greenroom.hpp>

#include <atomic>

namespace guards {

namespace gr = greenroom;

class rate_limiter {
 public:
  // `burst` of them may come at once after a pause.
  rate_limiter(double per_second, int burst)
      : period_(static_cast<std::int64_t>(1e9 / per_second)), lag_max_(period_ * (burst - 1)) {}

  // Waits for its turn; parks. A cancel while it waits leaves the turn unused.
  void acquire() {
    const gr::time_point turn = take(gr::never);
    if (turn > gr::now()) gr::sleep_until(turn);
  }
  // False, and no turn is taken, when none is due by then.
  bool acquire_until(gr::time_point deadline) {
    const gr::time_point turn = take(deadline);
    if (turn > deadline) return false;
    if (turn > gr::now()) gr::sleep_until(turn);
    return true;
  }
  // Never parks.
  bool try_acquire() {
    const gr::time_point now = gr::now();
    return take(now) <= now;
  }

 private:
  // The time of the turn taken; none is if that is after the deadline.
  gr::time_point take(gr::time_point deadline) {
    const std::int64_t earliest = gr::now().time_since_epoch().count() - lag_max_;
    // relaxed: the number is all that is shared.
    std::int64_t next = next_.load(std::memory_order_relaxed);
    for (;;) {
      const std::int64_t turn = next > earliest ? next : earliest;
      const gr::time_point at{gr::duration(turn)};
      if (at > deadline) return at;
      if (next_.compare_exchange_weak(next, turn + period_, std::memory_order_relaxed)) return at;
    }
  }

  std::int64_t period_;
  std::int64_t lag_max_;
  std::atomic<std::int64_t> next_{0};  // ns of the clock
};

}  // namespace guards
