// SPDX-License-Identifier: Apache-2.0
// Looks once in a millisecond whether a worker is stuck: in one green thread for about that long,
// while others wait. Then it wakes a worker that sleeps, or has a helper join. It says once for
// each place in the program who holds a worker up.
//
// It sleeps while all workers do.
//   W3: it says that it is asleep, fences, and looks again whether all workers sleep; a worker
//       that woke takes its name off the sleepers, fences, and looks whether the watchdog is
//       asleep. One of the two sees the other.
// Idea: sysmon of Go's runtime, which takes a blocked thread's queue away; here the queue stays,
// and others steal from it.
#pragma once

#include "stack_trace.hpp"

#include <greenroom/clock.hpp>
#include <greenroom/detail/looks.hpp>
#include <greenroom/detail/scheduler_access.hpp>
#include <greenroom/detail/sync.hpp>

#include <cstdint>
#include <pthread.h>
#include <vector>

namespace greenroom::detail {

class scheduler;
struct task;
struct worker;

// False: no thread is to be had. Its stack is as big as on_os_stack promises.
bool start_thread(pthread_t& thread, void* (*main)(void*), void* argument) noexcept;

class watchdog {
 public:
  static constexpr std::int64_t period_ns = 1'000'000;
  // A worker that has begun nothing new for that long is stuck if work waits.
  static constexpr std::int64_t stuck_after_ns = 900'000;
  // Time for an actor that handles message after message to end its turn.
  static constexpr std::int64_t grace_ns = 100'000;
  // It goes to sleep after that many looks at workers that all sleep; once they have slept for
  // trim_every_ns it gives memory back, as it does once in that time while they work.
  static constexpr unsigned calm_looks = 10;
  static constexpr std::int64_t trim_every_ns = 1'000'000'000;
  static constexpr std::int64_t overslept_ns = 100'000'000;
  static constexpr unsigned tries_max = 5;  // to get a stack

  // False: no thread is to be had.
  bool start(scheduler* s, const watch_settings& how);
  // Joins the thread.
  void stop() noexcept;

  // A worker, after it has slept.
  void somebody_woke() noexcept {
    sync::fence_seq_cst();  // W3
    if (GREENROOM_UNLIKELY(word_.load(sync::memory_order_relaxed) == asleep)) call(awake);
  }
  // A worker that announces that it blocks: look now.
  void hurry() noexcept { call(hurried); }
  // How long that worker has been in the turn that begins at this tick: nanoseconds, a period less
  // at most; 0: it has just begun. Any thread; -1: not known.
  [[nodiscard]] std::int64_t turn_of(unsigned index, std::uint32_t tick) const noexcept;
  // Says something that whoever runs the program should know.
  void report(const char* text) const noexcept {
    if (how_.report != nullptr) how_.report(how_.user, text);
  }

 private:
  enum : std::uint32_t { awake, asleep, hurried, stopped };
  // What the last look at a worker has seen.
  struct memo {
    std::uint32_t tick = 0;
    bool slow = false;      // nothing new since the last look
    bool reported = false;  // in this turn
    unsigned tries = 0;
    std::int64_t since = 0;
    std::int64_t blamed_since = 0;
    std::int64_t had_ns = 0;  // of a processor, when it was looked at closer
    std::int64_t had_at = 0;  // 0: not yet
  };

  static void* main(void* self);
  void run();
  void call(std::uint32_t what) noexcept;
  bool nap();
  void sleep();
  void begin_to_trim(trim what);
  bool trim_memory(trim what);
  struct turn;
  static void note_turn(turn& of, std::uint32_t tick, std::int64_t since) noexcept;
  void look();
  bool look_at(worker& w, memo& seen, std::int64_t t);
  void mark_slow(std::int64_t t);
  void report_stuck(const worker& w, memo& seen, std::int64_t t);
  void describe_stuck(task& t, const stack_trace& trace, std::int64_t for_ns);

  scheduler* home_ = nullptr;
  watch_settings how_{};
  bool started_ = false;
  pthread_t thread_{};
  sync::atomic<std::uint32_t> word_{awake};
  // Of each worker, as last seen: its tick, and since when. Written by its thread; `since` is 0
  // while the pair changes.
  struct turn {
    sync::atomic<std::uint32_t> tick{0};
    sync::atomic<std::int64_t> since{0};
  };
  turn turns_[workers_most];

  // Its thread only.
  std::vector<memo> memos_;
  std::int64_t last_look_ = 0;
  std::int64_t trim_at_ = 0;
  bool trims_ = false;    // has begun to, and is not through
  bool trimmed_ = false;  // all, since somebody worked
  unsigned calm_ = 0;
  std::vector<stack_trace::site> sites_;  // reported
};

}  // namespace greenroom::detail
