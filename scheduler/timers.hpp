// SPDX-License-Identifier: Apache-2.0
// A worker's timers: a heap behind a spin lock, so that other threads can arm, cancel and run
// them. Most deadlines never fire: a fiber's one timer stays armed while its deadlines move later
// and is looked at again only when it fires (T1), so an ask with a deadline costs no heap work.
//
//   H4  A timer is never lost. One for which the heap cannot grow stands in a list (`strays_`)
//   until
//       there is room. Looking through that takes long, but only where memory was out; and of
//       timers of one time those may go off in another order than they were armed in (H3).
//
// Lock order: fiber::arm_lock before timers::lock_, and of two of these the one with the lower
// address first. No callback runs under lock_.
#pragma once

#include "timer_heap.hpp"

#include <greenroom/clock.hpp>
#include <greenroom/detail/spin_lock.hpp>

#include <cstdint>

namespace greenroom::detail {

inline constexpr std::int64_t never_ns = INT64_MAX;

class timers;

struct timer : timer_node {
  // Runs on the worker that called expire(), off the lock. May arm the timer again.
  void (*fire)(timer*, std::int64_t now_ns) = nullptr;
  sync::atomic<timers*> home{nullptr};
};

class timers {
 public:
  static constexpr int batch_max = 64;

  // REQUIRES: t stands in no heap. True when it is the earliest now.
  bool arm(timer* t, std::int64_t when_ns);
  // From whichever heap it stands in. False: from none (it fired, or is about to).
  static bool cancel(timer* t);
  // Moves all timers to another heap; returns true when that one's earliest changed.
  bool move_to(timers& other);
  // Fires timers that go off before then and that nobody waits for, until the earliest is one that
  // somebody does. Any thread.
  void drop_unwanted(std::int64_t before_ns, bool (*unwanted)(const timer*), std::int64_t now_ns);
  // Runs what is due, at most batch_max; returns how many ran.
  int expire(std::int64_t now_ns);
  // Any thread; never_ns when there is none.
  [[nodiscard]] std::int64_t earliest() const noexcept {
    return earliest_.load(sync::memory_order_acquire);
  }

 private:
  void publish_earliest() GREENROOM_REQUIRES(lock_);
  void insert(timer* t, std::int64_t when_ns) noexcept GREENROOM_REQUIRES(lock_);
  void erase(timer* t) noexcept GREENROOM_REQUIRES(lock_);
  void take_strays_in() noexcept GREENROOM_REQUIRES(lock_);
  timer* take_due_stray(std::int64_t now_ns) noexcept GREENROOM_REQUIRES(lock_);

  spin_lock lock_;
  timer_heap heap_ GREENROOM_GUARDED_BY(lock_);
  timer* strays_ GREENROOM_GUARDED_BY(lock_) = nullptr;
  sync::atomic<std::int64_t> earliest_{never_ns};
};

}  // namespace greenroom::detail
