// SPDX-License-Identifier: Apache-2.0
// A worker from its begin to its end, and making things runnable from any thread.
#include "scheduler.hpp"

#include "overflow_handler.hpp"

#include <greenroom/green_thread.hpp>

#include <cerrno>
#include <cstdio>
#include <cxxabi.h>
#include <sched.h>
#include <unistd.h>

#if defined(GREENROOM_ASAN)
#include <sanitizer/common_interface_defs.h>
#endif
#if defined(GREENROOM_TSAN)
#include <sanitizer/tsan_interface.h>
#endif

#if defined(GREENROOM_TSAN)
// The injector synchronises by fences, which ThreadSanitizer does not model; what passes through
// it is released and acquired by hand where it is scheduled and run. Asio keeps a thread_local list
// of its frames, which green threads of one worker use one after another.
extern "C" const char* __tsan_default_suppressions();
extern "C" const char* __tsan_default_suppressions() {
  return "race:moodycamel::\nrace:asio::detail::call_stack\n";
}
#endif

namespace greenroom::detail {

namespace {

thread_local worker* tls_worker = nullptr;

GREENROOM_NOINLINE int* address_of_errno() noexcept {
  int* e = &errno;
  asm volatile("" : "+r"(e)::"memory");
  return e;
}

}  // namespace

GREENROOM_NOINLINE GREENROOM_WORKER_CODE worker* this_worker() noexcept {
  worker** at = &tls_worker;
  asm volatile("" : "+r"(at)::"memory");
  return *at;
}

GREENROOM_NOINLINE GREENROOM_WORKER_CODE void set_this_worker(worker* w) noexcept {
  worker** at = &tls_worker;
  asm volatile("" : "+r"(at)::"memory");
  *at = w;
}

// ---- workers

GREENROOM_WORKER_CODE void* scheduler::worker_main(void* argument) {
  auto* w = static_cast<worker*>(argument);
  scheduler* home = w->home;
  set_this_worker(w);
  set_alternate_stack();
  w->eh = reinterpret_cast<eh_globals*>(abi::__cxa_get_globals());
  w->error_number = address_of_errno();
  fiber* os = acquire_os_fiber();
  w->os_fiber = os;
  w->current = os;
#if defined(GREENROOM_TSAN)
  os->tsan_fiber = __tsan_get_current_fiber();
#endif
#if defined(GREENROOM_ASAN)
  pthread_attr_t attributes;
  void* low = nullptr;
  std::size_t size = 0;
  pthread_getattr_np(pthread_self(), &attributes);
  pthread_attr_getstack(&attributes, &low, &size);
  pthread_attr_destroy(&attributes);
  os->stack = {static_cast<char*>(low), size};
#endif
  w->system_id.store(gettid(), sync::memory_order_release);
#if defined(GREENROOM_TSAN)
  __tsan_release(&w->system_id);
#endif
  do {
    w->resting.store(false, sync::memory_order_relaxed);
    switch_to(w, take_spare(w), nullptr, nullptr);  // comes back when it leaves
    release_spares(*w, 1);  // one stays, for it may be called from the bench when memory is out
  } while (home->wait_on_bench(w));
  release_spares(*w, 0);
  w->os_fiber = nullptr;
  release_os_fiber(os);
  drop_alternate_stack();
  set_this_worker(nullptr);
  // release: stop() sees all this worker did.
  home->running_.fetch_sub(1, sync::memory_order_release);
  sync::futex_wake(&home->running_, INT32_MAX);
  return nullptr;
}

// ---- making things runnable

// Half of the ring goes to the backlog with the newcomer, so this is rare.
GREENROOM_COLD void scheduler::overflow(worker* w, runnable r) {
  const std::uint32_t n = w->ready.steal(w->moving);
  w->moving[n] = r;
  for (std::uint32_t i = 0; i <= n; ++i) w->moving[i] &= ~runnable_bound;
  backlog_.push(w->moving, n + 1);
}

GREENROOM_COLD void scheduler::overflow_fresh(worker* w, runnable r) {
  const std::uint32_t n = w->fresh.steal(w->moving, fresh_ring::size / 2);
  spilled_.push(w->moving, n);
  if (!w->fresh.push(r, false)) spilled_.push(r);
}

GREENROOM_WORKER_CODE void scheduler::push_back(worker* w, runnable r) {
  if (GREENROOM_UNLIKELY(!w->ready.push(r))) overflow(w, r);
}

GREENROOM_WORKER_CODE void scheduler::push_behind_children(worker* w, runnable r) {
  if (GREENROOM_UNLIKELY(!w->fresh.push_oldest(r))) push_back(w, r);
}

// Counts the children that a task makes without a wait; the tick tells its turns apart. Who is no
// task (a handler that the netpoller runs) cannot let others run.
GREENROOM_INLINE_WORKER_CODE static bool made_many(worker* w) {
  if (w->maker_tick != w->tick) {
    w->maker_tick = w->tick;
    w->made = 0;
  }
  return ++w->made >= worker::children_max &&
         w->current->current.load(sync::memory_order_relaxed) != nullptr;
}

GREENROOM_WORKER_CODE void scheduler::push(runnable r, bool fresh) {
  worker* w = this_worker();
  if (GREENROOM_UNLIKELY(w == nullptr || w->home != this)) {
    push_foreign(r);
    return;
  }
  const bool biased = w->mine.enter();
  if (fresh) {
    const bool fits = w->fresh.push(r, biased);
    if (biased) w->mine.leave();
    if (GREENROOM_UNLIKELY(!fits)) overflow_fresh(w, r);
  } else {
    const runnable displaced = exchange_lifo(w, r, biased);
    if (biased) w->mine.leave();
    // Alone in the slot: this worker runs it next, so nobody is woken; a pair stays together.
    if (displaced == 0) return;
    push_back(w, displaced);
  }
  const unsigned i = idle_.claim_without_fence();
  if (GREENROOM_UNLIKELY(i != idle_set::nobody)) wake_worker(i);
  if (fresh && GREENROOM_UNLIKELY(made_many(w))) let_children_run(w);
}

// Who waited for room in the mailbox of an actor that runs here would, on another worker, fill it
// from there, and each of its messages would travel. So thieves leave it alone, and nobody is
// woken, until what stands before it takes longer than that would.
void scheduler::push_bound(runnable r) {
  worker* w = this_worker();
  if (w == nullptr || w->home != this) {
    push_foreign(r);
    return;
  }
  push_back(w, r | runnable_bound);
  if (w->ready.is_past(w->bound_mark)) {
    w->bound_mark = w->ready.end();
    w->bound_since = 0;
    if (w->ripe_bound.load(sync::memory_order_relaxed))
      w->ripe_bound.store(false, sync::memory_order_relaxed);
    return;
  }
  // The clock costs as much as a switch, and a while is long enough for many looks at it.
  if ((++w->bound_pushes & 15u) != 0) return;
  const std::int64_t t = now().time_since_epoch().count();
  if (w->bound_since == 0) w->bound_since = t;
  if (t - w->bound_since < worker::bound_ripe_ns) return;
  w->ripe_bound.store(true, sync::memory_order_relaxed);
  const unsigned i = idle_.claim_without_fence();
  if (GREENROOM_UNLIKELY(i != idle_set::nobody)) wake_worker(i);
}

void scheduler::push_foreign(runnable r) {
  if (forked()) return;
  if (GREENROOM_UNLIKELY(!injector_.enqueue(r))) backlog_.push(r);  // memory is out
  const unsigned i = idle_.claim_one();                             // S1
  if (i != idle_set::nobody) wake_worker(i);
}

void schedule(scheduler* where, task* what, bool fresh) {
#if defined(GREENROOM_TSAN)
  __tsan_release(what);  // acquired by run_task
#endif
  where->push(reinterpret_cast<runnable>(what), fresh);
}

void schedule_bound(fiber* f) {
#if defined(GREENROOM_TSAN)
  __tsan_release(f);  // acquired where the fiber goes on, in switch_here
#endif
  f->owner.load(sync::memory_order_relaxed)->push_bound(reinterpret_cast<runnable>(f) | 1);
}

void schedule_fiber(fiber* f) {
#if defined(GREENROOM_TSAN)
  __tsan_release(f);  // acquired where the fiber goes on, in switch_here
#endif
  f->owner.load(sync::memory_order_relaxed)->push(reinterpret_cast<runnable>(f) | 1, false);
}

GREENROOM_WORKER_CODE void scheduler::arm(timer* t, std::int64_t when_ns) {
  worker* w = this_worker();
  if (w != nullptr && w->home == this) {
    w->clock.arm(t, when_ns);
    return;
  }
  if (forked()) return;  // no worker lives here to run it, and one may have held the lock
  if (worker_at(0).clock.arm(t, when_ns)) wake_worker(0);
}

GREENROOM_WORKER_CODE std::uint64_t scheduler::new_id() {
  constexpr std::uint64_t block = 256;
  worker* w = this_worker();
  if (w == nullptr || w->home != this) return ids_.fetch_add(1, sync::memory_order_relaxed);
  if (w->next_id == w->ids_end) {
    w->next_id = ids_.fetch_add(block, sync::memory_order_relaxed);
    w->ids_end = w->next_id + block;
  }
  return w->next_id++;
}

GREENROOM_WORKER_CODE void schedule_last(scheduler* where, task* what) {
  worker* w = this_worker();
#if defined(GREENROOM_TSAN)
  __tsan_release(what);
#endif
  if (w == nullptr || w->home != where)
    where->push_foreign(reinterpret_cast<runnable>(what));
  else
    where->push_back(w, reinterpret_cast<runnable>(what));
}

std::uint64_t new_actor_id(scheduler* where) { return where->new_id(); }

GREENROOM_WORKER_CODE std::int64_t coarse_now_ns() noexcept {
  worker* w = this_worker();
  return w == nullptr ? now().time_since_epoch().count() : w->coarse_now;
}

bool is_quiet(scheduler* s, time_point until) noexcept { return s->quiet(until); }
unsigned worker_count(const scheduler* s) noexcept { return s->worker_count(); }

GREENROOM_WORKER_CODE unsigned worker_index(const scheduler* s) noexcept {
  worker* w = this_worker();
  return w != nullptr && w->home == s ? w->index : ~0u;
}

// ---- who am I

GREENROOM_WORKER_CODE scheduler* current_scheduler() noexcept {
  worker* w = this_worker();
  return w == nullptr ? nullptr : w->home;
}

GREENROOM_WORKER_CODE task* current_task() noexcept {
  worker* w = this_worker();
  return w == nullptr ? nullptr : w->current->current.load(sync::memory_order_relaxed);
}

scheduler* scheduler_of(const fiber* f) noexcept {
  return f->owner.load(sync::memory_order_relaxed);
}

GREENROOM_WORKER_CODE bool slice_over() noexcept {
  worker* w = this_worker();
  if (w == nullptr) return false;
  // The fair tick itself is left to the yield that follows.
  if ((w->tick + 1) % worker::fair_every == 0) return true;
  if (w->attention.load(sync::memory_order_relaxed) != 0) return true;
  ++w->tick;
  return false;
}

}  // namespace greenroom::detail

namespace greenroom {

void yield() {
  detail::worker* w = detail::this_worker();
  bool goes_on = false;  // neither a cancel nor a deadline can be due
  if (w == nullptr)
    sched_yield();
  else
    goes_on = detail::let_others_run(w);
  if (!goes_on) detail::throw_if_cancelled();
}

void sleep_until(time_point t) {
  static constexpr detail::wait_reason sleeping{"sleep"};
  detail::throw_if_cancelled();
  detail::begin_wait(sleeping);
  detail::park(t);
  detail::throw_if_cancelled();
}

void sleep_for(duration d) { sleep_until(deadline_after(d)); }

time_point now() noexcept { return clock::now(); }

time_point deadline_after(duration d) noexcept {
  const time_point t = now();
  if (d <= duration::zero()) return t;
  return d >= never - t ? never : t + d;
}

}  // namespace greenroom
