// SPDX-License-Identifier: Apache-2.0
// Starting and stopping workers, and making things runnable from any thread.
#include "scheduler.hpp"

#include "overflow_handler.hpp"
#include "worker_count.hpp"

#include <greenroom/detail/netpoller_access.hpp>
#include <greenroom/green_thread.hpp>
#include <algorithm>

#include <cerrno>
#include <cstdio>
#include <cxxabi.h>
#include <mutex>
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

constexpr const char* no_thread =
    "pthread_create failed: the thread or process limit is reached (RLIMIT_NPROC, pids.max)";

thread_local worker* tls_worker = nullptr;

std::mutex recycled_mutex;
scheduler* recycled = nullptr;
std::atomic<bool> in_forked_child{false};
// Those that run, newest first; foreign threads use the first one's netpoller.
std::mutex running_mutex;
std::atomic<scheduler*> running{nullptr};

GREENROOM_NOINLINE int* address_of_errno() noexcept {
  int* e = &errno;
  asm volatile("" : "+r"(e)::"memory");
  return e;
}

void child_after_fork() {
  in_forked_child.store(true, std::memory_order_relaxed);
  set_this_worker(nullptr);
}

// For the overflow handler: whose stack is it? Async-signal-safe: it only reads records.
void describe_stack(const void* low, char* name, std::size_t size, std::uint64_t& id) {
  struct search {
    const void* low;
    fiber* found;
  } s{low, nullptr};
  for_each_fiber(
      [](fiber* f, void* argument) {
        auto* look = static_cast<search*>(argument);
        if (f->stack.low == look->low) look->found = f;
      },
      &s);
  task* t = s.found == nullptr ? nullptr : s.found->current.load(sync::memory_order_acquire);
  if (t != nullptr) {
    t->ops->describe(t, name, size, id);
    return;
  }
  const char nobody[] = "a worker's loop";
  for (std::size_t i = 0; i < sizeof nobody && i < size; ++i) name[i] = nobody[i];
  id = 0;
}

void watch_forks() {
  static const int once = pthread_atfork(nullptr, nullptr, child_after_fork);
  (void)once;
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

bool forked() noexcept { return in_forked_child.load(std::memory_order_relaxed); }

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
    while (fiber* f = w->spare) {
      w->spare = f->next;
      release_fiber(f);
    }
    w->spares = 0;
  } while (home->wait_on_bench(w));
  w->os_fiber = nullptr;
  release_os_fiber(os);
  drop_alternate_stack();
  set_this_worker(nullptr);
  // release: stop() sees all this worker did.
  home->running_.fetch_sub(1, sync::memory_order_release);
  sync::futex_wake(&home->running_, INT32_MAX);
  return nullptr;
}

void scheduler::reset(const settings& how) {
  stack_size_ = stack_pool::rounded(how.stack_size);
  threads_max_ = how.threads_max < workers_ ? workers_ : how.threads_max;
  if (threads_max_ > idle_set::workers_max) threads_max_ = idle_set::workers_max;
  stop_.store(false, sync::memory_order_relaxed);
  running_.store(workers_, sync::memory_order_relaxed);
  crew_.reset(workers_);
  has_complained_ = false;
  for (unsigned i = 0; i < places(); ++i) {
    worker& w = worker_at(i);
    prepare(w, i);
    w.next_id = w.ids_end = 0;
    w.post.store(i < workers_ ? post_serves : post_empty, sync::memory_order_relaxed);
  }
  ids_.store(1, sync::memory_order_relaxed);
}

