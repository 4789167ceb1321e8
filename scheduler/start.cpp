// SPDX-License-Identifier: Apache-2.0
// Starting and stopping a scheduler, and what a process knows of all of them.
//
// What a worker cannot do without is taken before its thread begins, when a start can still fail:
// its first stack, room for what can run, and records for threads that wait.
#include "overflow_handler.hpp"
#include "scheduler.hpp"
#include "worker_count.hpp"

#include <greenroom/detail/netpoller_access.hpp>

#include <algorithm>
#include <mutex>
#include <new>

#if defined(GREENROOM_TSAN)
#include <sanitizer/tsan_interface.h>
#endif

namespace greenroom::detail {

namespace {

constexpr const char* no_thread =
    "pthread_create failed: the thread or process limit is reached (RLIMIT_NPROC, pids.max)";
constexpr const char* no_memory = "out of memory";

std::mutex recycled_mutex;
scheduler* recycled = nullptr;
std::atomic<bool> in_forked_child{false};
// Those that run, newest first; foreign threads use the first one's netpoller.
std::mutex running_mutex;
std::atomic<scheduler*> running{nullptr};

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

bool forked() noexcept { return in_forked_child.load(std::memory_order_relaxed); }

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

// Null: memory is out.
scheduler* scheduler::recycled_or_new(unsigned workers) {
  {
    const std::lock_guard guard(recycled_mutex);
    for (scheduler** at = &recycled; *at != nullptr; at = &(*at)->next_)
      if ((*at)->capacity_ == workers) {
        scheduler* s = *at;
        *at = s->next_;
        return s;
      }
  }
  auto* s = new (std::nothrow) scheduler;
  if (s == nullptr || !backlog::reserve_ends()) {
    delete s;
    return nullptr;
  }
  s->workers_ = s->capacity_ = workers;
  for (unsigned i = 0; i < workers; ++i) {
    if (s->add_place()) continue;
    while (i-- > 0) delete &s->worker_at(i);
    delete s;
    return nullptr;
  }
  return s;
}

scheduler* scheduler::start(const settings& how, const char*& why) {
  watch_forks();
  explain_cancel_in_terminate();
  if (forked()) {
    why = "this process was made by fork(); a runtime cannot be started in it";
    return nullptr;
  }
  why = no_memory;
  unsigned n = how.workers;
  try {
    if (n == 0) n = std::min(default_worker_count(), how.threads_max);
  } catch (const std::bad_alloc&) { return nullptr; }
  if (n > idle_set::workers_max) n = idle_set::workers_max;
  if (!reserve_records()) return nullptr;
  scheduler* s = recycled_or_new(n);
  if (s == nullptr) return nullptr;
  s->may_bias_ = sync::prepare_heavy_fence();
  s->reset(how);
  {
    const std::lock_guard guard(running_mutex);
    s->next_ = running.load(std::memory_order_relaxed);
    running.store(s, std::memory_order_release);
  }
  if (s->start_all(how, why)) return s;
  s->stop(never, true);
  return nullptr;
}

// The netpoller and the threads. Those that run are for stop() to end.
bool scheduler::start_all(const settings& how, const char*& why) {
  // Those that never start are counted out.
  const auto started = [this](unsigned i) {
    running_.fetch_sub(workers_ - i, sync::memory_order_release);
  };
  try {
    if (!poller_) poller_ = make_netpoller();
    if (poller_)
      poller_->set_wakeup([](void* self) { static_cast<scheduler*>(self)->want_poller(); }, this);
    if (how.overflow_handler) {
      set_overflow_describer(describe_stack);
      handles_overflow_ = install_overflow_handler();
    }
    if (!dog_.start(this, how.watch)) {
      why = no_thread;
      started(0);
      return false;
    }
  } catch (const std::bad_alloc&) {
    started(0);
    return false;
  }
  for (unsigned i = 0; i < workers_; ++i) {
    if (start_worker(worker_at(i), why)) continue;
    started(i);
    return false;
  }
  return true;
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

scheduler* start_scheduler(const scheduler_settings& how, const char*& why) {
  return scheduler::start(how, why);
}
bool stop_scheduler(scheduler* s, time_point deadline, bool recycle) {
  return s->stop(deadline, recycle);
}
GREENROOM_WORKER_CODE netpoller* current_netpoller() noexcept {
  worker* w = this_worker();
  scheduler* s = w != nullptr ? w->home : running.load(std::memory_order_acquire);
  return s == nullptr ? nullptr : s->poller();
}

}  // namespace greenroom::detail
