// SPDX-License-Identifier: Apache-2.0
// A scheduler: its workers, the injector, the idle set, the netpoller.
//
// Schedulers are recycled, never freed: a sender that has just made a task runnable may still
// look at the idle set when the last actor has ended and the runtime is gone (S6).
#pragma once

#include "backlog.hpp"
#include "crew.hpp"
#include "idle_set.hpp"
#include "netpoller.hpp"
#include "watchdog.hpp"
#include "worker.hpp"

#include <greenroom/detail/looks.hpp>
#include <greenroom/detail/scheduler_access.hpp>

#include <concurrentqueue/concurrentqueue.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

namespace greenroom::detail {

// Each OS thread that pushes has a queue of its own inside the injector. A worker's consumer token
// goes round them, this many from each: without it the first that is not empty is served for ever.
struct injector_traits : moodycamel::ConcurrentQueueDefaultTraits {
  static constexpr std::uint32_t EXPLICIT_CONSUMER_CONSUMPTION_QUOTA_BEFORE_ROTATE = 16;
};
using injector_queue = moodycamel::ConcurrentQueue<runnable, injector_traits>;
struct injector_token : moodycamel::ConsumerToken {
  using ConsumerToken::ConsumerToken;
};

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
  void push_bound(runnable r);
  void push_back(worker* w, runnable r);  // w: the caller's worker; behind all others
  void push_behind_children(worker* w, runnable r);
  void want_poller();
  void arm(timer* t, std::int64_t when_ns);
  std::uint64_t new_id();
  [[nodiscard]] bool quiet(time_point until);                // see is_quiet()
  [[nodiscard]] bool nothing_to_come();                      // see watch_settings::all_asleep
  [[nodiscard]] bool alone(unsigned others) const noexcept;  // see is_alone()
  // How many shall be able to attend to their queues; helpers come on top.
  [[nodiscard]] unsigned worker_count() const noexcept { return workers_; }
  netpoller* poller() noexcept { return poller_.get(); }
  [[nodiscard]] std::size_t stack_size() const noexcept { return stack_size_; }

  // Worker code.
  runnable pick(worker* w);  // the nearest, else a fair one, or 0
  runnable pick_fair(worker* w);
  runnable wait_for_work(worker* w);  // parks the OS thread; 0 when the worker shall leave
  bool attend(worker* w);             // to w->attention; false: it shall leave

  // For gr::blocking.
  void begin_blocking(worker* w);
  void end_blocking(worker* w) { unmark(*w); }

  // For the watchdog.
  [[nodiscard]] unsigned places() const noexcept {
    return places_.load(sync::memory_order_acquire);
  }
  // REQUIRES: i < places().
  [[nodiscard]] worker& worker_at(unsigned i) const noexcept {
    return *table_[i].load(sync::memory_order_acquire);
  }
  [[nodiscard]] const crew& all_hands() const noexcept { return crew_; }
  [[nodiscard]] bool everybody_sleeps() const noexcept { return idle_.count() == crew_.serving(); }
  [[nodiscard]] bool has_one_too_many() const noexcept { return crew_.able() > workers_; }
  [[nodiscard]] bool has_work(const worker& w, std::int64_t now_ns) const;
  [[nodiscard]] bool work_waits(std::int64_t now_ns) const;
  [[nodiscard]] bool nobody_polls() const;
  void mark_stuck(worker& w, stuck_by who) noexcept;
  void relieve();        // somebody shall do the work that waits
  void send_one_home();  // a helper, if there is one too many
  // For reports; any thread.
  [[nodiscard]] const watchdog& dog() const noexcept { return dog_; }
  [[nodiscard]] queue_look queues() const noexcept {
    return {injector_.size_approx(), backlog_.size() + spilled_.size()};
  }

 private:
  scheduler() = default;
  void reset(const settings& how);
  static void* worker_main(void* argument);
  static scheduler* recycled_or_new(unsigned workers);
  bool start_all(const settings& how, const char*& why);
  runnable steal(worker* w);
  runnable steal_from(worker* w, worker& victim, bool ready, bool children);
  static constexpr std::uint32_t fresh_share_max = 32;  // children moved at once
  void keep_fresh(worker* w, std::size_t from, std::size_t n);
  runnable take_spilled(worker* w);
  runnable take_injected(worker* w);
  bool work_somewhere(const worker* w) const;
  bool ripe(worker* w, const worker& victim);
  void nap(worker* w);
  void sleep(worker* w, std::int64_t until);
  void wake_worker(unsigned i);
  void overflow(worker* w, runnable r);
  void overflow_fresh(worker* w, runnable r);

  bool add_place() noexcept;
  void prepare(worker& w, unsigned index);
  bool start_worker(worker& w, const char*& why) noexcept;
  bool add_helper();
  bool call_from_bench(worker& w) noexcept;
  void report_no_helper();
  void unmark(worker& w) noexcept;
  void run_clocks_of_stuck(std::int64_t now_ns);
  void hand_in(worker* w);
  bool wait_on_bench(worker* w);
  void join_threads();

  // Workers by their index: first as many as are wanted, then places of helpers. A place that was
  // ever used keeps its worker, since late wakers may look at it (S6).
  sync::atomic<worker*> table_[idle_set::workers_max]{};
  sync::atomic<unsigned> places_{0};  // used so far
  unsigned workers_ = 0;              // wanted
  unsigned capacity_ = 0;
  unsigned threads_max_ = 0;
  bool has_complained_ = false;  // the watchdog's
  crew crew_;
  watchdog dog_;
  std::size_t stack_size_ = 0;
  std::unique_ptr<netpoller> poller_;
  sync::atomic<bool> polling_{false};  // a worker is inside poll()
  idle_set idle_;
  sync::atomic<bool> stop_{false};
  sync::atomic<std::uint32_t> running_{0};  // worker threads that have not ended
  sync::atomic<std::uint64_t> ids_{1};
  bool handles_overflow_ = false;
  bool may_bias_ = false;
  injector_queue injector_;  // what other threads made runnable
  backlog backlog_;
  // Children that found no room in the ring of the worker that made them. Apart from the backlog,
  // for its fair share of turns would start them all: each starts a subtree of its own, whose
  // parents hold stacks, before those that have begun are through.
  backlog spilled_;
  scheduler* next_ = nullptr;  // in the list of those that run, or of the recycled
};

// From now on std::terminate explains a cancel that was thrown where nothing may be thrown, and
// calls the handler that was there before.
void explain_cancel_in_terminate();
// The stack every loop runs on, entered by greenroom_stack_entry.
void run_loop();
// Takes a spare stack with a suspended loop, keeping to the worker's stock.
fiber* take_spare(worker* w);
// Makes sure that a wait finds a stack to go on with. False: there is none to be had.
bool stock_spare(worker* w, const char*& why);
// Gives back all but so many of its spare stacks.
void release_spares(worker& w, std::uint32_t keep);
// Puts the stack just left back (a `published` action).
void give_spare(void* f);
// A yield: w's green thread goes behind all others. False: a cancel is to be looked at.
bool let_others_run(worker* w);
// A parent of many children lets them run: it goes behind all of this worker's.
void let_children_run(worker* w);
// Switches from w's present stack to another; `published` runs there first.
void switch_to(worker* w, fiber* to, void (*published)(void*), void* argument);

}  // namespace greenroom::detail
