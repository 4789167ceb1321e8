// SPDX-License-Identifier: Apache-2.0
// The one clock: monotonic, nanoseconds. Every deadline and duration in the library is of it.
#pragma once

#include <chrono>

namespace greenroom {

using clock = std::chrono::steady_clock;
using duration = std::chrono::nanoseconds;
using time_point = std::chrono::time_point<clock, duration>;

// No deadline: the wait lasts until it is over.
inline constexpr time_point never = time_point::max();

// The current time. Any thread; about 25 ns.
time_point now() noexcept;

// now() + d, saturated: a huge duration means `never`, a negative one means now.
time_point deadline_after(duration d) noexcept;

}  // namespace greenroom
