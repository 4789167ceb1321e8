// SPDX-License-Identifier: Apache-2.0
// Waiting for the end of an actor or green thread.
//
// The end sets control_ended, then looks for a cold record; a joiner makes the cold record, then
// looks at control_ended. All four are sequentially consistent, so one sees the other (M6).
#include "circles.hpp"
#include "end_hook.hpp"

#include <greenroom/detail/place.hpp>
#include <greenroom/detail/scheduler_access.hpp>

#include <cstdio>

namespace greenroom::detail {

namespace {

constexpr unsigned kind_at = 17;
static_assert(control_kind == 7u << kind_at);

void unlink(cold* more, joiner& j) GREENROOM_REQUIRES(more->lock) {
  for (joiner** at = &more->joiners; *at != nullptr; at = &(*at)->next)
    if (*at == &j) {
      *at = j.next;
      return;
    }
}

// Without memory for the name it says that much.
error was_cancelled(const cell* c) noexcept {
  char text[160];
  std::snprintf(text, sizeof text, "%s was cancelled", name_of(c));
  return {error::cancelled, text};
}

// The code alone would tell the caller of a cancelled one that it is cancelled itself.
status join_result(const cell* c, cold* more) {
  const exit_reason why = exit_reason_of(c);
  if (!why.is_failure()) return {};
  if (why == exit_kind::killed) return was_cancelled(c);
  const spin_guard guard(more->lock);
  return error(more->refused ? error::no_memory : error::failed, why.text());
}

error left_behind(const cell* c) {
  return error(error::shutdown,
               std::string(name_of(c)) + " did not stop in time: its runtime left it behind");
}

bool has_ended(const cell* c) {
  return (c->control.load(sync::memory_order_seq_cst) & control_ended) != 0;  // M6
}

// The mark is for those who come later; who waits already is told by its wait. Who stands between
// the two, announced but not in the list yet, finds the one or the other.
void mark_left(cell* c, void*) {
  if (!try_add_reference(c)) return;
  cold* more = has_ended(c) ? nullptr : cold_of(c);
  if (more != nullptr) {
    const spin_guard guard(more->lock);
    more->left = true;
  }
  drop_reference(c);
}

bool is_on_left(std::uint64_t word, void* h) {
  const cell* c = waits_on(word);
  return wait_kind_of(word) <= wait_kind::join && home_of(c) == h && !has_ended(c);
}

// Its hooks come first. While there are some, tell_joiners has not taken the joiners yet.
bool is_over(const cell* c, const cold* more) GREENROOM_REQUIRES(more->lock) {
  return (c->control.load(sync::memory_order_seq_cst) & control_ended) != 0 &&
         more->hooks == nullptr && !more->fires;
}

}  // namespace

void leave_behind(home* h) noexcept {
  for_each_cell(h, mark_left, nullptr);
  end_waits(is_on_left, h, outcome_left);
}

// It waits in a circle: not joined.
static error joins_in_circle(cold* more, joiner& j, const std::string& text) {
  {
    const spin_guard guard(more->lock);
    unlink(more, j);
  }
  return error(error::deadlock, text);
}

status join_actor(cell* c, time_point deadline, std::source_location at) {
  if (forked()) return error::closed;  // nobody lives here to end it
  if (report_cancel()) return error::cancelled;
  if (current_cell() == c) return error(error::deadlock, "deadlock: a green thread joins itself");
  cold* more = cold_of(c);
  if (more == nullptr) return error::no_memory;
  const bool edge = bounded(deadline) == never;
  joiner j{begin_wait(wait_on(c, wait_kind::join, 0, !edge), place_number(at))};
  bool ended = false, left = false;
  {
    const spin_guard guard(more->lock);
    ended = is_over(c, more);
    left = !ended && more->left;
    if (!ended && !left) {
      j.next = more->joiners;
      more->joiners = &j;
    }
  }
  if (edge && !ended && !left) {
    sync::fence_seq_cst();
    std::string text;
    if (may_close(party_of(c)) && closes_circle(j.ticket, text))
      return joins_in_circle(more, j, text);
  }
  std::uint64_t outcome = outcome_woken;
  if ((!ended && !left) || !abandon()) outcome = park(deadline);
  if (left) return left_behind(c);
  {
    const spin_guard guard(more->lock);
    if (!ended && outcome != outcome_woken) {
      unlink(more, j);
      ended = is_over(c, more);
      if (!ended && outcome == outcome_left) return left_behind(c);
      if (!ended) return outcome == outcome_timeout ? error::timeout : error::cancelled;
    }
  }
  return join_result(c, more);
}

void keep_reason(cell* c, const exit_reason& why) noexcept {
  const bool has_words = why.text() != exit_reason(why.kind()).text();
  cold* more = has_words ? cold_of(c) : c->more.load(sync::memory_order_acquire);
  if (more == nullptr) return;  // no memory: the kind is kept
  const spin_guard guard(more->lock);
  more->why = why;
}

void tell_joiners(cell* c, exit_kind kind) noexcept {
  c->control.fetch_or(control_ended | static_cast<std::uint32_t>(kind) << kind_at,
                      sync::memory_order_seq_cst);  // M6
  cold* more = c->more.load(sync::memory_order_seq_cst);
  if (more == nullptr) return;
  fire_end_hooks(c, more);
  joiner* first = nullptr;
  {
    const spin_guard guard(more->lock);
    more->fires = false;
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

exit_reason exit_reason_of(const cell* c) noexcept {
  // acquire: pairs with the step that says that it has ended.
  const auto kind = static_cast<exit_kind>(
      (c->control.load(sync::memory_order_acquire) & control_kind) >> kind_at);
  cold* more = c->more.load(sync::memory_order_acquire);
  if (more == nullptr) return kind;
  const spin_guard guard(more->lock);
  return more->why == kind ? more->why : exit_reason(kind);
}

}  // namespace greenroom::detail
