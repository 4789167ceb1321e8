// SPDX-License-Identifier: Apache-2.0
// Workers that come and go: helpers join for those that are stuck, and leave when they are free.
//
// Nothing is taken away from a stuck worker: its green thread may push to its queues at any
// moment. Others steal from them and run its timers.
//   W2: a helper leaves by these steps: it hands its queues to the backlog and its timers to one
//       of the first workers, who never leave; takes itself off the crew (crew.hpp), from when on
//       nobody counts on it; and waits on the bench, its OS thread on `post`, to be called again.
//       After a while there it ends. Who calls it and its own end each try one compare-and-swap
//       of `post`.
#include "scheduler.hpp"

#include <cstdio>
#include <memory>
#include <new>

namespace greenroom::detail {

namespace {
constexpr duration bench_time = std::chrono::seconds(1);
constexpr std::size_t thread_stack_size = std::size_t{8} << 20;  // on_os_stack promises it
}  // namespace

worker::worker() = default;
worker::~worker() = default;

bool start_thread(pthread_t& thread, void* (*main)(void*), void* argument) noexcept {
  pthread_attr_t how;
  if (pthread_attr_init(&how) != 0) return false;
  pthread_attr_setstacksize(&how, thread_stack_size);
  const int rc = pthread_create(&thread, &how, main, argument);
  pthread_attr_destroy(&how);
  if (rc != 0) thread = pthread_t{};
  return rc == 0;
}

bool scheduler::add_place() noexcept {
  const unsigned i = places();
  const unseen_writes construction;
  std::unique_ptr<worker> w;
  try {
    w = std::make_unique<worker>();
    w->token = std::make_unique<injector_token>(injector_);
    w->sights = std::make_unique<sight[]>(idle_set::workers_max);
  } catch (const std::bad_alloc&) { return false; }
  table_[i].store(w.release(), sync::memory_order_release);
  idle_.set_workers(i + 1);
  places_.store(i + 1, sync::memory_order_release);
  return true;
}

void scheduler::prepare(worker& w, unsigned index) {
  w.home = this;
  w.index = index;
  w.random = 2654435769u * (index + 1);
  w.tick = 0;
  w.searching = false;
  w.hand_over = 0;
  w.wake_word.store(0, sync::memory_order_relaxed);
  w.attention.store(0, sync::memory_order_relaxed);
  w.stuck.store(stuck_by::nobody, sync::memory_order_relaxed);
  w.resting.store(true, sync::memory_order_relaxed);  // until its thread runs
}

bool scheduler::start_worker(worker& w, const char*& why) noexcept {
  // What it stands on from its first step on: there it could no longer say that memory is out.
  if (!stock_spare(&w, why)) return false;
  if (start_thread(w.thread, worker_main, &w)) return true;
  why = "pthread_create failed: the thread or process limit is reached (RLIMIT_NPROC, pids.max)";
  release_spares(w, 0);
  return false;
}

GREENROOM_WORKER_CODE void release_spares(worker& w, std::uint32_t keep) {
  while (w.spares > keep) {
    fiber* f = w.spare;
    w.spare = f->next;
    --w.spares;
    release_fiber(f);
  }
}

// ---- joining

// True when it was there to be called.
bool scheduler::call_from_bench(worker& w) noexcept {
  std::uint32_t seen = post_benched;
  if (!w.post.compare_exchange_strong(seen, post_serves, sync::memory_order_seq_cst,
                                      sync::memory_order_seq_cst))
    return false;
  sync::futex_wake(&w.post, 1);
  return true;
}

bool scheduler::add_helper() {
  crew_.join();
  for (unsigned i = workers_; i < places(); ++i)
    if (call_from_bench(worker_at(i))) return true;
  unsigned i = workers_;
  while (i < places() && worker_at(i).post.load(sync::memory_order_acquire) != post_empty) ++i;
  if (i < threads_max_) {
    if (i == places() && !add_place()) {
      crew_.undo_join();
      return false;
    }
    worker& w = worker_at(i);
    if (w.thread != pthread_t{}) pthread_join(w.thread, nullptr);  // it has ended on the bench
    prepare(w, i);
    w.post.store(post_serves, sync::memory_order_release);
    running_.fetch_add(1, sync::memory_order_relaxed);
    const char* why = "";
    if (start_worker(w, why)) return true;
    w.post.store(post_empty, sync::memory_order_relaxed);
    running_.fetch_sub(1, sync::memory_order_relaxed);
  }
  crew_.undo_join();
  return false;
}

void scheduler::report_no_helper() {
  if (has_complained_) return;
  has_complained_ = true;
  char text[256];
  if (crew_.serving() >= threads_max_)
    std::snprintf(text, sizeof text,
                  "greenroom: work waits behind actors that block or compute on %u workers, but no "
                  "more OS threads are allowed (threads_max %u)",
                  crew_.stuck(), threads_max_);
  else
    std::snprintf(text, sizeof text,
                  "greenroom: work waits behind actors that block or compute on %u workers, but no "
                  "thread can be started for it (memory, RLIMIT_NPROC, pids.max)",
                  crew_.stuck());
  dog_.report(text);
}

// ---- stuck ones

void scheduler::mark_stuck(worker& w, stuck_by who) noexcept {
  crew_.got_stuck();  // first, for it may come free at once
  stuck_by seen = stuck_by::nobody;
  // seq_cst: it may just leave the crew. It changes `post`, then looks at `stuck` once more.
  if (w.stuck.compare_exchange_strong(seen, who, sync::memory_order_seq_cst,
                                      sync::memory_order_relaxed)) {
    if (w.post.load(sync::memory_order_seq_cst) != post_serves) unmark(w);
    w.want_attention();
    // Should it have come free and be about to sleep: it must not, or it would count as stuck until
    // it wakes.
    if (who == stuck_by::watchdog) wake_worker(w.index);
  } else {
    crew_.came_free();
  }
}

void scheduler::begin_blocking(worker* w) {
  mark_stuck(*w, stuck_by::itself);
  if (has_work(*w, w->coarse_now) || injector_.size_approx() != 0 || backlog_.size() != 0)
    dog_.hurry();
}

void scheduler::unmark(worker& w) noexcept {
  if (w.stuck.exchange(stuck_by::nobody, sync::memory_order_seq_cst) != stuck_by::nobody)
    crew_.came_free();
}

bool scheduler::has_work(const worker& w, std::int64_t now_ns) const {
  return w.ready.length() != 0 || w.fresh.length() != 0 ||
         w.lifo.load(sync::memory_order_relaxed) != 0 || w.clock.earliest() <= now_ns;
}

// Is there work that only those could do who are stuck?
bool scheduler::work_waits(std::int64_t now_ns) const {
  if (injector_.size_approx() != 0 || backlog_.size() != 0 || spilled_.size() != 0) return true;
  for (unsigned i = 0; i < places(); ++i)
    if (worker_at(i).stuck.load(sync::memory_order_relaxed) != stuck_by::nobody &&
        has_work(worker_at(i), now_ns))
      return true;
  return crew_.able() == 0 && nobody_polls();
}

bool scheduler::nobody_polls() const {
  return poller_ && poller_->has_work() && !polling_.load(sync::memory_order_relaxed);
}

void scheduler::relieve() {
  const unsigned sleeper = idle_.claim_one();
  if (sleeper != idle_set::nobody) {
    wake_worker(sleeper);
    return;
  }
  if (idle_.somebody_sleeps() || crew_.able() >= workers_) return;
  if (!add_helper()) report_no_helper();
}

void scheduler::send_one_home() {
  if (!has_one_too_many()) return;
  for (unsigned i = places(); i-- > workers_;) {
    worker& w = worker_at(i);
    if (w.post.load(sync::memory_order_relaxed) != post_serves ||
        w.stuck.load(sync::memory_order_relaxed) != stuck_by::nobody)
      continue;
    w.want_attention();
    wake_worker(i);
    return;
  }
}

GREENROOM_WORKER_CODE void scheduler::run_clocks_of_stuck(std::int64_t now_ns) {
  for (unsigned i = 0; i < places(); ++i) {
    worker& w = worker_at(i);
    if (w.stuck.load(sync::memory_order_relaxed) != stuck_by::nobody &&
        w.clock.earliest() <= now_ns)
      w.clock.expire(now_ns);
  }
}

// ---- leaving

GREENROOM_COLD GREENROOM_WORKER_CODE bool scheduler::attend(worker* w) {
  w->attention.exchange(0, sync::memory_order_acq_rel);
  unmark(*w);
  if (w->index < workers_ || !has_one_too_many()) return true;
  hand_in(w);
  if (!crew_.leave(workers_)) return true;
  w->resting.store(true, sync::memory_order_relaxed);
  w->retired = true;  // `post` may be changed by a caller at once
  // An exchange, for an emulator (QEMU 7.2 for 64-bit ARM) lets a load pass such a store.
  w->post.exchange(post_benched, sync::memory_order_seq_cst);
  unmark(*w);  // see mark_stuck
  return false;
}

GREENROOM_WORKER_CODE void scheduler::hand_in(worker* w) {
  if (const runnable r = exchange_lifo(w, 0, false)) backlog_.push(r);
  while (const runnable r = w->ready.pop(false)) backlog_.push(r & ~runnable_bound);
  while (const std::uint32_t n = w->fresh.steal(w->moving, fresh_ring::size / 2))
    spilled_.push(w->moving, n);
  worker* to = &worker_at(0);
  for (unsigned i = workers_; i-- > 0;)
    if (worker_at(i).stuck.load(sync::memory_order_relaxed) == stuck_by::nobody) to = &worker_at(i);
  if (w->clock.move_to(to->clock)) wake_worker(to->index);
  const unsigned sleeper = idle_.claim_one();
  if (sleeper != idle_set::nobody) wake_worker(sleeper);
}

// A worker's OS thread has left its loop. True: it is called again, perhaps only to see that the
// scheduler stops. False: it shall end.
bool scheduler::wait_on_bench(worker* w) {
  if (!w->retired) return false;
  w->retired = false;
  const std::int64_t until = deadline_after(bench_time).time_since_epoch().count();
  // seq_cst: stop() raises stop_, then looks at the bench; it sees us there or we see that.
  while (w->post.load(sync::memory_order_acquire) == post_benched &&
         !stop_.load(sync::memory_order_seq_cst)) {
    sync::futex_wait(&w->post, post_benched, until);
    if (now().time_since_epoch().count() < until) continue;
    std::uint32_t seen = post_benched;
    if (w->post.compare_exchange_strong(seen, post_empty, sync::memory_order_acq_rel,
                                        sync::memory_order_acquire))
      return false;
  }
  w->post.store(post_serves, sync::memory_order_relaxed);  // also when the scheduler stops
  return true;
}

void scheduler::join_threads() {
  for (unsigned i = 0; i < places(); ++i) {
    worker& w = worker_at(i);
    if (w.thread != pthread_t{}) pthread_join(w.thread, nullptr);
    w.thread = pthread_t{};
    while (w.clock.expire(never_ns - 1) != 0) {}
  }
}

}  // namespace greenroom::detail
