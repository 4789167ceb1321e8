// SPDX-License-Identifier: Apache-2.0
// A number of permits, and a line of those who wait for some: what semaphores and work queues are
// made of.
//
// Invariants:
// - Z1 Nobody passes who waits. While somebody stands in line, the word's `waiters` bit is set, and
//   then the word is changed under the lock only; without it, by compare-and-swap.
// - Z2 Permits are handed over with the decision of the wait (S2): who lost against a deadline or a
//   cancel was given none, and they go to the next in line. Who leaves the line lets those behind
//   it have what it was not content with.
// - Z3 The steps named `locked` touch nothing after they have let go of the lock, and who has
//   waited takes the lock once more (leave). So with these alone, whoever got the last permit may
//   destroy the object.
#pragma once

#include <greenroom/detail/spin_lock.hpp>
#include <greenroom/detail/wait_line.hpp>

#include <cstdint>

namespace greenroom::detail {

inline constexpr std::int64_t permits_max = std::int64_t{1} << 60;

struct permit_waiter : line_waiter {
  std::int64_t want = 1;
  bool refused = false;  // it was closed instead; valid when the wait was decided by `value`
};

class permits {
 public:
  enum class taken : std::uint8_t { yes, not_now, closed };
  // What is there, and whether it is closed.
  struct state {
    std::int64_t count;
    bool closed;
  };

  // REQUIRES: 0 <= n <= permits_max.
  explicit permits(std::int64_t n) noexcept : word_(static_cast<std::uint64_t>(n) << 2) {}

  // Any thread; 0 <= n.
  taken try_take(std::int64_t n) noexcept {
    std::uint64_t w = word_.load(sync::memory_order_relaxed);
    for (;;) {
      if (GREENROOM_UNLIKELY((w & (waiters | closed_bit)) != 0))
        return (w & closed_bit) != 0 ? taken::closed : taken::not_now;
      if (count_in(w) < n) return taken::not_now;
      // acquire: pairs with the release in give(); what came with the permits is seen.
      if (word_.compare_exchange_weak(w, w - in_word(n), sync::memory_order_acq_rel,
                                      sync::memory_order_relaxed))
        return taken::yes;
    }
  }
  state give(std::int64_t n) noexcept {
    std::uint64_t w = word_.load(sync::memory_order_relaxed);
    while ((w & waiters) == 0) {
      // release: pairs with the acquire of who takes them. acquire: who finds all of them there
      // sees what those who gave them did.
      if (word_.compare_exchange_weak(w, w + in_word(n), sync::memory_order_acq_rel,
                                      sync::memory_order_relaxed))
        return state_in(w + in_word(n));
    }
    return give_to_waiters(n);
  }
  [[nodiscard]] state look() const noexcept {
    return state_in(word_.load(sync::memory_order_acquire));
  }

  taken locked_try_take(std::int64_t n) noexcept;
  // False: more than permits_max would be there, and nothing was given.
  bool locked_give(std::int64_t n) noexcept;
  std::int64_t locked_count() noexcept;

  // not_now: it stands in line now. Else it got them, or is refused.
  taken take_or_enlist(permit_waiter& w) noexcept;
  // False: there are enough, or it is closed; none are taken, and it does not stand in line.
  bool enlist(permit_waiter& w) noexcept;
  void leave(permit_waiter& w) noexcept;
  // Gives none from now on; those who wait are refused. Returns what was there.
  state close() noexcept;

 private:
  static constexpr std::uint64_t waiters = 1;
  static constexpr std::uint64_t closed_bit = 2;
  static std::uint64_t in_word(std::int64_t n) noexcept {
    return static_cast<std::uint64_t>(n) << 2;
  }
  static std::int64_t count_in(std::uint64_t w) noexcept {
    return static_cast<std::int64_t>(w >> 2);
  }
  static state state_in(std::uint64_t w) noexcept { return {count_in(w), (w & closed_bit) != 0}; }
  state give_to_waiters(std::int64_t n) noexcept;
  void serve(to_resume& woken) noexcept GREENROOM_REQUIRES(lock_);

  sync::atomic<std::uint64_t> word_;
  spin_lock lock_;
  wait_line waiting_ GREENROOM_GUARDED_BY(lock_);
};

}  // namespace greenroom::detail
