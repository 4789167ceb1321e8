// SPDX-License-Identifier: Apache-2.0
// SIGTERM and SIGINT as requests to shut down, for the runtimes that ask for it, and the word that
// those sleep on who wait for a request.
#pragma once

#include <cstdint>

namespace greenroom::detail {

// Handlers for both signals while somebody uses them; the first user installs them, the last one
// brings back what was there before. A signal that is ignored stays ignored. False: the system said
// no. Any thread.
bool use_shutdown_signals() noexcept;
void leave_shutdown_signals() noexcept;

// One of the two has come since the first user.
bool has_shutdown_signal() noexcept;

// The number of news: signals, and what others announced. Sleeps until it is not `seen` any more.
std::uint32_t shutdown_news() noexcept;
void wait_for_shutdown_news(std::uint32_t seen) noexcept;
// Async-signal-safe.
void announce_shutdown_news() noexcept;

}  // namespace greenroom::detail
