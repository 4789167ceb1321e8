// SPDX-License-Identifier: Apache-2.0
// Stops asking who does not answer: after some failures in a row calls are refused at once for a
// while, then one call may try again, and its success lets all through. Shared by all who refer to
// it. (The pattern is Michael Nygard's, "Release It!".)
//
//   closed ──failures_max in a row──▶ open ──pause over──▶ one call tries ──success──▶ closed
//                                      ▲─────────────────failure──┘
#pragma once

#include <greenroom/greenroom.hpp>

#include <atomic>
#include <concepts>
#include <expected>
#include <utility>

namespace guards {

namespace gr = greenroom;

class circuit_breaker {
 public:
  circuit_breaker(int failures_max, gr::duration pause)
      : failures_max_(failures_max), pause_(pause) {}

  // Runs `f`, which returns a std::expected<T, gr::error>, and returns what it returns; or refuses
  // it without a call.
  template <std::invocable F>
  auto call(F&& f) -> decltype(f()) {
    if (!may_pass())
      return std::unexpected(gr::error(gr::error::refused, "refused: the circuit breaker is open"));
    auto result = std::forward<F>(f)();
    if (result)
      failures_ = 0;
    else
      count_failure();
    return result;
  }

  [[nodiscard]] bool is_open() const { return failures_ >= failures_max_; }

 private:
  bool may_pass() {
    if (!is_open()) return true;
    const std::int64_t now = gr::now().time_since_epoch().count();
    std::int64_t until = open_until_;
    // Who moves the end of the pause is the one that tries.
    return now >= until && open_until_.compare_exchange_strong(until, now + pause_.count());
  }

  void count_failure() {
    // First the pause: who sees the circuit open must find it.
    open_until_ = (gr::now() + pause_).time_since_epoch().count();
    if (failures_ < failures_max_) ++failures_;
  }

  int failures_max_;
  gr::duration pause_;
  std::atomic<int> failures_{0};             // in a row
  std::atomic<std::int64_t> open_until_{0};  // ns of the clock
};

}  // namespace guards
