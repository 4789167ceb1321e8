// SPDX-License-Identifier: Apache-2.0
// What a runtime needs of a scheduler: to start one, to ask whether it rests, to stop it.
#pragma once

#include <greenroom/clock.hpp>
#include <greenroom/detail/task.hpp>

#include <cstddef>
#include <cstdint>

namespace greenroom::detail {

// How memory of what has ended is looked for that can be given back: what nobody has needed since
// the look before, or all of it; or the look is gone on with.
enum class trim : std::uint8_t { begin, begin_with_all, go_on };

// What the watchdog says, and when, and what it does when there is time.
struct watch_settings {
  void (*report)(void* user, const char* text) = nullptr;
  // About once a second while the workers do something and once when they have rested for that
  // long; then with go_on as long as it returns true. Each call takes well under 1 ms.
  bool (*trim_memory)(void* user, trim what) = nullptr;
  // All workers have slept for some milliseconds, and nothing here will wake them: nothing is
  // runnable, no timer is awaited, no socket is watched, nobody blocks. Foreign threads may yet.
  void (*all_asleep)(void* user) = nullptr;
  void* user = nullptr;
  duration report_after = duration::max();  // of a green thread that does not wait
};

struct scheduler_settings {
  unsigned workers = 0;                 // 0: what this process may use (affinity, cgroup quota)
  std::size_t stack_size = 256u << 10;  // bytes of a green thread's stack unless it asks for more
  unsigned threads_max = 256;           // with helpers for workers that are stuck
  watch_settings watch = {};
  bool overflow_handler = true;  // report stack overflows (SIGSEGV, SIGBUS)
};

// Null and a sentence when threads or memory are not to be had. Foreign OS threads only.
scheduler* start_scheduler(const scheduler_settings& how, const char*& why);
// False: some workers did not come back in time; they are left behind. `recycle`: nothing runs or
// waits on it any more, so its memory may serve the next. Foreign OS threads only.
bool stop_scheduler(scheduler* s, time_point deadline, bool recycle);
// Every worker sleeps, nothing is runnable, and no timer will go off before then that anybody waits
// for.
bool is_quiet(scheduler* s, time_point until) noexcept;
unsigned worker_count(const scheduler* s) noexcept;
// This is the only scheduler that runs, and the process has no OS threads but its own and
// `others`. False when that is not to be found out (no /proc, an emulator's threads).
bool is_alone(const scheduler* s, unsigned others) noexcept;
// Of the calling thread, if it is a worker of this one; else a number above all others.
unsigned worker_index(const scheduler* s) noexcept;
// Before memory for so many tasks is used: that all of them can be runnable at once when memory is
// out. False: it is out already. Any thread.
bool reserve_runnables(std::size_t n) noexcept;
// True in a process made by fork() from one that had a scheduler.
bool forked() noexcept;

}  // namespace greenroom::detail
