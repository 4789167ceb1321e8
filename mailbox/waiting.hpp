// SPDX-License-Identifier: Apache-2.0
// How channels' siblings wait: the steps around a park that all of them share, and waking many of
// those who stand in a line.
//
// Who waits always takes the lock of what it waits for once more before it goes on (leave): then
// whoever decided its wait has let go of the lock, and the thing may be destroyed.
#pragma once

#include <greenroom/clock.hpp>
#include <greenroom/detail/source_case.hpp>
#include <greenroom/detail/spin_lock.hpp>
#include <greenroom/detail/wait_line.hpp>
#include <greenroom/green_thread.hpp>

#include <cstddef>
#include <cstdint>

namespace greenroom::detail {

inline constexpr std::uint64_t outcome_again = 0;  // it did not stand in line: look again

// A wait with a result, until the deadline: w.value, again, timeout or cancelled.
template <class Enlist, class Leave>
std::uint64_t wait_in_line(const wait_reason& why, line_waiter& w, time_point deadline,
                           Enlist&& enlist, Leave&& leave) {
  w.ticket = begin_wait(why);
  if (!enlist(w)) {
    if (!abandon()) park();  // a cancel was faster; the next look at the control bits finds it
    return outcome_again;
  }
  const std::uint64_t outcome = park(deadline);
  leave(w);
  return outcome;
}

// A wait that has no result to say timeout with. `bounded`: by what bounds every wait of the caller
// (a deadline around it; a cancelled actor that cleans up).
template <class Enlist, class Leave>
std::uint64_t wait_in_line(const wait_reason& why, line_waiter& w, bool bounded, Enlist&& enlist,
                           Leave&& leave) {
  w.ticket = begin_wait(why);
  if (!enlist(w)) {
    if (!abandon()) park();
    return outcome_again;
  }
  const std::uint64_t outcome = bounded ? park(never) : park();
  leave(w);
  return outcome;
}

// What bounds the caller ended a wait that returns nothing: unwinds. Where nothing may be thrown
// the wait goes on without that bound, for it cannot come back with nothing done.
inline void after_timeout(bool& bounded) {
  throw_if_cancelled();
  bounded = false;
}

inline constexpr std::uint64_t all_numbers = UINT64_MAX;

// Takes some from a line under its lock, to wake them after it. Nothing is handed over, so whoever
// has given up meanwhile is woken in vain.
class some_to_wake {
 public:
  static constexpr std::size_t batch_max = 16;

  // Those at the front whose number is below. Numbers only grow along a line. True: the batch is
  // full, there may be more.
  bool take(wait_line& line, std::uint64_t below) noexcept {
    while (size_ < batch_max && !line.empty()) {
      auto* w = static_cast<numbered_waiter*>(line.first());
      if (w->at >= below) return false;
      line.remove(*w);
      all_[size_++] = {w->ticket, w->value};
    }
    return size_ == batch_max;
  }
  void wake_all() noexcept {
    for (std::size_t i = 0; i < size_; ++i) wake(all_[i].ticket, all_[i].value);
    size_ = 0;
  }

 private:
  struct one {
    wait_ticket ticket;
    std::uint64_t value;
  };
  one all_[batch_max];
  std::size_t size_ = 0;
};

}  // namespace greenroom::detail
