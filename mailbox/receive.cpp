// SPDX-License-Identifier: Apache-2.0
// The receiving side of a function actor: its next message, or its rest.
#include "cold.hpp"

#include <greenroom/green_thread.hpp>
#include <greenroom/mailbox.hpp>

#if defined(GREENROOM_TSAN)
#include <sanitizer/tsan_interface.h>
#endif

namespace greenroom::detail {

// How many messages may be handled before their room is given back.
static std::uint32_t credit_max(const cell* c) noexcept {
  constexpr std::uint32_t most = 255;
  const std::uint32_t quarter = c->capacity / 4u;
  if (c->capacity == 0 || quarter > most) return most;
  return quarter == 0 ? 1 : quarter;
}

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
  node* n = c->todo;
  c->todo = inbox::next_of(n);
  ++c->credit;
  if (GREENROOM_UNLIKELY(full_credit)) give_credit(c);
  return n;
}

static void take_all(cell* c) {
  const std::uint32_t left = c->capacity == 0 ? 0 : c->credit;
  std::uint64_t before;
  c->todo = c->in.take(left, before);
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

// True when the actor is to stop; throws `cancelled`.
GREENROOM_COLD static bool obey(cell* c) {
  c->in.lower(inbox::signal);
  throw_if_cancelled();
  return (c->control.load(sync::memory_order_acquire) & control_stop) != 0;
}

static bool stop_due(const cell* c) noexcept {
  return GREENROOM_UNLIKELY(
      (c->control.load(sync::memory_order_relaxed) & (control_stop | control_cancel)) != 0);
}

node* next_message(cell* c, time_point deadline, next& why) {
  if (stop_due(c) && obey(c)) {
    why = next::closed;
    return nullptr;
  }
  if (c->todo != nullptr) return pop(c);
  const bool timed = deadline != never;
  for (;;) {
    const std::uint64_t word = c->in.look();
    // Else the room is given back where it costs nothing: with the rest, or with the next take.
    if (GREENROOM_UNLIKELY((word & inbox::waiters) != 0)) give_credit(c);
    if (GREENROOM_UNLIKELY((word & inbox::signal) != 0)) {
      if (obey(c)) {
        why = next::closed;
        return nullptr;
      }
    }
    if ((word & inbox::node_mask) != 0) {
      take_all(c);
      if (GREENROOM_UNLIKELY(slice_over())) yield();
      return pop(c);
    }
    if ((word & inbox::closed) != 0 || orphaned(c)) {
      if ((c->in.look() & inbox::node_mask) != 0) continue;  // M7
      why = next::closed;
      return nullptr;
    }
    if (timed && now() >= deadline) {
      why = next::nothing;
      return nullptr;
    }
    if (timed) arm_poke(deadline);
    fiber* f = current_fiber();
    if (c->parked.load(sync::memory_order_relaxed) != f)
      c->parked.store(f, sync::memory_order_relaxed);  // released by rest()
#if defined(GREENROOM_TSAN)
    __tsan_release(&c->in);  // publish_rest runs on another fiber of this OS thread
#endif
    leave(publish_rest, c);
    if (timed) disarm_poke();
  }
}

node* poll_message(cell* c, next& why) { return next_message(c, time_point::min(), why); }

void fail_unanswered(mailbox_base& box) noexcept {
  answer_error(*box.unanswered_, error(error::failed, "an exception left the request's handler"));
  *box.unanswered_ = {};
}

bool begin_request(const reply_to& to, std::int64_t& before) noexcept {
  // The clock is a little old; who has given up meanwhile is known from its wait.
  // A request that was sent instead of asked has nobody who waits; its answer is dropped.
  if (GREENROOM_UNLIKELY(to.deadline_ns < coarse_now_ns() || (to && !still_waiting(to.ticket)))) {
    if (cell* c = current_cell()) count_dead(c, dead_letter::expired);
    return false;
  }
  before = exchange_inherited_deadline(to.deadline_ns);
  return true;
}

void end_request(std::int64_t before) noexcept { exchange_inherited_deadline(before); }

}  // namespace greenroom::detail
