// SPDX-License-Identifier: Apache-2.0
#include "readiness.hpp"

namespace greenroom::detail {

void readiness::leave_ticket(wait_ticket ticket, std::uint64_t value) noexcept {
  const spin_guard guard(lock_);
  waiter_ = ticket;
  value_ = value;
}

GREENROOM_NOINLINE void readiness::wake_waiter() {
  wait_ticket waiter;
  std::uint64_t value;
  {
    const spin_guard guard(lock_);
    waiter = waiter_;
    value = value_;
    waiter_ = {};
  }
  // A stale ticket (its wait ended by deadline or cancel) does nothing; the flag stays set for
  // the next wait.
  if (waiter.who != nullptr) wake(waiter, value);
}

wait_end readiness::wait(const wait_reason& reason, time_point deadline) {
  leave_ticket(begin_wait(reason));
  std::uint64_t outcome = outcome_woken;
  if (is_set()) {  // R1: signalled before it could see the ticket
    if (!abandon()) outcome = park();
  } else {
    outcome = park(deadline);
  }
  if (outcome == outcome_timeout) return wait_end::timeout;
  if (outcome == outcome_cancelled) return wait_end::cancelled;
  return wait_end::ready;
}

bool readiness::line_up(const wait_ticket& ticket, std::uint64_t value) {
  leave_ticket(ticket, value);
  if (!is_set()) return true;  // R1
  step_back();
  return false;
}

}  // namespace greenroom::detail
