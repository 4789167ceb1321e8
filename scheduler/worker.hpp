// SPDX-License-Identifier: Apache-2.0
// One worker: an OS thread's share of a scheduler. Fields are grouped by who writes them.
#pragma once

#include "bias.hpp"
#include "fiber.hpp"
#include "run_queue.hpp"
#include "timers.hpp"

#include <pthread.h>

#include <cstdint>
#include <memory>

namespace greenroom::detail {

// The oldest child of a worker when a thief last looked, and since when it has stood there.
struct sight {
  fresh_ring::mark oldest{};
  std::int64_t since = 0;
};

struct alignas(128) worker {
  static constexpr std::uint32_t fair_every = 61;       // picks between two fair ones
  static constexpr std::uint32_t lifo_streak_max = 48;  // turns of a talking pair while others wait
  static constexpr std::uint32_t calm_min = 16;         // fair picks until it has its bias again
  static constexpr std::uint32_t spare_max = 256;       // warm stacks kept by a worker
  // A parent that made that many without a wait lets them run before it makes more: while their
  // memory is in the cache, and before they are so many that they fill more than that.
  static constexpr std::uint32_t children_max = 128;
  // A child that was stolen and takes less than that was not worth its way to another processor.
  static constexpr std::int64_t worth_stealing_ns = 1'000;
  // What is not worth it may still be stolen when it has waited that long.
  static constexpr std::int64_t ripe_ns = 50'000;
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
  std::uint32_t maker_tick = 0;  // the tick of the task that made `made` children
  std::uint32_t made = 0;
  std::uint32_t random = 1;
  std::uint32_t spares = 0;
  fiber* spare = nullptr;
  // What this worker thinks of what it could steal (see scheduler::ripe).
  std::unique_ptr<sight[]> sights;  // of each worker
  std::int64_t stole_at = 0;        // the last children
  std::uint32_t stolen = 0;         // how many
  bool picky = false;               // those were not worth it
  bool unripe = false;              // the search just made has met children that are not ripe
  std::uint32_t calm = 0;           // fair picks since the bias was lost
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
  bias mine;  // of this worker's lifo, ready and fresh
  run_ring ready;
  fresh_ring fresh;
  timers clock;
};

// The slot's content, exchanged. Owner only; `biased`: no thief is there.
inline runnable exchange_lifo(worker* w, runnable r, bool biased) noexcept {
  // acq_rel: hands over what the pusher wrote; whoever takes it acquires.
  if (!biased) return w->lifo.exchange(r, sync::memory_order_acq_rel);
  const runnable before = w->lifo.load(sync::memory_order_acquire);
  w->lifo.store(r, sync::memory_order_release);
  return before;
}

// The calling OS thread's worker, or null. Never inlined and opaque, for no compiler re-reads a
// thread_local's address after a switch to another OS thread.
worker* this_worker() noexcept;

}  // namespace greenroom::detail
