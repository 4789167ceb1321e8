// SPDX-License-Identifier: Apache-2.0
// Counts that are waited for: latch and wait_group. J1 and J2 stand in latch.hpp.
#include <greenroom/latch.hpp>

#include "waiting.hpp"

#include <stdexcept>
#include <string>

namespace greenroom {

namespace detail {

namespace {

constexpr wait_reason counting_down{"until a latch or wait_group is down to zero"};

[[noreturn]] GREENROOM_COLD void refuse(const char* what, std::int64_t n, std::int64_t count) {
  throw std::invalid_argument(std::string("greenroom: ") + what + " by " + std::to_string(n) +
                              " at a count of " + std::to_string(count) +
                              ": it would leave the range from 0 to 2^60");
}

}  // namespace

countdown::countdown(std::int64_t count, const char* what) : count_(count) {
  if (count < 0 || count > count_max)
    throw std::invalid_argument(std::string("greenroom: ") + what + " with a count of " +
                                std::to_string(count) + ": it must lie between 0 and 2^60");
}

void countdown::add(std::int64_t n, const char* what) {
  some_to_wake first;
  std::int64_t before = 0;
  bool fits = false;
  {
    const spin_guard guard(lock_);
    before = count_;
    fits = n >= -before && n <= count_max - before;
    if (fits && n != 0) {
      count_ = before + n;
      if (count_ == 0) {
        ++round_;  // J1
        first.take(waiting_, round_);
      }
    }
  }
  if (!fits) refuse(what, n, before);
  first.wake_all();
}

bool countdown::is_zero() noexcept { return count() == 0; }

// Under the lock, so that whoever sees zero finds nobody inside who counted down (J2).
std::int64_t countdown::count() noexcept {
  const spin_guard guard(lock_);
  return count_;
}

bool countdown::enlist(numbered_waiter& w) noexcept {
  const spin_guard guard(lock_);
  if (count_ == 0) return false;
  w.at = round_;
  waiting_.add(w);
  return true;
}

void countdown::leave(numbered_waiter& w) noexcept {
  some_to_wake more;
  {
    const spin_guard guard(lock_);
    if (w.linked) waiting_.remove(w);
    more.take(waiting_, round_);  // J2
  }
  more.wake_all();
}

void countdown::wait() {
  bool bounded = true;
  while (!is_zero()) {
    throw_if_cancelled();
    numbered_waiter w;
    const std::uint64_t outcome = wait_in_line(
        counting_down, w, bounded, [&](line_waiter&) { return enlist(w); },
        [&](line_waiter&) { leave(w); });
    if (outcome == w.value) return;
    if (outcome == outcome_timeout) after_timeout(bounded);
  }
}

status countdown::wait_until(time_point deadline) {
  while (!is_zero()) {
    if (report_cancel()) return error::cancelled;
    numbered_waiter w;
    const std::uint64_t outcome = wait_in_line(
        counting_down, w, deadline, [&](line_waiter&) { return enlist(w); },
        [&](line_waiter&) { leave(w); });
    if (outcome == w.value) break;
    if (outcome == outcome_timeout) return error::timeout;
  }
  return {};
}

}  // namespace detail

void latch::count_down(std::int64_t n) {
  if (n < 0)
    throw std::invalid_argument("greenroom: latch: count_down by " + std::to_string(n) +
                                ": a latch only goes down");
  core_.add(-n, "latch: count_down");
}

}  // namespace greenroom
