// SPDX-License-Identifier: Apache-2.0
// What code that runs on a green thread can do with itself: yield, sleep, shield from cancel.
// All of it works on a plain OS thread as well, where it blocks that thread.
#pragma once

#include <greenroom/clock.hpp>
#include <greenroom/config.hpp>

#include <cstdint>

namespace greenroom {

// Thrown by a wait of a green thread that is being cancelled, so that its destructors run. It is
// deliberately no std::exception. Catching it does not end the cancel: the next wait throws again.
struct cancelled {};

// Lets others run. May park; throws `cancelled`.
void yield();

// Sleeps at least that long. Parks; throws `cancelled`.
void sleep_for(duration d);
void sleep_until(time_point t);

// True once the calling actor was asked to stop by cancel. Never parks.
bool cancel_requested() noexcept;

// While one lives, waits of this green thread are not interrupted by a cancel, nor ended by the
// deadline of a with_deadline around it: for clean-up that must wait. Once a cancel is due, each
// such wait ends after 5 s at the latest, as if that were its deadline; so do those in destructors.
// Idea: Trio's shielded scopes.
class shield {
 public:
  shield() noexcept;
  ~shield();
  shield(const shield&) = delete;
  shield& operator=(const shield&) = delete;

 private:
  std::int64_t bound_ns_;  // of the with_deadline around it
};

}  // namespace greenroom
