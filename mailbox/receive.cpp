// SPDX-License-Identifier: Apache-2.0
// The receiving side of a function actor: its next message, or its rest.
#include "overload.hpp"
#include "selective.hpp"

#include <greenroom/green_thread.hpp>
#include <greenroom/mailbox.hpp>

#include <stdexcept>
#include <string>

#if defined(GREENROOM_TSAN)
#include <sanitizer/tsan_interface.h>
#endif

namespace greenroom::detail {

void give_credit(cell* c) noexcept {
  const std::uint32_t n = c->credit;
  c->credit = 0;
  if (n == 0 || c->capacity == 0) return;
  if (GREENROOM_UNLIKELY((c->in.give_back(n) & inbox::waiters) != 0)) admit_waiting(c);
}

// A message left the list; true when it is time to give room back.
bool count_handled(cell* c) noexcept {
  ++c->credit;
  return c->credit >= credit_max(c);
}

static node* pop(cell* c) {
  const bool full_credit = c->credit + 1u >= credit_max(c);
  // A mailbox that is never empty must not starve the others. The message still stands in the
  // list: a yield may throw.
  if (GREENROOM_UNLIKELY(full_credit) && slice_over()) yield();
  node* n = c->taken;
  c->taken = inbox::next_of(n);
  ++c->credit;
  if (GREENROOM_UNLIKELY(full_credit)) give_credit(c);
  return n;
}

static void take_all(cell* c) {
  const std::uint32_t left = c->capacity == 0 ? 0 : c->credit;
  std::uint64_t before;
  c->taken = c->in.take(left, before);
  c->credit = 0;
  if (GREENROOM_UNLIKELY(left != 0 && (before & inbox::waiters) != 0)) admit_waiting(c);
}

// The `published` action of a receive: rests, unless something came meanwhile.
GREENROOM_WORKER_CODE static void publish_rest(void* argument) {
  auto* c = static_cast<cell*>(argument);
  // Put away first: once it rests, the receiver may be at work elsewhere.
  const std::uint8_t left = c->credit;
  c->credit = 0;
  if (c->in.rest(c->capacity == 0 ? 0u : left)) return;
  c->credit = left;
  schedule_fiber(c->parked.load(sync::memory_order_relaxed));
}

// The same, and removes the message that was handled in place.
GREENROOM_WORKER_CODE static void publish_rest_in_place(void* argument) {
  auto* box = static_cast<mailbox_base*>(argument);
  cell* c = box->cell_;
#if defined(GREENROOM_TSAN)
  __tsan_acquire(&c->in);  // what the receiver did, on another fiber of this OS thread
#endif
  node* n = box->in_place_;
  const std::uint8_t its_class = ops_of(c).types[inbox::tag_of(n)]->size_class;
  // First: once it rests, the receiver may be at work elsewhere.
  box->in_place_ = nullptr;
  if (c->in.rest_after(box->seen_, c->capacity != 0)) {
    free_node(n, its_class);
    return;
  }
  box->in_place_ = n;
  schedule_fiber(c->parked.load(sync::memory_order_relaxed));
}

void take_around(mailbox_base& box) noexcept {
  cell* c = box.cell_;
  node* n = std::exchange(box.in_place_, nullptr);
  node* all = c->in.take();
  GREENROOM_ASSERT(all == n);
  c->taken = inbox::next_of(n);
  if (count_handled(c)) give_credit(c);
  // Else a handler runs that receives; it frees the memory when it is through.
  if (box.handled_) free_node(n, ops_of(c).types[inbox::tag_of(n)]->size_class);
}

// May the only message, which `word` shows, be handled where it stands?
static bool stands_alone(const cell* c, std::uint64_t word) noexcept {
  return inbox::next_of(inbox::node_in(word)) == nullptr && c->credit == 0 &&
         (word & (inbox::closed | inbox::waiters | inbox::signal)) == 0 &&
         (c->capacity == 0 || c->capacity >= in_place_min);
}

static node* in_place(mailbox_base& box, std::uint64_t word) noexcept {
  box.in_place_ = inbox::node_in(word);
  box.seen_ = word;
  box.handled_ = false;
  return box.in_place_;
}

// True when the actor is to stop; throws `cancelled`, or unwinds to a with_deadline; lets others
// run when the watchdog wants it.
GREENROOM_COLD bool obey(cell* c) {
  c->in.lower(inbox::signal);
  throw_if_cancelled();
  if ((c->control.load(sync::memory_order_relaxed) & control_slice) != 0) {
    c->control.fetch_and(~control_slice, sync::memory_order_relaxed);
    yield();
  }
  return (c->control.load(sync::memory_order_acquire) & control_stop) != 0;
}

static constexpr std::uint32_t out_of_order = control_aside | control_lanes;

static bool has(const cell* c, std::uint32_t bits) noexcept {
  return GREENROOM_UNLIKELY((c->control.load(sync::memory_order_relaxed) & bits) != 0);
}

// Who is not the actor itself would leave another stack behind than the one it stands on.
GREENROOM_COLD static void refuse_foreign(const cell* c) {
  throw std::logic_error(std::string("greenroom: only ") + name_of(c) +
                         " itself may receive from its mailbox");
}

// Rests until a message comes; removes the one that was handled in place.
static void rest(mailbox_base& box) {
  cell* c = box.cell_;
#if defined(GREENROOM_TSAN)
  __tsan_release(&c->in);  // the rest is published on another fiber of this OS thread
#endif
  if (box.in_place_ != nullptr)
    leave(publish_rest_in_place, &box, c);
  else
    leave(publish_rest, c, c);
}

// Where the oldest are dropped there is nothing to take but one at a time (M8).
GREENROOM_COLD static bool take_one(cell* c) {
  if (slice_over()) yield();  // it may throw, so before
  c->taken = take_oldest(c);
  return c->taken != nullptr;
}

GREENROOM_NOINLINE static node* any_message(mailbox_base& box, time_point deadline, next& why) {
  cell* c = box.cell_;
  const time_point asked = deadline;
  if (has(c, control_orders | out_of_order)) {
    if (control_due(c) && obey(c)) {
      why = next::closed;
      return nullptr;
    }
    if (has(c, out_of_order)) return select_message(box, all_types, deadline, why);
    deadline = bounded(deadline);
  }
  if (c->taken != nullptr) return pop(c);
  const bool timed = deadline != never;
  for (;;) {
    std::uint64_t word = c->in.look();
    if (box.in_place_ != nullptr && (word != box.seen_ || timed || !box.handled_ || orphaned(c))) {
      take_around(box);
      if (c->taken != nullptr) {
        if (GREENROOM_UNLIKELY(slice_over())) yield();
        return pop(c);
      }
      word = c->in.look();
    }
    if (GREENROOM_LIKELY(box.in_place_ == nullptr)) {
      // Else the room is given back where it costs nothing: with the rest, or with the next take.
      if (GREENROOM_UNLIKELY((word & (inbox::waiters | inbox::signal)) != 0)) {
        if ((word & inbox::waiters) != 0) give_credit(c);
        if ((word & inbox::signal) != 0 && obey(c)) {
          why = next::closed;
          return nullptr;
        }
        if ((word & inbox::waiters) != 0 && take_one(c)) return pop(c);
      }
      if ((word & inbox::node_mask) != 0) {
        if (GREENROOM_UNLIKELY(slice_over())) yield();
        if (!timed && stands_alone(c, word)) return in_place(box, word);
        take_all(c);
        return pop(c);
      }
      if ((word & inbox::closed) != 0 || orphaned(c)) {
        if ((c->in.look() & inbox::node_mask) != 0) continue;  // M7
        why = next::closed;
        return nullptr;
      }
      if (timed && now() >= deadline) {
        if (deadline != asked) throw_if_cancelled();
        why = next::nothing;
        return nullptr;
      }
    }
    if (GREENROOM_UNLIKELY(current_cell() != c)) refuse_foreign(c);
    if (timed) arm_poke(deadline);
    rest(box);
    if (timed) disarm_poke();
  }
}

// The commonest case first: the last message was handled in place, none has come since, and after
// the rest there is one again. The rest counts as a turn, so none needs to be counted here.
GREENROOM_RETURNS_BY_JUMP node* next_message(mailbox_base& box, time_point deadline, next& why) {
  cell* c = box.cell_;
  if (GREENROOM_LIKELY(box.in_place_ != nullptr && deadline == never &&
                       !has(c, control_orders | control_aside) && box.handled_ &&
                       c->in.look() == box.seen_ && !orphaned(c))) {
    rest(box);
    const std::uint64_t word = c->in.look();
    if (GREENROOM_LIKELY(box.in_place_ == nullptr && (word & inbox::node_mask) != 0 &&
                         !control_due(c) && stands_alone(c, word)))
      return in_place(box, word);
  }
  return any_message(box, deadline, why);
}

// As any_message, for some types or where messages are aside or come by lanes (L1, L6).
node* select_message(mailbox_base& box, std::uint64_t wanted, time_point deadline, next& why) {
  cell* c = box.cell_;
  const time_point asked = deadline;
  if (has(c, control_bounded)) deadline = bounded(deadline);
  const bool timed = deadline != never;
  if (box.in_place_ != nullptr) take_around(box);
  why = next::closed;
  for (;;) {
    if ((control_due(c) || (c->in.look() & inbox::signal) != 0) && obey(c)) return nullptr;
    if (GREENROOM_UNLIKELY(c->credit + 1u >= credit_max(c)) && slice_over()) yield();
    if (node* n = find_wanted(c, wanted)) return n;
    const std::uint64_t word = c->in.look();
    if (GREENROOM_UNLIKELY((word & inbox::waiters) != 0)) {
      give_credit(c);
      if (take_one(c)) continue;
    }
    if ((word & inbox::node_mask) != 0) {
      if (GREENROOM_UNLIKELY(slice_over())) yield();
      if (wanted == all_types && !timed && stands_alone(c, word)) return in_place(box, word);
      take_all(c);
      continue;
    }
    if ((word & inbox::closed) != 0 || orphaned(c)) {
      if ((c->in.look() & inbox::node_mask) != 0) continue;  // M7
      return nullptr;
    }
    if (timed && now() >= deadline) {
      if (deadline != asked) throw_if_cancelled();
      why = next::nothing;
      return nullptr;
    }
    if (lend_room(c, wanted, timed)) continue;
    if (GREENROOM_UNLIKELY(current_cell() != c)) refuse_foreign(c);
    if (timed) arm_poke(deadline);
    rest(box);
    if (timed) disarm_poke();
  }
}

node* poll_message(mailbox_base& box, next& why) {
  return next_message(box, time_point::min(), why);
}

void fail_unanswered(mailbox_base& box) noexcept {
  answer_error(*box.unanswered_, error(error::failed, "an exception left the request's handler"));
  *box.unanswered_ = {};
}

bool begin_request(const reply_to& to, std::int64_t& before) noexcept {
  // The clock is a little old; who has given up meanwhile is known from its wait.
  // A request that was sent instead of asked has nobody who waits; its answer is dropped.
  if (GREENROOM_UNLIKELY(to.deadline_ns < coarse_now_ns() || (to && !still_waiting(to.ticket)))) {
    note_promise(to);  // its asker may wait for a moment longer, but not for us
    return false;
  }
  before = exchange_inherited_deadline(to.deadline_ns);
  return true;
}

void end_request(std::int64_t before) noexcept { exchange_inherited_deadline(before); }

}  // namespace greenroom::detail
