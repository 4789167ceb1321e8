// SPDX-License-Identifier: Apache-2.0
// A mutex that parks the green thread (or blocks the OS thread) that waits for it, and that may be
// held across waits, where a std::mutex would stop a worker. For porting code that has locks.
//
// In new code prefer an actor: it owns the data, its mailbox is the lock, and nobody waits with his
// own work half done. A mutex is the better choice for short steps on data that many share.
#pragma once

#include <greenroom/clock.hpp>
#include <greenroom/detail/spin_lock.hpp>
#include <greenroom/detail/wait_line.hpp>
#include <greenroom/error.hpp>

#include <cstdint>
#include <source_location>

namespace greenroom {

class mutex;

namespace detail {
struct owning_waiter;
struct party;
party holder_of(mutex& m) noexcept;
}  // namespace detail

// First come first served: unlock() hands it to the first in line, and nobody passes. The owner is
// the actor or green thread, or the plain OS thread, that locked it; an actor may keep it from one
// message to the next. Works with std::lock_guard and std::unique_lock.
//   Y1: it has an owner while anybody stands in line; the owner changes under the lock, with the
//       decision of the next one's wait (S2).
//   Y2: who unlocks touches nothing after it has let go of the inner lock, and who has waited takes
//       that once more; so the next owner may destroy it after its own unlock.
class mutex {
 public:
  mutex() noexcept = default;
  mutex(const mutex&) = delete;
  mutex& operator=(const mutex&) = delete;

  // Parks until it is ours. Throws `cancelled`, without the lock, when it would wait in an actor
  // that is being cancelled; std::system_error (resource_deadlock_would_occur) when the caller
  // holds it already, or waits for it in a circle: who holds it waits, through others perhaps, for
  // the caller, and none of them in an ask, which would be failed instead.
  void lock(std::source_location at = std::source_location::current());
  // Never parks. False: somebody holds it, the caller itself included.
  [[nodiscard]] bool try_lock() noexcept;
  // Parks until then at most. Errors, without the lock: timeout, cancelled, deadlock (the caller
  // holds it already; or waits in a circle, which is looked for where the deadline is `never`).
  [[nodiscard]] status lock_until(time_point deadline,
                                  std::source_location at = std::source_location::current());
  [[nodiscard]] status lock_for(duration d,
                                std::source_location at = std::source_location::current()) {
    return lock_until(deadline_after(d), at);
  }
  // Never parks. When the caller does not hold it, ends the program with a sentence: what the lock
  // guards is broken then.
  void unlock() noexcept;

 private:
  enum class taken : std::uint8_t { yes, not_now, twice };
  // Who owns it or wants to: `who` is never that of another; `seat`, its record, may be one day.
  struct claimant {
    std::uintptr_t who = 0;
    std::uintptr_t seat = 0;
  };
  friend struct detail::owning_waiter;
  friend detail::party detail::holder_of(mutex& m) noexcept;
  static claimant caller() noexcept;
  taken take(const claimant& who) noexcept;
  bool enlist(detail::owning_waiter& w) noexcept;
  void leave(detail::owning_waiter& w) noexcept;
  std::uint64_t wait(detail::owning_waiter& w, time_point deadline, bool bounded,
                     std::uint64_t place, error& circle);

  detail::spin_lock inner_;
  claimant owner_ GREENROOM_GUARDED_BY(inner_);
  detail::wait_line waiting_ GREENROOM_GUARDED_BY(inner_);
};

}  // namespace greenroom
