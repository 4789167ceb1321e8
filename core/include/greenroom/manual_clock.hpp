// SPDX-License-Identifier: Apache-2.0
// A clock that stands still until it is told to go on: for tests of what happens after minutes.
#pragma once

#include <greenroom/clock.hpp>
#include <greenroom/detail/spin_lock.hpp>
#include <greenroom/park.hpp>

#include <cstddef>
#include <cstdint>

namespace greenroom {

class manual_clock {
 public:
  manual_clock() noexcept = default;
  manual_clock(const manual_clock&) = delete;
  manual_clock& operator=(const manual_clock&) = delete;

  // The time that it shows. Any thread.
  [[nodiscard]] time_point now() const noexcept;
  // Any thread; does not wait. Who waits for a time that has come goes on.
  void advance(duration d) noexcept;
  // How many wait for a time to come: who tests looks at that before it goes on.
  [[nodiscard]] std::size_t sleepers() const noexcept;
  // The earliest time that somebody waits for; never: nobody does.
  [[nodiscard]] time_point next() const noexcept;

  // Parks the wait that the caller has begun (detail::begin_wait) until it is decided or that time
  // has come, as detail::park does.
  std::uint64_t park(const detail::wait_ticket& ticket, time_point until);

 private:
  struct sleeper {
    detail::wait_ticket ticket;
    time_point until;
    sleeper* next;
  };
  mutable detail::spin_lock lock_;
  time_point now_ GREENROOM_GUARDED_BY(lock_){std::chrono::hours(1)};
  sleeper* first_ GREENROOM_GUARDED_BY(lock_) = nullptr;
};

}  // namespace greenroom
