// SPDX-License-Identifier: Apache-2.0
// A mailbox as a case of a select: the actor rests, as in a receive, but is woken by its ticket.
//
// - X4 While control_selects is set, who clears `idle` calls tell_select instead of making a parked
//   receive runnable. The bit is set before the rest and cleared after it has been taken back, or
//   after the one who cleared `idle` has said that it is through (select_told). So nobody who read
//   the bit, or did not, acts on a later rest of the other kind.
// - X5 tell_select may come late, when the select was decided by another case: then its ticket is
//   no longer waited for (S3), or a look is made in vain (X3).
#include "overload.hpp"

#include <greenroom/detail/select_mailbox.hpp>

#include <new>
#include <sched.h>
#include <stdexcept>
#include <string>

namespace greenroom::detail {

void tell_select(cell* c) noexcept {
  cold* more = c->more.load(sync::memory_order_acquire);
  wait_ticket ticket;
  std::uint64_t value = 0;
  {
    const spin_guard guard(more->lock);
    ticket = more->select_ticket;
    value = more->select_value;
    more->select_told = true;
  }
  wake(ticket, value);
}

attempt try_mailbox(mailbox_base& box) {
  cell* c = box.cell_;
  if (current_cell() != c)
    throw std::logic_error(std::string("greenroom: only ") + name_of(c) +
                           " itself may select on its mailbox");
  if (cold_of(c) == nullptr) throw std::bad_alloc();
  if (box.in_place_ != nullptr) take_around(box);
  for (;;) {
    if (control_due(c) && obey(c)) return attempt::never;
    drop_taken_back(c);
    if (c->taken != nullptr) return attempt::happened;
    if ((c->control.load(sync::memory_order_relaxed) & control_aside) != 0)
      return attempt::happened;  // relaxed: the actor's own bit
    const std::uint64_t word = c->in.look();
    if (GREENROOM_UNLIKELY((word & inbox::waiters) != 0)) {
      give_credit(c);
      c->taken = take_oldest(c);  // where the oldest are dropped (M8)
      if (c->taken != nullptr) continue;
    }
    if (GREENROOM_UNLIKELY((word & inbox::signal) != 0) && obey(c)) return attempt::never;
    if ((word & inbox::node_mask) != 0) return attempt::happened;
    if ((word & inbox::closed) == 0 && !orphaned(c)) return attempt::not_now;
    if ((c->in.look() & inbox::node_mask) == 0) return attempt::never;  // M7
  }
}

bool line_up_mailbox(mailbox_base& box, const wait_ticket& ticket, std::uint64_t value,
                     bool for_end, bool& lined) {
  cell* c = box.cell_;
  cold* more = cold_of(c);
  lined = false;
  if ((c->control.load(sync::memory_order_relaxed) & control_selects) != 0) return true;
  if (for_end && (c->taken != nullptr || (c->in.look() & inbox::node_mask) != 0)) return true;
  {
    const spin_guard guard(more->lock);
    more->select_ticket = ticket;
    more->select_value = value;
    more->select_told = false;
  }
  // relaxed: published by the rest.
  c->control.fetch_or(control_selects, sync::memory_order_relaxed);
  const std::uint8_t left = c->credit;
  c->credit = 0;
  lined = c->in.rest(c->capacity == 0 ? 0u : left);
  if (lined) return true;
  c->credit = left;
  c->control.fetch_and(~control_selects, sync::memory_order_relaxed);
  return false;
}

void step_back_mailbox(mailbox_base& box) noexcept {
  cell* c = box.cell_;
  if (!c->in.end_rest()) {
    cold* more = c->more.load(sync::memory_order_acquire);
    constexpr int looks_max = 100;
    for (int looks = 0;; ++looks) {
      {
        const spin_guard guard(more->lock);
        if (more->select_told) break;
      }
      // A few instructions are left to it, unless it has lost its core.
      if (looks < looks_max)
        sync::relax();
      else
        sched_yield();
    }
  }
  // relaxed: only those look who clear `idle`, which is not set now.
  c->control.fetch_and(~control_selects, sync::memory_order_relaxed);
}

}  // namespace greenroom::detail
