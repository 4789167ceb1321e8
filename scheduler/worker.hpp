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
#include <sys/types.h>

namespace greenroom::detail {

#if defined(GREENROOM_TSAN)
extern "C" void AnnotateIgnoreWritesBegin(const char* file, int line);
extern "C" void AnnotateIgnoreWritesEnd(const char* file, int line);
#endif

// While one lives: writes that ThreadSanitizer must not take for racing. What is constructed passes
// from green thread to green thread of one worker without synchronisation that it could see.
struct unseen_writes {
  unseen_writes() noexcept {
#if defined(GREENROOM_TSAN)
    AnnotateIgnoreWritesBegin(__FILE__, __LINE__);
#endif
  }
  ~unseen_writes() {
#if defined(GREENROOM_TSAN)
    AnnotateIgnoreWritesEnd(__FILE__, __LINE__);
#endif
  }
  unseen_writes(const unseen_writes&) = delete;
  unseen_writes& operator=(const unseen_writes&) = delete;
};

// Written by its owner only, read by anyone at any time; orders nothing.
template <class T>
class seen {
 public:
  seen() = default;
  explicit seen(T v) noexcept : value_(v) {}
  operator T() const noexcept { return value_.load(sync::memory_order_relaxed); }
  T operator->() const noexcept { return *this; }
  seen& operator=(T v) noexcept {
    value_.store(v, sync::memory_order_relaxed);
    return *this;
  }
  T operator++() noexcept { return *this = static_cast<T>(*this + T{1}); }

 private:
  sync::atomic<T> value_{};
};

struct injector_token;  // scheduler.hpp

// The oldest child of a worker when a thief last looked, and since when it has stood there.
struct sight {
  fresh_ring::mark oldest{};
  std::int64_t since = 0;
  std::uint32_t ready_end = 0;  // of its other ring, then
  std::int64_t ready_since = 0;
};

// Who said that a worker cannot attend to its queues.
enum class stuck_by : std::uint32_t { nobody, watchdog, itself };

// What becomes of a worker's place (W2, crew.cpp).
inline constexpr std::uint32_t post_empty = 0;    // no OS thread
inline constexpr std::uint32_t post_serves = 1;   // it is one of the crew
inline constexpr std::uint32_t post_benched = 2;  // its OS thread waits to be called again

struct alignas(128) worker {
  worker();
  ~worker();

  // Any thread. release: what it shall see first.
  void want_attention() noexcept { attention.store(1, sync::memory_order_release); }

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
  // Who fills a mailbox of its worker is left to it for that long.
  static constexpr std::int64_t bound_ripe_ns = 200'000;
  // An idle one looks for that that many times in a row.
  static constexpr std::uint32_t looks_max = 10;
  // A child that never ran is not passed by its younger siblings for longer than that.
  static constexpr std::int64_t fresh_wait_max_ns = 5'000'000;

  // Owner only.
  seen<fiber*> current;                // the stack that runs
  eh_globals* eh = nullptr;            // this OS thread's exception state
  int* error_number = nullptr;         // &errno of this OS thread
  void (*published)(void*) = nullptr;  // to run once the stack just left can be resumed
  void* published_argument = nullptr;
  fiber* yielded = nullptr;  // left by a yield: goes behind all others
  runnable hand_over = 0;    // what the loop that is switched to shall run first
  scheduler* home = nullptr;
  std::uint32_t index = 0;
  seen<std::uint32_t> tick;  // moves with every pick
  std::uint32_t lifo_streak = 0;
  std::uint32_t child_tick = 0;  // when it last looked for a child
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
  bool unripe_bound = false;        // or what is left to another one
  std::uint32_t looks = 0;          // in a row that have met such
  std::uint32_t calm = 0;           // fair picks since the bias was lost
  bool searching = false;
  bool retired = false;       // it has left the crew, and its OS thread goes to the bench
  std::uint64_t next_id = 0;  // ids are handed out in blocks
  std::uint64_t ids_end = 0;
  std::uint32_t bound_mark = 0;  // where `ready` ended then, see push_bound
  std::int64_t bound_since = 0;  // 0: nobody has looked yet
  std::uint32_t bound_pushes = 0;
  std::int64_t oldest_taken = 0;  // when the oldest child last had its turn
  std::int64_t coarse_now = 0;    // refreshed at every fair pick and after every sleep
  fiber* os_fiber = nullptr;
  std::unique_ptr<injector_token> token;
  pthread_t thread{};  // of whoever starts and joins it
  // For what moves between queues. Not on the stack: these paths run on green threads' stacks, of
  // which a page less is touched.
  runnable moving[run_ring::size > fresh_ring::size / 2 ? run_ring::size : fresh_ring::size / 2];

  // Any thread.
  alignas(64) sync::atomic<runnable> lifo{0};
  sync::atomic<std::uint32_t> wake_word{0};
  // Not 0: the next pick goes through the loop, which looks what is wanted (scheduler::attend).
  sync::atomic<std::uint32_t> attention{0};
  sync::atomic<stuck_by> stuck{stuck_by::nobody};
  sync::atomic<std::uint32_t> post{post_empty};
  sync::atomic<bool> ripe_bound{false};  // those in `ready` have waited long enough to be stolen
  sync::atomic<bool> resting{false};     // asleep, napping, or on its way out of that
  sync::atomic<bool> in_poller{false};
  sync::atomic<pid_t> system_id{0};  // of the OS thread
  bias mine;                         // of this worker's lifo, ready and fresh
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
void set_this_worker(worker* w) noexcept;

}  // namespace greenroom::detail
