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
  std::uint64_t value;
  {
    const spin_guard guard(lock_);
    if (--holders_ != 0) return;
    waiter = waiter_;
    value = value_;
  }
  // The object may be gone from here on (A1).
  if (guest != nullptr) guest_operation_ended(*guest);
  if (waiter.who != nullptr) wake(waiter, value);
}

bool await_operation::is_over() noexcept {
  const spin_guard guard(lock_);
  return holders_ == 0;
}

bool await_operation::line_up(wait_ticket ticket, std::uint64_t value) noexcept {
  const spin_guard guard(lock_);
  if (holders_ == 0) return false;
  waiter_ = ticket;
  value_ = value;
  return true;
}

void await_operation::step_back() noexcept {
  const spin_guard guard(lock_);
  waiter_ = {};
}

// False: nobody holds the object any more.
bool await_operation::leave_ticket(wait_ticket ticket) { return line_up(ticket, outcome_woken); }

void await_operation::check_may_wait() const {
  if (guest_ != nullptr && guest_->host->polls_here())
    fatal(
        "a completion handler that runs inside the netpoller waits; let it spawn or wake a "
        "green thread instead");
}

await_end await_operation::wait(time_point deadline, void (*request_cancel)(void*),
                                void* argument) {
  check_may_wait();
  const wait_ticket first = begin_wait(awaiting);
  if (!leave_ticket(first)) {
    if (!abandon()) park();
    return await_end::completed;
  }
  const std::uint64_t outcome = park(deadline);
  if (outcome == outcome_woken) return await_end::completed;

  request(request_cancel, argument);
  finish();
  return outcome == outcome_timeout ? await_end::timeout : await_end::cancelled;
}

void await_operation::request(void (*request_cancel)(void*), void* argument) {
  {
    const spin_guard guard(lock_);
    if (holders_ == 0) return;
    ++holders_;  // for the request
  }
  request_cancel(argument);
}

// The operation may use our stack, so nothing but its end ends this wait; a clean-up wait that the
// scheduler cuts short is begun again.
void await_operation::finish() {
  if (is_over()) return;
  check_may_wait();
  while (leave_ticket(begin_wait(awaiting_cancel, false))) park();
  if (!abandon()) park();
}

}  // namespace greenroom::detail
