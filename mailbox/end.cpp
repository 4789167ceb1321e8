// SPDX-License-Identifier: Apache-2.0
// How an actor ends: for good, or until it is restarted in its cell (detail/keeper.hpp).
#include "end.hpp"
#include "lanes.hpp"
#include "monitor.hpp"
#include "overload.hpp"

#include <greenroom/detail/task.hpp>
#include <greenroom/green_thread.hpp>
#include <greenroom/park.hpp>

#include <exception>
#include <string>
#include <utility>

namespace greenroom::detail {

namespace {

// What a restart leaves of the control word: what the cell was made with, and what it holds.
constexpr std::uint32_t control_kept =
    control_big_stack | control_detached | control_aside | control_lanes;

// Dead letters; those of the system lane were no letters.
void drop_messages(cell* c, node* first) {
  if (GREENROOM_LIKELY(first == nullptr)) return;
  const message_type* type = nullptr;
  std::uint64_t dropped = 0;  // of that type, in a row
  const auto count = [&] {
    if (dropped != 0 && type->lane != lane_number::system)
      count_dead(c, dead_letter::undelivered, type, dropped);
    dropped = 0;
  };
  while (first != nullptr) {
    node* after = inbox::next_of(first);
    const message_type* its_type = ops_of(c).types[inbox::tag_of(first)];
    if (its_type != type) count();
    type = its_type;
    destroy_message(*type, first, error::closed);
    ++dropped;
    first = after;
  }
  count();
}

void drop_all(cell* c) {
  drop_messages(c, take_aside(c));
  drop_messages(c, std::exchange(c->taken, nullptr));
  if (GREENROOM_UNLIKELY(rules_of(c) != nullptr))
    while (node* n = take_oldest(c)) drop_messages(c, n);
  drop_messages(c, c->in.take());
}

void answer_unanswered(reply_to& unanswered, const exit_reason& why) {
  if (!unanswered) return;
  // `cancelled` would tell the asker that it is being cancelled itself.
  const bool has_words = why == exit_kind::failed || why.kind() > exit_kind::linked;
  answer_error(unanswered, has_words ? error(error::failed, why.text()) : error(error::closed));
  unanswered = {};
}

void destroy_object(cell* c) {
  ops_of(c).destroy(c);
  cold* more = c->more.load(sync::memory_order_acquire);
  if (more != nullptr) destroy_locals(more->locals);
}

// No code of the user's runs from here on. The cell may be gone after this.
void leave(cell* c, const exit_reason& why) {
  c->parked.store(nullptr, sync::memory_order_release);
  if (why.is_failure()) keep_reason(c, why);  // of others the kind says all
  tell_joiners(c, why.kind());
  if (c->more.load(sync::memory_order_acquire) != nullptr) tell_watchers(c, why);
  home* h = home_of(c);
  settle_addresses(c);
  const bool detached = (c->control.load(sync::memory_order_relaxed) & control_detached) != 0;
  const std::int32_t own = alive + (detached ? 1 : 0);
  if (c->addresses.fetch_sub(own, sync::memory_order_acq_rel) == own) drop_reference(c);
  count_ended(h);
  if (h->ended != nullptr) h->ended(h);
}

// Between two lives: its own things go, what is queued stays, and who waits for room waits on.
void end_one_life(cell* c, cold* more, const exit_reason& why) {
  keeper* k = more->kept_by;
  stop_watching(c);
  if (!k->keeps_messages) drop_queued(c);
  destroy_object(c);
  try {
    unstash(c);
  } catch (...) {  // no memory for that: they are dead letters
    drop_messages(c, take_aside(c));
  }
  retire_stop_hook(more);
  settle_addresses(c);
  give_credit(c);
  c->parked.store(nullptr, sync::memory_order_release);
  forget_orders(c);  // they were for this life
  keep_reason(c, why);
  tell_watchers(c, why);
  k->ended(k, c, why);
}

}  // namespace

void end_actor(cell* c, reply_to& unanswered, const exit_reason& why) {
  const shield no_cancel;
  cold* more = c->more.load(sync::memory_order_acquire);
  if (more != nullptr) stop_idle(c);
  if (GREENROOM_UNLIKELY(more != nullptr && more->kept_by != nullptr)) {
    answer_unanswered(unanswered, why);
    end_one_life(c, more, why);
    return;
  }
  c->in.raise(inbox::closed);
  if (GREENROOM_UNLIKELY(static_cast<bool>(unanswered))) answer_unanswered(unanswered, why);
  // Again: who stands in line made it before the word showed that.
  more = c->more.load(sync::memory_order_acquire);
  if (GREENROOM_LIKELY(more == nullptr)) {
    drop_messages(c, std::exchange(c->taken, nullptr));
    drop_messages(c, c->in.take());
  } else {
    stop_watching(c);
    fail_waiting(c, error::closed);
    drop_all(c);
    if (rules_of(c) != nullptr) end_marks(c);
  }
  destroy_object(c);
  // A destructor may have stashed something.
  if (c->more.load(sync::memory_order_acquire) != nullptr) drop_messages(c, take_aside(c));
  leave(c, why);
}

// ---- for keepers

bool put_by(cell* c, keeper* k) noexcept {
  cold* more = cold_of(c);
  if (more == nullptr) return false;
  more->kept_by = k;
  c->in.reset(c->in.look() & inbox::waiters);
  return true;
}

void revive(cell* c) noexcept {
  hear_again(c);
  schedule(home_of(c)->runs_on, c, ops_of(c).handle == nullptr);
}

void forget_orders(cell* c) noexcept {
  // seq_cst: see mark_for_good().
  c->control.fetch_and(control_kept, sync::memory_order_seq_cst);
}

// The mark comes before the order and forget_orders() before the look at the mark, both seq_cst: so
// the keeper finds the mark, or the order is given after it has forgotten all others.
static void mark_for_good(cell* c) noexcept {
  if (cold* more = cold_of(c)) more->for_good.store(true, sync::memory_order_seq_cst);
}
void stop_for_good(cell* c) noexcept {
  mark_for_good(c);
  stop_actor(c);
}
void kill_for_good(cell* c) noexcept {
  mark_for_good(c);
  cancel_actor(c);
}
bool is_for_good(const cell* c) noexcept {
  const cold* more = c->more.load(sync::memory_order_acquire);
  return more != nullptr && more->for_good.load(sync::memory_order_seq_cst);
}

bool is_kept(const cell* c, bool (*holds)(const keeper*, const void*), const void* what) noexcept {
  cold* more = c->more.load(sync::memory_order_acquire);
  if (more == nullptr) return false;
  const spin_guard guard(more->lock);
  return more->kept_by != nullptr && holds(more->kept_by, what);
}

void finish(cell* c, const exit_reason& why) noexcept {
  const shield no_cancel;
  {
    // Its keeper may go after this (is_kept).
    cold* more = c->more.load(sync::memory_order_acquire);
    const spin_guard guard(more->lock);
    more->kept_by = nullptr;
  }
  c->in.raise(inbox::closed);
  stop_watching(c);
  fail_waiting(c, error::closed);
  drop_all(c);
  if (rules_of(c) != nullptr) end_marks(c);
  leave(c, why);
}

void drop_queued(cell* c) noexcept {
  // As if they had been received, so that their room is given back (L3).
  const auto drop = [c](node* n) {
    count_received(c, inbox::tag_of(n));
    n->link.set(std::uint64_t{inbox::tag_of(n)} << 48);
    drop_messages(c, n);
  };
  while (node* n = pop_aside(c, all_types)) drop(n);
  drop_messages(c, take_aside(c));  // the stash
  for (;;) {
    node* n = c->taken;
    if (n == nullptr) n = c->taken = take_oldest(c);
    if (n == nullptr) n = c->taken = c->in.take();
    if (n == nullptr) break;
    c->taken = inbox::next_of(n);
    drop(n);
  }
  give_credit(c);
}

}  // namespace greenroom::detail
