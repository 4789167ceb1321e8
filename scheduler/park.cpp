// SPDX-License-Identifier: Apache-2.0
// begin_wait, park, wake: how a green thread (or an OS thread) waits, and how waits end.
#include "scheduler.hpp"

#include <greenroom/green_thread.hpp>

#include <exception>

#if defined(GREENROOM_TSAN)
#include <sanitizer/tsan_interface.h>
#endif

namespace greenroom::detail {

namespace {
// After that many swallowed cancels a green thread is parked for good and reported as a survivor.
constexpr std::uint32_t swallowed_cancels_max = 1000;

constexpr wait_reason parked_for_good{"swallows its cancel for ever (parked for good)"};

bool is_waiting(std::uint64_t state) noexcept {
  const std::uint64_t phase = state & phase_mask;
  return phase == phase_preparing || phase == phase_parked;
}

void make_runnable(fiber* f, void (*how)(fiber*)) {
  if (f->is_os_thread) {
    // release: pairs with the acquire in park_os_thread.
    f->os_word.store(1, sync::memory_order_release);
    sync::futex_wake(&f->os_word, 1);
    return;
  }
  how(f);
}

bool decide(fiber* f, std::uint64_t seen, std::uint64_t value,
            void (*how)(fiber*) = schedule_fiber) {
  // acq_rel: S2. Publishes the waker's writes to the waiter, and sees the waiter's.
  while (is_waiting(seen)) {
    const std::uint64_t number = seen >> 4;
    if (f->state.compare_exchange_strong(seen, value | phase_notified, sync::memory_order_acq_rel,
                                         sync::memory_order_acquire)) {
      if ((seen & phase_mask) == phase_parked) make_runnable(f, how);
      return true;
    }
    if (!is_waiting(seen) || seen >> 4 != number) return false;
  }
  return false;
}

// The `published` action of park (S5).
GREENROOM_WORKER_CODE void publish_parked(void* argument) {
  auto* f = static_cast<fiber*>(argument);
  std::uint64_t seen = f->state.load(sync::memory_order_relaxed);
  while ((seen & phase_mask) == phase_preparing) {
    const std::uint64_t parked = (seen & ~phase_mask) | phase_parked;
    // seq_cst: ordered before the look at the control bits, as cancel() sets them before it
    // looks at the state; one of the two sees the other.
    if (f->state.compare_exchange_strong(seen, parked, sync::memory_order_seq_cst)) {
      task* t = f->current.load(sync::memory_order_relaxed);
      if (GREENROOM_UNLIKELY(t != nullptr &&
                             (t->control.load(sync::memory_order_seq_cst) & control_cancel)) &&
          f->interruptible.load(sync::memory_order_relaxed))
        decide(f, parked, outcome_cancelled);
      return;
    }
  }
  schedule_fiber(f);  // decided meanwhile
}

std::uint64_t take_value(fiber* f) {
  const std::uint64_t value = f->state.load(sync::memory_order_acquire);  // S2
  GREENROOM_ASSERT((value & phase_mask) == phase_notified);
  f->reason.store(0, sync::memory_order_release);  // see look_at_wait
  f->state.store(phase_running, sync::memory_order_relaxed);
  return value & ~phase_mask;
}

std::uint64_t park_os_thread(fiber* f, time_point deadline) {
  // A time before the clock's beginning has passed as well; negative would be `never` to the futex.
  const std::int64_t due = deadline.time_since_epoch().count();
  const std::int64_t until = deadline == never ? -1 : due < 0 ? 0 : due;
  std::uint64_t seen = f->state.load(sync::memory_order_acquire);
  const std::uint64_t parked = (seen & ~phase_mask) | phase_parked;
  f->os_word.store(0, sync::memory_order_relaxed);
  if (is_waiting(seen) &&
      f->state.compare_exchange_strong(seen, parked, sync::memory_order_acq_rel)) {
    while (f->os_word.load(sync::memory_order_acquire) == 0) {
      sync::futex_wait(&f->os_word, 0, until);
      if (until >= 0 && now().time_since_epoch().count() >= until) {
        // Loses against a waker that was faster; then its wake-up is on the way.
        seen = parked;
        if (f->state.compare_exchange_strong(seen, outcome_timeout | phase_notified,
                                             sync::memory_order_acq_rel))
          return take_value(f);
        while (f->os_word.load(sync::memory_order_acquire) == 0)
          sync::futex_wait(&f->os_word, 0, -1);
      }
    }
  }
  return take_value(f);
}

// The task may end meanwhile and lose its ops, or be another one by now, which then looks in vain.
void poke(task* t) {
  const task_ops* ops = __atomic_load_n(&t->ops, __ATOMIC_ACQUIRE);
  if (ops != nullptr) ops->poke(t);
}

// Arms the fiber's one timer for `when` unless it will fire earlier anyway (T1).
void arm_deadline(fiber* f, std::int64_t when) {
  f->deadline_ns.store(when, sync::memory_order_relaxed);
  // Ordered against fire_deadline, which takes the mark away before it looks at the deadline.
  sync::fence_seq_cst();
  if (f->armed_ns.load(sync::memory_order_relaxed) <= when) return;
  const spin_guard guard(f->arm_lock);
  if (f->armed_ns.load(sync::memory_order_relaxed) <= when) return;
  // Also when armed_ns says never: one that had left the heap and was armed again clears it late.
  timers::cancel(&f->deadline);
  f->armed_ns.store(when, sync::memory_order_relaxed);
  f->owner.load(sync::memory_order_relaxed)->arm(&f->deadline, when);
}

}  // namespace

// The fiber's timer went off: ends the wait if it is due, or looks again later (T1).
void fire_deadline(timer* t, std::int64_t now_ns) {
  fiber* f = fiber_of(t);
  {
    const spin_guard guard(f->arm_lock);
    f->armed_ns.store(never_ns, sync::memory_order_relaxed);
  }
  sync::fence_seq_cst();
  const std::uint64_t seen = f->state.load(sync::memory_order_acquire);
  const std::int64_t due = f->deadline_ns.load(sync::memory_order_relaxed);
  const bool mailbox = (seen & phase_mask) == phase_mailbox;
  if (due == never_ns || (!mailbox && !is_waiting(seen))) return;
  if (due > now_ns) {
    const spin_guard guard(f->arm_lock);
    scheduler* s = f->owner.load(sync::memory_order_relaxed);
    if (s == nullptr || f->armed_ns.load(sync::memory_order_relaxed) <= due) return;
    timers::cancel(&f->deadline);
    f->armed_ns.store(due, sync::memory_order_relaxed);
    s->arm(&f->deadline, due);
  } else if (mailbox) {
    task* waiting = f->current.load(sync::memory_order_acquire);
    if (waiting != nullptr) poke(waiting);
  } else {
    // It has slept and is in no cache; it will run after others that woke with it.
    const auto* top = static_cast<const char*>(f->at.sp);
    __builtin_prefetch(top);
    __builtin_prefetch(top + 64);
    __builtin_prefetch(top + 128);
    __builtin_prefetch(top + 192);
    __builtin_prefetch(f->current.load(sync::memory_order_relaxed));
    decide(f, seen, outcome_timeout);
  }
}

bool is_unwanted(const timer* t) noexcept {
  if (t->fire != fire_deadline) return false;
  // relaxed: a wait that sets it now finds its timer armed, or arms it (T1).
  return fiber_of(const_cast<timer*>(t))->deadline_ns.load(sync::memory_order_relaxed) == never_ns;
}

static inline wait_ticket announce(std::uint64_t reason, bool interruptible) {
  fiber* f = current_fiber();
  GREENROOM_ASSERT((f->state.load(sync::memory_order_relaxed) & phase_mask) == phase_running);
  ++f->seq;
  f->reason.store(reason, sync::memory_order_release);  // see look_at_wait
  f->interruptible.store(
      interruptible && f->shields == 0 && (f->is_os_thread || std::uncaught_exceptions() == 0),
      sync::memory_order_relaxed);
  if (task* t = f->current.load(sync::memory_order_relaxed))
    if (t->parked.load(sync::memory_order_relaxed) != f)
      t->parked.store(f, sync::memory_order_release);  // S4: cancel() finds us
  // release: a waker or canceller that sees the number sees the fields above.
  f->state.store((f->seq << 4) | phase_preparing, sync::memory_order_release);
  return {f, f->seq};
}

wait_ticket begin_wait(const wait_reason& reason, bool interruptible) {
  return announce(reinterpret_cast<std::uint64_t>(&reason), interruptible);
}
wait_ticket begin_wait(wait_word on, bool interruptible) {
  return announce(on.word, interruptible);
}
wait_ticket begin_wait(wait_word on, std::uint64_t place) {
  current_fiber()->next.set_place(place);  // read after the state, which is written after this
  return announce(on.word, true);
}

static std::uint64_t park(time_point deadline, bool bounded) {
  fiber* f = current_fiber();
  if (bounded && GREENROOM_UNLIKELY(deadline.time_since_epoch().count() > f->bound_ns))
    deadline = cut_by_bound(f, deadline);
  if (f->is_os_thread) return park_os_thread(f, deadline);
  if ((f->state.load(sync::memory_order_relaxed) & phase_mask) == phase_notified)
    return take_value(f);
  task* t = f->current.load(sync::memory_order_relaxed);
  if (GREENROOM_UNLIKELY(t != nullptr &&
                         (t->control.load(sync::memory_order_relaxed) & control_cancel))) {
    const std::uint64_t seen = f->state.load(sync::memory_order_acquire);
    if (f->interruptible.load(sync::memory_order_relaxed)) {
      if (decide(f, seen, outcome_cancelled)) return take_value(f);
    } else if (bounded) {
      const time_point limit = deadline_after(cleanup_wait_max);
      if (limit < deadline) deadline = limit;
    }
  }
  const bool timed = deadline != never;
  if (timed) arm_deadline(f, deadline.time_since_epoch().count());
#if defined(GREENROOM_TSAN)
  __tsan_release(&f->state);  // the publisher is another fiber of this OS thread
#endif
  leave(publish_parked, f);
  if (timed) f->deadline_ns.store(never_ns, sync::memory_order_relaxed);
  return take_value(f);
}

std::uint64_t park() { return park(never, false); }
std::uint64_t park(time_point deadline) { return park(deadline, true); }

bool abandon() {
  fiber* f = current_fiber();
  std::uint64_t seen = f->state.load(sync::memory_order_relaxed);
  // acquire on failure: S2, the value is collected next.
  if ((seen & phase_mask) == phase_preparing &&
      f->state.compare_exchange_strong(seen, phase_running, sync::memory_order_acq_rel,
                                       sync::memory_order_acquire)) {
    f->reason.store(0, sync::memory_order_release);  // see look_at_wait
    return true;
  }
  return false;
}

void tell_wait(wait_word on) noexcept {
  current_fiber()->reason.store(on.word, sync::memory_order_release);  // see look_at_wait
}

void mark_wait(const wait_ticket& ticket, std::uint64_t bits) noexcept {
  std::uint64_t word = ticket.who->reason.load(sync::memory_order_relaxed);
  if (word % 2 == 0 || !still_waiting(ticket)) return;
  // release: whoever sees what the caller does after this, sees the mark. Failed: it is over.
  ticket.who->reason.compare_exchange_strong(word, word | bits, sync::memory_order_release,
                                             sync::memory_order_relaxed);
}

static bool wake(wait_ticket ticket, std::uint64_t value, void (*how)(fiber*)) {
  const std::uint64_t seen = ticket.who->state.load(sync::memory_order_acquire);
  if (seen >> 4 != ticket.seq || !is_waiting(seen)) return false;
  return decide(ticket.who, seen, value, how);
}

bool wake(wait_ticket ticket, std::uint64_t value) { return wake(ticket, value, schedule_fiber); }
bool wake_bound(wait_ticket ticket, std::uint64_t value) {
  return wake(ticket, value, schedule_bound);
}

void end_waits(bool (*is_meant)(std::uint64_t, void*), void* argument,
               std::uint64_t outcome) noexcept {
  struct search {
    bool (*is_meant)(std::uint64_t, void*);
    void* argument;
    std::uint64_t outcome;
  } s{is_meant, argument, outcome};
  for_each_fiber(
      [](fiber* f, void* a) {
        const auto* look = static_cast<const search*>(a);
        // acquire: the word is that of this wait or of a later one, which decide() then finds.
        const std::uint64_t seen = f->state.load(sync::memory_order_acquire);
        const std::uint64_t word = wait_word_of(f);
        if (is_waiting(seen) && word != 0 && look->is_meant(word, look->argument))
          decide(f, seen, look->outcome);
      },
      &s);
}

claim try_claim(const wait_ticket& ticket, std::uint64_t value) {
  fiber* f = ticket.who;
  std::uint64_t seen = f->state.load(sync::memory_order_acquire);
  while (seen >> 4 == ticket.seq && is_waiting(seen)) {
    const bool parked = (seen & phase_mask) == phase_parked;
    // acq_rel: S2, as in decide().
    if (f->state.compare_exchange_strong(seen, value | phase_notified, sync::memory_order_acq_rel,
                                         sync::memory_order_acquire))
      return parked ? claim::waiting : claim::won;
  }
  return claim::lost;
}

void resume(const wait_ticket& ticket) { make_runnable(ticket.who, schedule_fiber); }
void resume_bound(const wait_ticket& ticket) { make_runnable(ticket.who, schedule_bound); }

void arm_poke(time_point deadline) {
  fiber* f = current_fiber();
  ++f->seq;
  f->state.store((f->seq << 4) | phase_mailbox, sync::memory_order_release);
  arm_deadline(f, deadline.time_since_epoch().count());
}

void disarm_poke() {
  fiber* f = current_fiber();
  f->deadline_ns.store(never_ns, sync::memory_order_relaxed);
  f->state.store(phase_running, sync::memory_order_release);
}

// ---- cancel

void cancel(task* t) {
  // seq_cst: before the look at the fiber, see publish_parked.
  t->control.fetch_or(control_cancel, sync::memory_order_seq_cst);
  poke(t);
  fiber* f = t->parked.load(sync::memory_order_seq_cst);
  if (f == nullptr) return;
  // S4: the number read first; if the fiber then still belongs to t and the compare-and-swap
  // finds that number, the wait was t's all the time between.
  const std::uint64_t seen = f->state.load(sync::memory_order_seq_cst);
  if (!is_waiting(seen) || !f->interruptible.load(sync::memory_order_relaxed)) return;
  if (f->current.load(sync::memory_order_seq_cst) != t) return;
  decide(f, seen, outcome_cancelled);
}

static bool cancel_due(const fiber* f, const task* t) {
  return GREENROOM_UNLIKELY((t->control.load(sync::memory_order_relaxed) & control_cancel) != 0) &&
         f->shields == 0 && std::uncaught_exceptions() == 0;
}

GREENROOM_COLD static void throw_cancelled(fiber* f) {
  if (++f->swallowed > swallowed_cancels_max) {
    for (;;) {
      begin_wait(parked_for_good, false);
      park();
    }
  }
  throw cancelled{};
}

void throw_if_cancelled() {
  fiber* f = current_fiber();
  task* t = f->current.load(sync::memory_order_relaxed);
  if (t != nullptr && cancel_due(f, t)) throw_cancelled(f);
  if (GREENROOM_UNLIKELY(f->bound_ns != never_ns)) obey_bound(f);
}

bool report_cancel() {
  fiber* f = current_fiber();
  task* t = f->current.load(sync::memory_order_relaxed);
  if (t == nullptr || !cancel_due(f, t)) {
    if (GREENROOM_UNLIKELY(f->bound_ns != never_ns)) report_bound(f);
    return false;
  }
  if ((t->control.fetch_or(control_told, sync::memory_order_relaxed) & control_told) != 0)
    throw_cancelled(f);
  return true;
}

bool still_waiting(const wait_ticket& t) noexcept {
  const std::uint64_t seen = t.who->state.load(sync::memory_order_acquire);
  return is_waiting(seen) && seen >> 4 == t.seq;
}

std::int64_t exchange_inherited_deadline(std::int64_t ns) noexcept {
  fiber* f = current_fiber();
  const std::int64_t before = f->inherited_ns;
  f->inherited_ns = ns;
  return before;
}

std::int64_t inherited_deadline() noexcept {
  const fiber* f = current_fiber();
  if (GREENROOM_LIKELY(f->bound_ns >= f->inherited_ns)) return f->inherited_ns;
  const time_point cut = cut_by_bound(f, time_point(duration(f->inherited_ns)));
  // Nothing is left: said so that no cheap and old clock makes something of it.
  return now() >= cut ? INT64_MIN : cut.time_since_epoch().count();
}

const char* reason_of(const fiber* f) noexcept {
  const std::uint64_t word = f->reason.load(sync::memory_order_relaxed);
  return word == 0 || word % 2 != 0 ? "" : reinterpret_cast<const wait_reason*>(word)->text;
}

std::uint64_t wait_word_of(const fiber* f) noexcept {
  const std::uint64_t word = f->reason.load(sync::memory_order_relaxed);
  return word % 2 != 0 ? word : 0;
}

bool look_at_wait(const fiber* f, const task* who, told_wait& seen) noexcept {
  const std::uint64_t state = f->state.load(sync::memory_order_acquire);
  if (!is_waiting(state)) return false;
  if (f->current.load(sync::memory_order_acquire) != who) return false;
  seen.word = f->reason.load(sync::memory_order_acquire);
  seen.place = f->next.place();
  seen.seq = state >> 4;
  // The word is taken away (release) only when the wait was decided: had we read another wait's
  // word or none, we would find the state changed. `who` stays while the wait lasts.
  const std::uint64_t after = f->state.load(sync::memory_order_acquire);
  return seen.word % 2 != 0 && is_waiting(after) && after >> 4 == seen.seq;
}

}  // namespace greenroom::detail

namespace greenroom {

shield::shield() noexcept {
  detail::fiber* f = detail::current_fiber();
  ++f->shields;
  bound_ns_ = detail::hide_bound(f);
}
shield::~shield() {
  detail::fiber* f = detail::current_fiber();
  --f->shields;
  detail::restore_bound(f, bound_ns_);
}

bool cancel_requested() noexcept {
  const detail::task* t = detail::current_task();
  return t != nullptr &&
         (t->control.load(detail::sync::memory_order_relaxed) & detail::control_cancel) != 0;
}

}  // namespace greenroom
