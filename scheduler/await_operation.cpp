// SPDX-License-Identifier: Apache-2.0
#include <greenroom/detail/await_operation.hpp>

#include "event_hub.hpp"
#include "netpoller.hpp"

#include <greenroom/detail/netpoller_access.hpp>

namespace greenroom::detail {

namespace {

constexpr wait_reason awaiting{"asio operation"};
constexpr wait_reason awaiting_cancel{"asio operation that was asked to end"};

}  // namespace

await_operation::await_operation(guest_loop* guest) noexcept : guest_(guest) {
  if (guest_ != nullptr) guest_operation_started(*guest_);
}

void await_operation::release() noexcept {
  guest_loop* const guest = guest_;
  wait_ticket waiter;
  {
    const spin_guard guard(lock_);
    if (--holders_ != 0) return;
    waiter = waiter_;
  }
  // The object may be gone from here on (A1).
  if (guest != nullptr) guest_operation_ended(*guest);
  if (waiter.who != nullptr) wake(waiter);
}

// False: nobody holds the object any more.
bool await_operation::leave_ticket(wait_ticket ticket) {
  const spin_guard guard(lock_);
  if (holders_ == 0) return false;
  waiter_ = ticket;
  return true;
}

await_end await_operation::wait(time_point deadline, void (*request_cancel)(void*),
                                void* argument) {
  if (guest_ != nullptr && guest_->host->polls_here())
    fatal(
        "a completion handler that runs inside the netpoller waits; let it spawn or wake a "
        "green thread instead");
  const wait_ticket first = begin_wait(awaiting);
  if (!leave_ticket(first)) {
    if (!abandon()) park();
    return await_end::completed;
  }
  const std::uint64_t outcome = park(deadline);
  if (outcome == outcome_woken) return await_end::completed;

  bool is_over;
  {
    const spin_guard guard(lock_);
    is_over = holders_ == 0;
    if (!is_over) ++holders_;  // for the request
    waiter_ = {};
  }
  if (!is_over) {
    request_cancel(argument);
    // The operation may use our stack, so nothing but its end ends this wait; a clean-up wait
    // that the scheduler cuts short is begun again.
    while (leave_ticket(begin_wait(awaiting_cancel, false))) park();
    if (!abandon()) park();
  }
  return outcome == outcome_timeout ? await_end::timeout : await_end::cancelled;
}

}  // namespace greenroom::detail
