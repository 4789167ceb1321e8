// SPDX-License-Identifier: Apache-2.0
// Waiting, for those who build waits (mailboxes, channels, sockets). Users need none of it.
//
// A wait is announced, then parked. Between the two it may already be decided: `wake` from any
// thread wins or loses against a deadline and against a cancel by one compare-and-swap on the
// waiter's state word, so exactly one of them decides a wait (S2). A ticket may be kept for ever
// and fired late: waiter records are never freed and every wait has a new number (S3).
#pragma once

#include <greenroom/clock.hpp>
#include <greenroom/config.hpp>

#include <cstdint>

namespace greenroom::detail {

struct fiber;

// Which wait of which green thread (or OS thread). Trivially copyable.
struct wait_ticket {
  fiber* who = nullptr;
  std::uint64_t seq = 0;
};

// What park() returns when the waker gave no payload. Payload pointers are 16-byte aligned and
// lie above the first page, so they cannot be mistaken for one of these.
inline constexpr std::uint64_t outcome_woken = 1u << 4;
inline constexpr std::uint64_t outcome_timeout = 2u << 4;
inline constexpr std::uint64_t outcome_cancelled = 3u << 4;
// Users of park may define their own from here to 255 << 4.
inline constexpr std::uint64_t outcome_first_free = 4u << 4;

// Why a green thread waits, as dumps and shutdown reports show it.
struct wait_reason {
  const char* text;
};
// Or on whom: an odd number that the layer above knows how to read.
struct wait_word {
  std::uint64_t word;
};

// Announces a wait of the calling green or OS thread; wake() may succeed from now on.
// An interruptible wait ends with outcome_cancelled when its actor is cancelled.
// Must be followed by exactly one park() or by an abandon() that returns true.
wait_ticket begin_wait(const wait_reason& reason, bool interruptible = true);
wait_ticket begin_wait(wait_word on, bool interruptible = true);
// The same, and tells the place in the source, as a number that the layer above knows how to read.
wait_ticket begin_wait(wait_word on, std::uint64_t place);

// Parks until the announced wait is decided; returns the payload or an outcome. Never throws.
// With a deadline, `never` included, it may also end with outcome_timeout: at the deadline, at that
// of a with_deadline around it (U1), or when the actor is being cancelled and cleans up, after
// cleanup_wait_max.
std::uint64_t park();
std::uint64_t park(time_point deadline);

// What a cancelled actor waits for in its destructors, or under a shield, it waits for at most
// that long, each time.
inline constexpr duration cleanup_wait_max = std::chrono::seconds(5);

// Takes an announced wait back without parking. False: somebody decided it already; then park()
// must be called and returns at once with the value.
bool abandon();

// Between a begin_wait with a word and its park: tells another word instead.
void tell_wait(wait_word on) noexcept;
// Sets bits in the word that this wait tells, if it is not over. Any thread. (A wait that begins
// at the same moment with the same word may get them instead.)
void mark_wait(const wait_ticket& ticket, std::uint64_t bits) noexcept;

// Any thread. True when this call decided the wait.
bool wake(wait_ticket ticket, std::uint64_t value = outcome_woken);
// The same; it goes on beside the caller, on whose worker it has most to do.
bool wake_bound(wait_ticket ticket, std::uint64_t value = outcome_woken);

// The two halves of wake(), for wakers who hold a lock that the waiter will need: decide under it,
// make runnable after it. What was written before the decision, the waiter sees.
enum class claim : std::uint8_t {
  lost,     // somebody else decided that wait
  won,      // it had not parked yet and finds the value by itself: its stack is its own again
  waiting,  // won, and it stays parked until resume(), which must follow, exactly once
};
claim try_claim(const wait_ticket& ticket, std::uint64_t value = outcome_woken);
void resume(const wait_ticket& ticket);
// The same; it goes on beside the caller, as with wake_bound().
void resume_bound(const wait_ticket& ticket);

// A seed for choices that should be fair, such as which of several ready cases a select takes. Any
// thread; never 0.
std::uint32_t random_seed() noexcept;

// Throws `cancelled` when a cancel is due and may be thrown here: not under a shield, and not
// while an exception unwinds this stack. Likewise, when the time of a with_deadline around the
// caller is over, unwinds to that.
void throw_if_cancelled();

// For waits that have a result: true when a cancel is due and this result should report it as
// error::cancelled. Only once: when it was reported before, throws `cancelled`. When the time of a
// with_deadline is over, the first such wait may report error::timeout (park() ends with it, and so
// does bounded() for those that look at the clock); the next ones unwind.
bool report_cancel();

// The earlier of the deadline and that of a with_deadline around the caller: for waits that look at
// the clock themselves. park() does it by itself.
time_point bounded(time_point deadline) noexcept;

}  // namespace greenroom::detail
