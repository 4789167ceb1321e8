// SPDX-License-Identifier: Apache-2.0
// One worker: an OS thread's share of a scheduler. Fields are grouped by who writes them.
#pragma once

#include "fiber.hpp"
#include "run_queue.hpp"
#include "timers.hpp"

#include <pthread.h>

#include <cstdint>

namespace greenroom::detail {

struct alignas(128) worker {
  static constexpr std::uint32_t fair_every = 61;       // picks between two fair ones
  static constexpr std::uint32_t lifo_streak_max = 48;  // turns of a talking pair while others wait
  static constexpr std::uint32_t spare_max = 256;       // warm stacks kept by a worker
  // A child that never ran is not passed by its younger siblings for longer than that.
  static constexpr std::int64_t fresh_wait_max_ns = 5'000'000;

  // Owner only.
  fiber* current = nullptr;            // the stack that runs
  eh_globals* eh = nullptr;            // this OS thread's exception state
  int* error_number = nullptr;         // &errno of this OS thread
  void (*published)(void*) = nullptr;  // to run once the stack just left can be resumed
  void* published_argument = nullptr;
  fiber* yielded = nullptr;  // left by a yield: goes behind all others
  runnable hand_over = 0;    // what the loop that is switched to shall run first
  scheduler* home = nullptr;
  std::uint32_t index = 0;
  std::uint32_t tick = 0;
  std::uint32_t lifo_streak = 0;
  std::uint32_t random = 1;
  std::uint32_t spares = 0;
  fiber* spare = nullptr;
  bool searching = false;
  bool stopping = false;      // the loop shall leave to the OS thread's own stack
  std::uint64_t next_id = 0;  // ids are handed out in blocks
  std::uint64_t ids_end = 0;
  std::int64_t oldest_taken = 0;  // when the oldest child last had its turn
  std::int64_t coarse_now = 0;    // refreshed at every fair pick and after every sleep
  fiber* os_fiber = nullptr;
  pthread_t thread{};
  // For what moves between queues. Not on the stack: these paths run on green threads' stacks, of
  // which a page less is touched.
  runnable moving[run_ring::size > fresh_ring::size / 2 ? run_ring::size : fresh_ring::size / 2];

  // Any thread.
  alignas(64) sync::atomic<runnable> lifo{0};
  sync::atomic<std::uint32_t> wake_word{0};
  sync::atomic<std::uint32_t> ticks_seen{0};  // a copy of tick for the stall check
  sync::atomic<bool> in_poller{false};
  run_ring ready;
  fresh_ring fresh;
  timers clock;
};

// The calling OS thread's worker, or null. Never inlined and opaque, for no compiler re-reads a
// thread_local's address after a switch to another OS thread.
worker* this_worker() noexcept;

}  // namespace greenroom::detail
