// SPDX-License-Identifier: Apache-2.0
// Waiting for the end of an actor or green thread.
//
// The end sets control_ended, then looks for a cold record; a joiner makes the cold record, then
// looks at control_ended. All four are sequentially consistent, so one sees the other (M6).
#include "cold.hpp"

#include <greenroom/detail/scheduler_access.hpp>

#include <string>

namespace greenroom::detail {

namespace {

void unlink(cold* more, joiner& j) GREENROOM_REQUIRES(more->lock) {
  for (joiner** at = &more->joiners; *at != nullptr; at = &(*at)->next)
    if (*at == &j) {
      *at = j.next;
      return;
    }
}

}  // namespace

status join_actor(cell* c, time_point deadline) {
  if (forked()) return error::closed;  // nobody lives here to end it
  if (report_cancel()) return error::cancelled;
  if (current_cell() == c) return error(error::deadlock, "deadlock: a green thread joins itself");
  cold* more = cold_of(c);
  if (more == nullptr) return error::no_memory;
  joiner j{begin_wait(wait_on(c, wait_kind::join, 0))};
  bool ended = false;
  {
    const spin_guard guard(more->lock);
    ended = (c->control.load(sync::memory_order_seq_cst) & control_ended) != 0;
    if (!ended) {
      j.next = more->joiners;
      more->joiners = &j;
    }
  }
  std::uint64_t outcome = outcome_woken;
  if (!ended || !abandon()) outcome = park(deadline);
  const spin_guard guard(more->lock);
  if (!ended && outcome != outcome_woken) {
    unlink(more, j);
    ended = (c->control.load(sync::memory_order_seq_cst) & control_ended) != 0;
    if (!ended) return outcome == outcome_timeout ? error::timeout : error::cancelled;
  }
  if (more->why == error::closed) return {};
  // Not the text of the code alone, which would tell the caller that it is cancelled itself.
  if (more->why == error::cancelled)
    return error(error::cancelled, std::string(name_of(c)) + " was cancelled");
  return more->why;
}

void tell_joiners(cell* c, const error* why) noexcept {
  cold* more = why == nullptr ? nullptr : cold_of(c);  // a failure is kept for later joiners
  if (more != nullptr) {
    const spin_guard guard(more->lock);
    more->why = *why;
  }
  c->control.fetch_or(control_ended, sync::memory_order_seq_cst);  // M6
  more = c->more.load(sync::memory_order_seq_cst);
  if (more == nullptr) return;
  joiner* first = nullptr;
  {
    const spin_guard guard(more->lock);
    first = more->joiners;
    more->joiners = nullptr;
    // Under the lock: a joiner that was cancelled takes it before its record goes.
    for (joiner* j = first; j != nullptr;) {
      joiner* next = j->next;
      wake(j->ticket);
      j = next;
    }
  }
}

}  // namespace greenroom::detail
