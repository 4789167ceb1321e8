// SPDX-License-Identifier: Apache-2.0
// A stack that something waits on, or an OS thread that waits: the record behind a wait ticket.
//
// Records are type-stable: they are recycled, never freed, so a late wake() or cancel() may read
// one at any time (S3); or it reads zeros, of one whose memory was given back, which no wait's
// number matches, nor does it those that come after (numbers go on where others ended). The state
// word is `number of the wait << 4 | phase`, or, once decided, `value | phase_notified`: the low
// four bits of a value are zero.
//
//   running --begin_wait--> preparing --(switch away, then publish)--> parked
//   preparing | parked --wake, one compare-and-swap (S2)--> notified --park returns--> running
//   running --arm_poke--> mailbox --disarm_poke--> running      (a timed receive)
//
// "parked" is stored only after the switch, by the stack that runs next: before it, a waker would
// resume a stack still in use (S5). A waker that finds "preparing" leaves the value, and the
// publisher, finding it, makes the fiber runnable again.
#pragma once

#include "stack_pool.hpp"
#include "switch.hpp"
#include "timers.hpp"

#include <greenroom/detail/scheduler_access.hpp>
#include <greenroom/detail/spin_lock.hpp>
#include <greenroom/detail/task.hpp>

#include <cstddef>
#include <cstdint>

namespace greenroom::detail {

// The C++ runtime's per-thread exception state; it belongs to the stack (trap: two green threads
// in catch blocks on one OS thread would swap exceptions).
struct eh_globals {
  void* caught = nullptr;
  unsigned int uncaught = 0;
};

inline constexpr std::uint64_t phase_running = 0;
inline constexpr std::uint64_t phase_preparing = 1;
inline constexpr std::uint64_t phase_parked = 2;
inline constexpr std::uint64_t phase_notified = 3;
inline constexpr std::uint64_t phase_mailbox = 4;
inline constexpr std::uint64_t phase_mask = 15;

struct fiber;

// A record stands in a list, or waits: then the place of its wait in the source, for reports, has
// the link's room. Orders nothing; a report that reads it late sees the wait's state changed.
class link_or_place {
 public:
  operator fiber*() const noexcept {
    return reinterpret_cast<fiber*>(word_.load(sync::memory_order_relaxed));
  }
  link_or_place& operator=(fiber* next) noexcept {
    word_.store(reinterpret_cast<std::uint64_t>(next), sync::memory_order_relaxed);
    return *this;
  }
  void set_place(std::uint64_t place) noexcept { word_.store(place, sync::memory_order_relaxed); }
  [[nodiscard]] std::uint64_t place() const noexcept {
    return word_.load(sync::memory_order_acquire);
  }

 private:
  sync::atomic<std::uint64_t> word_{0};
};

// Where thousands wait by turns, the lines of their records are read from far away: the first is
// what a switch and a wake-up need, the second what a wait needs, the third the deadline.
struct alignas(64) fiber {
  // Written by the stack that leaves, read by whoever resumes it.
  context at;
  // Any thread.
  sync::atomic<std::uint64_t> state{phase_running};
  sync::atomic<std::int64_t> deadline_ns{never_ns};
  // As `at`.
  eh_globals eh;
  int saved_errno = 0;
  bool is_os_thread = false;
  bool pooled_stack = false;  // of the default class: may go to a worker's spare list
  sync::atomic<bool> interruptible{false};
  // Any thread.
  spin_lock arm_lock;  // of `deadline` and armed_ns

  // Any thread.
  alignas(64) sync::atomic<task*> current{nullptr};  // what runs or waits on this stack
  sync::atomic<std::uint64_t> reason{0};             // a wait_reason*, a wait_word if odd, or 0
  sync::atomic<scheduler*> owner{nullptr};  // set while it carries a loop of that scheduler
  sync::atomic<std::uint32_t> os_word{0};   // OS threads sleep on this

  // The running stack only.
  std::uint16_t shields : 15 = 0;
  std::uint16_t bound_told : 1 = 0;  // a wait that began after the bound has reported it
  std::uint16_t swallowed = 0;       // cancels thrown and not obeyed
  std::uint64_t seq = 0;
  std::int64_t inherited_ns = INT64_MAX;  // deadline of the request that is being handled
  std::int64_t bound_ns = never_ns;       // no wait lasts longer (U1)

  // Deadline: one lazily re-armed timer for all waits of this fiber (T1).
  sync::atomic<std::int64_t> armed_ns{never_ns};
  alignas(64) timer deadline{};

  // Owner of the list it stands in; or itself, while it waits.
  link_or_place next;
  stack_memory stack{};
#if defined(GREENROOM_TSAN)
  void* tsan_fiber = nullptr;
#endif
#if defined(GREENROOM_ASAN)
  void* fake_stack = nullptr;
#endif
};

// The deadline of a fiber that does not wait for one any more (T1).
bool is_unwanted(const timer* t) noexcept;

// ---- bounds.cpp: what a bound does to waits, for those who found that there is one (U1-U3)

// The earlier of the two; the deadline itself where the bound does not count.
time_point cut_by_bound(const fiber* f, time_point deadline) noexcept;
// Throws past_deadline if the bound has passed and counts.
void obey_bound(fiber* f);
// For waits with a result: the first that begins after the bound may report it.
void report_bound(fiber* f);
// Takes the bound away, or brings it back.
std::int64_t hide_bound(fiber* f) noexcept;
void restore_bound(fiber* f, std::int64_t bound_ns) noexcept;

// Without a look at the record, whose memory may have been given back.
inline fiber* fiber_of(timer* deadline) noexcept {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Winvalid-offsetof"
  constexpr std::size_t at = offsetof(fiber, deadline);
#pragma GCC diagnostic pop
  return reinterpret_cast<fiber*>(reinterpret_cast<char*>(deadline) - at);
}

// A record with a stack of at least that size, ready to enter the loop; null and a sentence when
// memory or the map limit is reached.
fiber* acquire_fiber(std::size_t stack_size, const char*& why);
// REQUIRES: suspended for good or never entered (its frames hold nothing alive).
void release_fiber(fiber* f);
// A record without a stack, for an OS thread.
fiber* acquire_os_fiber();
// Sees to it that there are some for OS threads when memory is out. False: it is out already.
bool reserve_records() noexcept;
void release_os_fiber(fiber* f);

// Gives memory of free records and stacks back, in small steps (watch_settings::trim_memory). One
// thread at a time does it; for others it returns false.
bool trim_fibers(trim what) noexcept;

// Calls `each` for every record there ever was (for reports); records are only ever added.
void for_each_fiber(void (*each)(fiber*, void*), void* argument);

}  // namespace greenroom::detail
