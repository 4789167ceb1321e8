// SPDX-License-Identifier: Apache-2.0
// A scheduler: its workers, the injector, the idle set, the netpoller.
//
// Schedulers are recycled, never freed: a sender that has just made a task runnable may still
// look at the idle set when the last actor has ended and the runtime is gone (S6).
#pragma once

#include "idle_set.hpp"
#include "netpoller.hpp"
#include "worker.hpp"

#include <greenroom/detail/scheduler_access.hpp>

#include <concurrentqueue/concurrentqueue.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace greenroom::detail {

// Each OS thread that pushes has a queue of its own inside the injector. A worker's consumer token
// goes round them, this many from each: without it the first that is not empty is served for ever.
struct injector_traits : moodycamel::ConcurrentQueueDefaultTraits {
  static constexpr std::uint32_t EXPLICIT_CONSUMER_CONSUMPTION_QUOTA_BEFORE_ROTATE = 16;
};
using injector_queue = moodycamel::ConcurrentQueue<runnable, injector_traits>;

class scheduler {
 public:
  using settings = scheduler_settings;

  // Starts the workers; null and a sentence when that fails.
  static scheduler* start(const settings& how, const char*& why);
  // Lets every worker finish what is runnable and leave. False: some did not in time; they and
  // the scheduler are left behind for good. REQUIRES: called from a foreign OS thread.
  bool stop(time_point deadline, bool recycle);

  // Any thread.
  void push(runnable r, bool fresh);
  void push_foreign(runnable r);
  void push_back(worker* w, runnable r);  // w: the caller's worker; behind all others
  void push_behind_children(worker* w, runnable r);
  void want_poller();
  void arm(timer* t, std::int64_t when_ns);
  std::uint64_t new_id();
  [[nodiscard]] bool quiet(time_point until) const;  // see is_quiet()
  [[nodiscard]] unsigned worker_count() const noexcept { return workers_; }
  worker& worker_at(unsigned i) noexcept { return all_[i]; }
  netpoller* poller() noexcept { return poller_.get(); }
  [[nodiscard]] std::size_t stack_size() const noexcept { return stack_size_; }

  // Worker code.
  runnable pick(worker* w);  // the nearest, else a fair one, or 0
  runnable pick_fair(worker* w);
  runnable wait_for_work(worker* w);  // parks the OS thread; 0 when the worker shall stop

 private:
  scheduler() = default;
  void reset(const settings& how);
  static void* worker_main(void* argument);
  runnable steal(worker* w);
  runnable steal_from(worker* w, worker& victim, bool children);
  static constexpr std::uint32_t fresh_share_max = 32;  // children moved at once
  void keep_fresh(worker* w, std::size_t from, std::size_t n);
  runnable take_spilled(worker* w);
  runnable take_injected(worker* w);
  bool work_somewhere(const worker* w) const;
  bool ripe(worker* w, const worker& victim);
  void nap(worker* w);
  void sleep(worker* w);
  void wake_worker(unsigned i);
  void overflow(worker* w, runnable r);
  void overflow_fresh(worker* w, runnable r);

  std::unique_ptr<worker[]> all_;
  unsigned workers_ = 0;
  unsigned capacity_ = 0;
  std::size_t stack_size_ = 0;
  std::unique_ptr<netpoller> poller_;
  sync::atomic<bool> polling_{false};  // a worker is inside poll()
  idle_set idle_;
  sync::atomic<bool> stop_{false};
  sync::atomic<std::uint32_t> running_{0};  // worker threads that have not left
  sync::atomic<std::uint64_t> ids_{1};
  bool handles_overflow_ = false;
  bool may_bias_ = false;
  injector_queue injector_;
  std::vector<moodycamel::ConsumerToken> tokens_;  // one a worker
  // Children that found no room in the ring of the worker that made them. Apart from the injector,
  // for its fair share of turns would start them all: each starts a subtree of its own, whose
  // parents hold stacks, before those that have begun are through.
  injector_queue spilled_;
  scheduler* next_ = nullptr;  // in the list of those that run, or of the recycled
};

// From now on std::terminate explains a cancel that was thrown where nothing may be thrown, and
// calls the handler that was there before.
void explain_cancel_in_terminate();
// The stack every loop runs on, entered by greenroom_stack_entry.
void run_loop();
// Takes a spare stack with a suspended loop, keeping to the worker's stock.
fiber* take_spare(worker* w);
// Puts the stack just left back (a `published` action).
void give_spare(void* f);
// A yield: w's green thread goes behind all others. False: a cancel is to be looked at.
bool let_others_run(worker* w);
// A parent of many children lets them run: it goes behind all of this worker's.
void let_children_run(worker* w);
// Switches from w's present stack to another; `published` runs there first.
void switch_to(worker* w, fiber* to, void (*published)(void*), void* argument);

}  // namespace greenroom::detail
