// SPDX-License-Identifier: Apache-2.0
// The worker's loop and the switch between stacks.
//
// The loop is a function without state of its own that any pooled stack can carry; it reads its
// worker afresh after everything that may wait. A task runs directly on the loop's stack. If it
// waits, it keeps that stack and a spare one's loop goes on; when it ends after that, it returns
// into the loop beneath it, which is then the loop of the worker it stands on (S7).
#include "scheduler.hpp"

#include <cerrno>
#include <cxxabi.h>
#include <exception>

#if defined(GREENROOM_ASAN)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#if defined(GREENROOM_TSAN)
#include <sanitizer/tsan_interface.h>
#endif

namespace greenroom::detail {

// Runs on the stack just entered: what the stack that was left wants done now that it can be
// resumed by others (S5).
GREENROOM_INLINE_WORKER_CODE static void arrive(worker* w) {
#if defined(GREENROOM_TSAN)
  __tsan_acquire(&w->system_id);  // released as the OS thread began: its errno is there
#endif
  if (fiber* f = w->yielded) {  // the commonest one, without a call
    w->yielded = nullptr;
    w->home->push_back(w, reinterpret_cast<runnable>(f) | 1);
    return;
  }
  if (auto* published = w->published) {
    w->published = nullptr;
    published(w->published_argument);
  }
}

// Inlined into the few functions that wait: a return into another green thread's frame is
// mispredicted when the two wait at different places, so there should be as few as can be.
GREENROOM_INLINE_WORKER_CODE static worker* switch_here(worker* w, fiber* to,
                                                        void (*published)(void*), void* argument) {
  fiber* from = w->current;
  from->eh = *w->eh;
  from->saved_errno = *w->error_number;
  *w->eh = to->eh;
  *w->error_number = to->saved_errno;
  w->current = to;
  w->published = published;
  w->published_argument = argument;
#if defined(GREENROOM_ASAN)
  __sanitizer_start_switch_fiber(&from->fake_stack, to->stack.low, to->stack.size);
#endif
#if defined(GREENROOM_TSAN)
  __tsan_release(from);  // acquired by whoever frees this stack
  // Flag 1: no synchronisation, so that races between green threads of one worker are seen.
  __tsan_switch_to_fiber(to->tsan_fiber, 1);
#endif
  w = jump(&from->at, &to->at, w);
#if defined(GREENROOM_TSAN)
  __tsan_acquire(from);  // released by schedule_fiber()
#endif
#if defined(GREENROOM_ASAN)
  __sanitizer_finish_switch_fiber(from->fake_stack, nullptr, nullptr);
#endif
  arrive(w);
  return w;
}

GREENROOM_NOINLINE GREENROOM_WORKER_CODE void switch_to(worker* w, fiber* to,
                                                        void (*published)(void*), void* argument) {
  switch_here(w, to, published, argument);
}

GREENROOM_WORKER_CODE void give_spare(void* argument) {
  worker* w = this_worker();
  auto* f = static_cast<fiber*>(argument);
  if (f->is_os_thread) return;
  f->owner.store(nullptr, sync::memory_order_relaxed);
  if (!f->pooled_stack || w->spares >= worker::spare_max) {
    release_fiber(f);
    return;
  }
  f->next = w->spare;
  w->spare = f;
  ++w->spares;
}

// Before a thread begins, and before a task runs: so take_spare finds one.
GREENROOM_WORKER_CODE bool stock_spare(worker* w, const char*& why) {
  if (GREENROOM_LIKELY(w->spare != nullptr)) return true;
  fiber* f = acquire_fiber(w->home->stack_size(), why);
  if (f == nullptr) return false;
  f->pooled_stack = true;
  f->next = nullptr;
  w->spare = f;
  w->spares = 1;
  return true;
}

GREENROOM_WORKER_CODE fiber* take_spare(worker* w) {
  fiber* f = w->spare;
  if (GREENROOM_UNLIKELY(f == nullptr)) {
    const char* why = "";
    if (!stock_spare(w, why)) fatal(why);
    f = w->spare;
  }
  w->spare = f->next;
  --w->spares;
  f->owner.store(w->home, sync::memory_order_relaxed);
  return f;
}

GREENROOM_NOINLINE static void run_here(task* t) { t->ops->run(t); }

// A task that asked for a bigger stack starts on one; the loop moves over to it and moves back
// when the task has ended there.
GREENROOM_COLD GREENROOM_WORKER_CODE static void move_to_big_stack(worker* w, task* t) {
  const char* why = "";
  fiber* f = acquire_fiber(t->ops->stack_size(t), why);
  if (f == nullptr) {
    t->ops->refuse(t, why);
    return;
  }
  f->pooled_stack = false;
  f->owner.store(w->home, sync::memory_order_relaxed);
  w->hand_over = reinterpret_cast<runnable>(t);
  switch_to(w, f, give_spare, w->current);
}

GREENROOM_WORKER_CODE static void run_task(task* t) {
#if defined(GREENROOM_TSAN)
  __tsan_acquire(t);  // released by schedule(); the pick may have been made on another stack
#endif
  worker* w = this_worker();
  const char* why = "";
  if (GREENROOM_UNLIKELY(!stock_spare(w, why))) {
    t->ops->refuse(t, why);
    return;
  }
  if (GREENROOM_UNLIKELY((t->control.load(sync::memory_order_relaxed) & control_big_stack) != 0) &&
      w->current->pooled_stack) {
    move_to_big_stack(w, t);
    return;
  }
  w->current->current.store(t, sync::memory_order_release);
  run_here(t);
  w = this_worker();
  fiber* f = w->current;
  f->current.store(nullptr, sync::memory_order_relaxed);
  f->shields = 0;
  f->swallowed = 0;
}

GREENROOM_NOINLINE GREENROOM_WORKER_CODE void run_loop() {
  for (;;) {
    worker* w = this_worker();
    runnable r = w->hand_over;
    w->hand_over = 0;
    if (r == 0) {
      if (GREENROOM_UNLIKELY(!w->current->pooled_stack)) {  // back to a stack of the default class
        switch_to(w, take_spare(w), give_spare, w->current);
        continue;
      }
      bool leaves = false;
      if (GREENROOM_UNLIKELY(w->attention.load(sync::memory_order_relaxed) != 0)) {
        leaves = !w->home->attend(w);
        if (!leaves) r = w->home->pick_fair(w);
      }
      if (r == 0 && !leaves) r = w->home->pick(w);
      if (r == 0 && !leaves) r = w->home->wait_for_work(w);
    }
    if (r == 0) {  // it is not needed any more, or the scheduler stops
#if defined(GREENROOM_TSAN)
      __tsan_release(w->home);  // acquired by stop()
#endif
      switch_to(w, w->os_fiber, give_spare, w->current);
      continue;
    }
    if ((r & 1) != 0) {
      switch_here(w, reinterpret_cast<fiber*>(r & ~runnable_tags), give_spare, w->current);
    } else {
      run_task(reinterpret_cast<task*>(r));
    }
  }
}

// Where thousands of stacks take turns, none is in the cache: the one after the next is fetched
// while the next runs.
GREENROOM_INLINE_WORKER_CODE static void fetch_ahead(runnable r) {
  if (r == 0) return;
  if ((r & 1) == 0) {
    __builtin_prefetch(reinterpret_cast<const void*>(r));
    return;
  }
  const auto* f = reinterpret_cast<const fiber*>(r & ~runnable_tags);
  const auto* top = static_cast<const char*>(f->at.sp);
  __builtin_prefetch(top);
  __builtin_prefetch(top + 64);
  __builtin_prefetch(top + 128);
  __builtin_prefetch(&f->current);
}

GREENROOM_INLINE_WORKER_CODE static runnable newest_child(worker* w, bool biased) {
  w->child_tick = w->tick;  // also if there is none
  return w->fresh.pop_newest(biased);
}

GREENROOM_INLINE_WORKER_CODE static runnable nearest_of_queues(worker* w, bool biased) {
  if (w->lifo.load(sync::memory_order_relaxed) != 0) {
    if (GREENROOM_LIKELY(++w->lifo_streak < worker::lifo_streak_max)) {
      // A thief may have been faster.
      if (const runnable r = exchange_lifo(w, 0, biased)) return r;
    } else if (const runnable r = w->ready.pop(biased)) {
      w->lifo_streak = 0;
      return r;
    } else if (const runnable c = newest_child(w, biased)) {
      w->lifo_streak = 0;
      return c;
    } else if (const runnable l = exchange_lifo(w, 0, biased)) {
      w->lifo_streak = 0;
      return l;
    }
  }
  w->lifo_streak = 0;
  if (const runnable r = w->ready.pop(biased)) {
    fetch_ahead(w->ready.peek());
    return r;
  }
  return newest_child(w, biased);
}

// What lies nearest: the one just woken, then who waits longest, then the newest child. Returns 0
// also when it is time for a fair pick, or somebody wants attention, which only a loop may give
// (the netpoller keeps things on the stack it is called on).
GREENROOM_INLINE_WORKER_CODE static runnable nearest(worker* w) {
  if (GREENROOM_UNLIKELY(++w->tick % worker::fair_every == 0)) return 0;
  if (GREENROOM_UNLIKELY(w->attention.load(sync::memory_order_relaxed) != 0)) return 0;
  if (GREENROOM_UNLIKELY(!w->mine.enter())) return nearest_of_queues(w, false);
  const runnable r = nearest_of_queues(w, true);
  w->mine.leave();
  return r;
}

GREENROOM_INLINE_WORKER_CODE static void leave_worker(worker* w, void (*published)(void*),
                                                      void* argument) {
  const runnable r = nearest(w);
  fiber* to;
  if (GREENROOM_LIKELY((r & 1) != 0)) {
    to = reinterpret_cast<fiber*>(r & ~runnable_tags);
    if (GREENROOM_UNLIKELY(to == w->current)) {  // we were made runnable meanwhile: by a yield
      fatal("a green thread that runs stood in a run queue");
    }
  } else {
    w->hand_over = r;
    to = take_spare(w);
  }
  switch_here(w, to, published, argument);
}

GREENROOM_NOINLINE GREENROOM_WORKER_CODE void leave(void (*published)(void*), void* argument) {
  leave_worker(this_worker(), published, argument);
}

GREENROOM_NOINLINE GREENROOM_WORKER_CODE void leave(void (*published)(void*), void* argument,
                                                    task* t) {
  worker* w = this_worker();
  fiber* f = w->current;
  // relaxed: released by what `published` does.
  if (t->parked.load(sync::memory_order_relaxed) != f)
    t->parked.store(f, sync::memory_order_relaxed);
  leave_worker(w, published, argument);
}

GREENROOM_INLINE_WORKER_CODE static bool is_cancelled(const worker* w) {
  const task* t = w->current->current.load(sync::memory_order_relaxed);
  return GREENROOM_UNLIKELY(t != nullptr &&
                            (t->control.load(sync::memory_order_relaxed) & control_cancel) != 0);
}

// The caller's green thread goes behind all others. False: it should look at its cancel.
GREENROOM_NOINLINE GREENROOM_WORKER_CODE bool let_others_run(worker* w) {
  if (is_cancelled(w)) return false;
  const runnable r = nearest(w);
  if ((r & 1) != 0) {
    w->yielded = w->current;
    w = switch_here(w, reinterpret_cast<fiber*>(r & ~runnable_tags), nullptr, nullptr);
  } else if (r != 0 || w->tick % worker::fair_every == 0 ||
             w->attention.load(sync::memory_order_relaxed) != 0) {
    w->hand_over = r;
    w->yielded = w->current;
    w = switch_here(w, take_spare(w), nullptr, nullptr);
  }  // else there is nobody else here
  const task* t = w->current->current.load(sync::memory_order_relaxed);
  return t == nullptr ||
         (t->control.load(sync::memory_order_relaxed) & (control_cancel | control_bounded)) == 0;
}

GREENROOM_WORKER_CODE static void go_behind_children(void* argument) {
  worker* w = this_worker();
  w->home->push_behind_children(w, reinterpret_cast<runnable>(argument) | 1);
}

GREENROOM_NOINLINE GREENROOM_WORKER_CODE void let_children_run(worker* w) {
  ++w->tick;
  w->hand_over = w->fresh.pop_newest(false);
  switch_here(w, take_spare(w), go_behind_children, w->current);
}

// ---- picking

GREENROOM_WORKER_CODE runnable scheduler::pick(worker* w) {
  // A wait or a yield that met the fair tick has come here for it; only a loop may do it.
  if (w->tick % worker::fair_every != 0)
    if (const runnable r = nearest(w)) return r;
  ++w->tick;
  return pick_fair(w);
}

// Every so often: what came from outside, timers, I/O, and the oldest child.
GREENROOM_WORKER_CODE runnable scheduler::pick_fair(worker* w) {
  if (may_bias_ && !w->mine.is_owners() && ++w->calm >= worker::calm_min) {
    w->calm = 0;
    w->mine.rebias();
  }
  w->coarse_now = now().time_since_epoch().count();
  if (w->clock.earliest() <= w->coarse_now) w->clock.expire(w->coarse_now);
  if (GREENROOM_UNLIKELY(crew_.stuck() != 0)) run_clocks_of_stuck(w->coarse_now);
  if (poller_ && poller_->has_work() && !polling_.load(sync::memory_order_relaxed) &&
      !polling_.exchange(true, sync::memory_order_acquire)) {
    poller_->poll(duration::zero());
    polling_.store(false, sync::memory_order_release);
  }
  if (const runnable r = take_injected(w)) return r;
  // The oldest child only when it may have waited long: each one taken out of turn starts a
  // subtree beside the one that runs, whose parents hold stacks meanwhile.
  if (w->coarse_now - w->oldest_taken >= worker::fresh_wait_max_ns) {
    w->oldest_taken = w->coarse_now;
    runnable oldest = 0;
    if (spilled_.pop(&oldest, 1) != 0 || w->fresh.steal(&oldest, 1) != 0) return oldest;
  }
  // Where others never let any child have its turn, one at each fair pick has.
  if (w->tick - w->child_tick > worker::fair_every)
    if (const runnable r = newest_child(w, false)) return r;
  // The slot first: an actor that yields at fair picks only has just been put into the queue, and
  // would be found there each time.
  if (const runnable r = exchange_lifo(w, 0, false)) return r;
  if (const runnable r = w->ready.pop(false)) return r;
  if (const runnable r = newest_child(w, false)) return r;
  return take_spilled(w);
}

// Children keep being children: behind those that run, newest first.
GREENROOM_WORKER_CODE void scheduler::keep_fresh(worker* w, std::size_t from, std::size_t n) {
  for (std::size_t i = from; i < n; ++i)
    if (!w->fresh.push(w->moving[i], false)) spilled_.push(w->moving[i]);
}

GREENROOM_WORKER_CODE runnable scheduler::take_spilled(worker* w) {
  const std::size_t n = spilled_.pop(w->moving, fresh_share_max);
  if (n == 0) return 0;
  keep_fresh(w, 1, n);
  return w->moving[0];
}

// A share of the injector or the backlog: one to run, some for our own ring.
GREENROOM_WORKER_CODE runnable scheduler::take_injected(worker* w) {
  constexpr std::size_t share_max = 32;
  runnable got[share_max];
  const std::size_t injected = injector_.size_approx();
  const std::size_t waiting = backlog_.size();
  const bool backlog = injected == 0 || (waiting != 0 && (w->tick & 1) != 0);  // neither starves
  std::size_t share = (backlog ? waiting : injected) / workers_ + 1;
  if (share > share_max) share = share_max;
  const std::uint32_t room = run_ring::size - w->ready.length();
  if (share > room) share = room == 0 ? 1 : room;
  const std::size_t n =
      backlog ? backlog_.pop(got, share) : injector_.try_dequeue_bulk(*w->token, got, share);
  for (std::size_t i = 1; i < n; ++i)
    if (!w->ready.push(got[i])) backlog_.push(got[i]);
  return n == 0 ? 0 : got[0];
}

}  // namespace greenroom::detail

extern "C" [[noreturn]] GREENROOM_CALLED_BY_ASSEMBLY GREENROOM_NOINLINE GREENROOM_WORKER_CODE void
greenroom_stack_main(greenroom::detail::worker* w) {
#if defined(GREENROOM_ASAN)
  __sanitizer_finish_switch_fiber(nullptr, nullptr, nullptr);
#endif
#if defined(GREENROOM_TSAN)
  __tsan_acquire(w->current);
#endif
  greenroom::detail::arrive(w);
  greenroom::detail::run_loop();
  std::terminate();
}
