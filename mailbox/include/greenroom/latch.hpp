// SPDX-License-Identifier: Apache-2.0
// Waiting until a number of things are done: a latch opens once, a wait_group may be used again.
// Both are for any thread, green threads and OS threads alike, which wait without spinning.
//
// Inside actors prefer a mailbox: a message per finished part says which part it was and how it
// went, and a green thread's join() reports its failure. These count, and know nothing else.
#pragma once

#include <greenroom/clock.hpp>
#include <greenroom/detail/source_case.hpp>
#include <greenroom/detail/spin_lock.hpp>
#include <greenroom/detail/wait_line.hpp>
#include <greenroom/error.hpp>

#include <cstdint>
#include <utility>

namespace greenroom {

namespace detail {

// A count and those who wait for its zero.
// J1: a round ends when the count reaches zero. Who waits notes the round it waits for and is woken
//     when that is over, also if the count has been raised again by then.
// J2: whoever leaves the line after its round wakes some of those that the round still holds. So
//     nobody who has counted down touches the object after it has woken anybody, and who waits may
//     destroy it when all waits have returned.
class countdown {
 public:
  explicit countdown(std::int64_t count, const char* what);

  // Returns what is left. Throws std::invalid_argument when that would be below zero or too much.
  void add(std::int64_t n, const char* what);
  [[nodiscard]] bool is_zero() noexcept;
  [[nodiscard]] std::int64_t count() noexcept;
  void wait();
  status wait_until(time_point deadline);
  // For cases of a select.
  bool enlist(numbered_waiter& w) noexcept;
  void leave(numbered_waiter& w) noexcept;

 private:
  spin_lock lock_;
  std::int64_t count_ GREENROOM_GUARDED_BY(lock_);
  std::uint64_t round_ GREENROOM_GUARDED_BY(lock_) = 0;
  wait_line waiting_ GREENROOM_GUARDED_BY(lock_);
};

inline constexpr std::int64_t count_max = std::int64_t{1} << 60;

struct countdown_operation {
  countdown* core;
  numbered_waiter waiter;

  attempt try_now() { return core->is_zero() ? attempt::happened : attempt::not_now; }
  bool enlist() { return core->enlist(waiter); }
  void leave() noexcept { core->leave(waiter); }
  // The round that was waited for is over, whatever the count is by now (J1).
  attempt complete() { return attempt::happened; }
  template <class F>
  void run(F& f) {
    f();
  }
};

template <class F>
auto case_of_zero(countdown& core, F&& f) {
  static_assert(std::is_invocable_v<std::decay_t<F>&>,
                "greenroom: the function of a case that waits for zero takes no argument");
  if constexpr (std::is_invocable_v<std::decay_t<F>&>)
    return source_case<countdown_operation, std::decay_t<F>>({&core, {}}, std::forward<F>(f));
  else
    return mistaken_case();
}

}  // namespace detail

// Opens once and for all when it has been counted down to zero. Idea: std::latch, that parks.
class latch {
 public:
  // Throws std::invalid_argument for a count below 0 or above 2^60.
  explicit latch(std::int64_t count) : core_(count, "latch") {}
  latch(const latch&) = delete;
  latch& operator=(const latch&) = delete;

  // Never parks. Throws std::invalid_argument, and counts nothing, for n below 0 or above what is
  // left.
  void count_down(std::int64_t n = 1);
  [[nodiscard]] bool try_wait() const noexcept { return core_.is_zero(); }
  // Parks until it is open; throws `cancelled`.
  void wait() const { core_.wait(); }
  void arrive_and_wait(std::int64_t n = 1) {
    count_down(n);
    wait();
  }
  // Parks until then at most. Errors: timeout, cancelled.
  status wait_until(time_point deadline) const { return core_.wait_until(deadline); }
  status wait_for(duration d) const { return wait_until(deadline_after(d)); }
  // A case of a select: happens when it is open, each time; then calls f().
  template <class F>
  [[nodiscard]] auto on(F&& f) const {
    return detail::case_of_zero(core_, std::forward<F>(f));
  }

 private:
  mutable detail::countdown core_;
};

// How many parts of a work are not done. wait() returns when none is; it may then be used again.
// Idea: Go's sync.WaitGroup.
class wait_group {
 public:
  explicit wait_group(std::int64_t count = 0) : core_(count, "wait_group") {}
  wait_group(const wait_group&) = delete;
  wait_group& operator=(const wait_group&) = delete;

  // Before the part starts, by who starts it. Never parks. Throws std::invalid_argument, and counts
  // nothing, when the count would fall below 0 or rise above 2^60.
  void add(std::int64_t n = 1) { core_.add(n, "wait_group: add"); }
  // Never parks. Throws std::invalid_argument when there is nothing left to be done.
  void done() { core_.add(-1, "wait_group: done"); }
  [[nodiscard]] std::int64_t count() const noexcept { return core_.count(); }
  [[nodiscard]] bool try_wait() const noexcept { return core_.is_zero(); }
  // Parks until the count is zero, or was since the call; throws `cancelled`.
  void wait() const { core_.wait(); }
  // Parks until then at most. Errors: timeout, cancelled.
  status wait_until(time_point deadline) const { return core_.wait_until(deadline); }
  status wait_for(duration d) const { return wait_until(deadline_after(d)); }
  // A case of a select: happens when the count is zero, or was since the select began; then f().
  template <class F>
  [[nodiscard]] auto on(F&& f) const {
    return detail::case_of_zero(core_, std::forward<F>(f));
  }

 private:
  mutable detail::countdown core_;
};

}  // namespace greenroom
