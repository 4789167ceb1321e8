// SPDX-License-Identifier: Apache-2.0
// "Something may have changed": what a reader or a writer of a stream waits for.
//
// The waiter's order is: clear(), try, and if there was nothing: wait(), then again from the
// start. The other side's is: make the change, then signal(). No signal is lost (R1): clear() and
// signal() are read-modify-writes of one flag. If clear() comes second it acquires the change,
// and the try sees it. If signal() comes second the flag is set when wait() looks, or wait() has
// left its ticket under the lock before signal() takes it.
//
// A select stands in line with line_up() instead of wait(): its ticket is then decided with a
// value.
//
// One waiter at a time; any number of signalling threads.
#pragma once

#include <greenroom/detail/spin_lock.hpp>
#include <greenroom/detail/sync.hpp>
#include <greenroom/park.hpp>

#include <cstdint>

namespace greenroom::detail {

enum class wait_end { ready, timeout, cancelled };

class readiness {
 public:
  // The waiter.
  void clear() noexcept {
    if (set_.load(sync::memory_order_relaxed))
      // acquire: R1. Nobody else clears, so a flag seen unset needs no exchange.
      set_.exchange(false, sync::memory_order_acq_rel);
  }
  [[nodiscard]] bool is_set() const noexcept { return set_.load(sync::memory_order_acquire); }
  wait_end wait(const wait_reason& reason, time_point deadline);
  // signal() decides that wait with the value. False: it is set already, nobody stands in line.
  bool line_up(const wait_ticket& ticket, std::uint64_t value);
  // After a line_up() that returned true.
  void step_back() noexcept { leave_ticket({}); }

  // Any thread.
  void signal() {
    // release: publishes the change. Set already: the waiter has not cleared it since (R1).
    if (!set_.exchange(true, sync::memory_order_acq_rel)) wake_waiter();
  }

  // Before a new use. REQUIRES: nobody waits. A late signal does no more than cost a try.
  void reset() noexcept { set_.store(true, sync::memory_order_relaxed); }

 private:
  void wake_waiter();
  void leave_ticket(wait_ticket ticket, std::uint64_t value = outcome_woken) noexcept;

  sync::atomic<bool> set_{true};
  spin_lock lock_;
  wait_ticket waiter_ GREENROOM_GUARDED_BY(lock_);
  std::uint64_t value_ GREENROOM_GUARDED_BY(lock_) = outcome_woken;
};

}  // namespace greenroom::detail