scheduler* scheduler::start(const settings& how, const char*& why) {
  watch_forks();
  explain_cancel_in_terminate();
  if (forked()) {
    why = "this process was made by fork(); a runtime cannot be started in it";
    return nullptr;
  }
  unsigned n = how.workers == 0 ? std::min(default_worker_count(), how.threads_max) : how.workers;
  if (n > idle_set::workers_max) n = idle_set::workers_max;
  scheduler* s = nullptr;
  {
    const std::lock_guard guard(recycled_mutex);
    for (scheduler** at = &recycled; *at != nullptr; at = &(*at)->next_)
      if ((*at)->capacity_ == n) {
        s = *at;
        *at = s->next_;
        break;
      }
  }
  if (s == nullptr) {
    s = new scheduler;
    s->workers_ = s->capacity_ = n;
    for (unsigned i = 0; i < n; ++i) s->add_place();
  }
  s->may_bias_ = sync::prepare_heavy_fence();
  s->reset(how);
  if (!s->poller_) s->poller_ = make_netpoller();
  if (s->poller_)
    s->poller_->set_wakeup([](void* self) { static_cast<scheduler*>(self)->want_poller(); }, s);
  {
    const std::lock_guard guard(running_mutex);
    s->next_ = running.load(std::memory_order_relaxed);
    running.store(s, std::memory_order_release);
  }
  if (how.overflow_handler) {
    set_overflow_describer(describe_stack);
    s->handles_overflow_ = install_overflow_handler();
  }
  if (!s->dog_.start(s, how.watch)) {
    why = no_thread;
    s->running_.store(0, sync::memory_order_release);
    s->stop(never, false);
    return nullptr;
  }
  for (unsigned i = 0; i < n; ++i) {
    if (!s->start_worker(s->worker_at(i))) {
      // The workers that run are stopped; those that never started are counted out.
      why = no_thread;
      s->running_.fetch_sub(n - i, sync::memory_order_release);
      s->stop(never, false);
      return nullptr;
    }
  }
  return s;
}

bool scheduler::stop(time_point deadline, bool recycle) {
  {
    const std::lock_guard guard(running_mutex);
    if (running.load(std::memory_order_relaxed) == this) {
      running.store(next_, std::memory_order_release);
    } else {
      scheduler* s = running.load(std::memory_order_relaxed);
      while (s->next_ != this) s = s->next_;
      s->next_ = next_;
    }
  }
  dog_.stop();  // no helpers join from here on
  stop_.store(true, sync::memory_order_seq_cst);
  for (unsigned i = 0; i < places(); ++i) {
    wake_worker(i);
    call_from_bench(worker_at(i));
  }
  const std::int64_t until = deadline == never ? -1 : deadline.time_since_epoch().count();
  for (;;) {
    const std::uint32_t left = running_.load(sync::memory_order_acquire);
    if (left == 0) break;
    sync::futex_wait(&running_, left, until);
    if (until >= 0 && now().time_since_epoch().count() >= until &&
        running_.load(sync::memory_order_acquire) != 0) {
      for (unsigned i = 0; i < places(); ++i)
        if (worker_at(i).thread != pthread_t{}) pthread_detach(worker_at(i).thread);
      return false;
    }
  }
  join_threads();
#if defined(GREENROOM_TSAN)
  __tsan_acquire(this);
#endif
  if (handles_overflow_) remove_overflow_handler();
  handles_overflow_ = false;
  if (!recycle) return true;
  // With its netpoller, which a late waker may still interrupt (S6).
  const std::lock_guard guard(recycled_mutex);
  next_ = recycled;
  recycled = this;
  return true;
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
  injector_.enqueue(r);
  const unsigned i = idle_.claim_one();  // S1
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

scheduler* start_scheduler(const scheduler_settings& how, const char*& why) {
  return scheduler::start(how, why);
}
bool stop_scheduler(scheduler* s, time_point deadline, bool recycle) {
  return s->stop(deadline, recycle);
}
bool is_quiet(scheduler* s, time_point until) noexcept { return s->quiet(until); }
unsigned worker_count(const scheduler* s) noexcept { return s->worker_count(); }

GREENROOM_WORKER_CODE unsigned worker_index(const scheduler* s) noexcept {
  worker* w = this_worker();
  return w != nullptr && w->home == s ? w->index : ~0u;
}

GREENROOM_WORKER_CODE netpoller* current_netpoller() noexcept {
  worker* w = this_worker();
  scheduler* s = w != nullptr ? w->home : running.load(std::memory_order_acquire);
  return s == nullptr ? nullptr : s->poller();
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
