// SPDX-License-Identifier: Apache-2.0
// A channel without types: values travel as words of 64 bits. A small value is the word; a larger
// one lies in a node that the word points at, so that the core moves no user's object and runs no
// user's code.
//
// Invariants, under the lock:
// - H1 While there is room, no sender waits; while there are values, no receiver does (but for
//   those whose wait has ended by deadline, cancel or another case and who have not left the line).
// - H2 Whoever takes room or a value serves the first in the other line in the same step, so values
//   keep the order in which their senders came, and nobody is passed.
// - H3 A waiter's record lies on its stack. Who serves it writes its result there first, then
//   decides its wait (S2), and touches it no more; only the ticket, copied before, is used after
//   that. A waiter whose wait ended otherwise takes the lock and leaves the line before it goes on.
// Lock order: taken alone. Nothing is woken, destroyed or allocated for a value under it.
#pragma once

#include <greenroom/detail/select_case.hpp>
#include <greenroom/detail/spin_lock.hpp>
#include <greenroom/detail/wait_line.hpp>
#include <greenroom/error.hpp>

#include <cstddef>
#include <cstdint>

namespace greenroom::detail {

enum class flow : std::uint8_t { done, not_now, closed, no_memory };

class channel_core;

// Somebody who waits to send or to receive.
struct channel_waiter : line_waiter {
  std::uint64_t word = 0;  // to be sent, or received
  flow how = flow::not_now;
};

// capacity 0: a rendezvous; or unbounded. One sender and one receiver are counted. `destroy`: for
// words that reach nobody; null if they need none. Null when memory is out.
channel_core* make_channel(std::uint32_t capacity, void (*destroy)(std::uint64_t word)) noexcept;

void add_sender(channel_core* c) noexcept;
void add_receiver(channel_core* c) noexcept;
// The last sender closes it: receivers get what is left, then `closed`. The last receiver closes it
// too: senders get `closed`, and what is left is destroyed. The last of all frees it.
void drop_sender(channel_core* c) noexcept;
void drop_receiver(channel_core* c) noexcept;

// Waits for room, or a partner, until the deadline. The word is the caller's again unless it says
// that it was sent. Errors: closed, timeout, cancelled, no_memory.
status channel_send(channel_core* c, std::uint64_t word, time_point deadline);
flow channel_try_send(channel_core* c, std::uint64_t word) noexcept;
// Waits for a value. Errors: closed (and nothing is left), timeout, cancelled.
status channel_receive(channel_core* c, std::uint64_t& word, time_point deadline);
flow channel_try_receive(channel_core* c, std::uint64_t& word) noexcept;
// As channel_receive, for who cannot report anything but the end (false): throws.
bool channel_next(channel_core* c, std::uint64_t& word);

std::size_t channel_size(const channel_core* c) noexcept;
std::uint32_t channel_capacity(const channel_core* c) noexcept;
bool channel_closed_for_senders(const channel_core* c) noexcept;
// No sender is left, nor a value.
bool channel_drained(const channel_core* c) noexcept;

// For cases of a select: stands in line unless there is something to try. A waiter of the same
// green thread is no partner.
bool channel_line_up(channel_core* c, channel_waiter& w, bool to_send) noexcept;
void channel_step_back(channel_core* c, channel_waiter& w, bool to_send) noexcept;
// For a case that waits for the end alone.
bool channel_line_up_for_end(channel_core* c, channel_waiter& w, bool senders) noexcept;
void channel_step_back_from_end(channel_core* c, channel_waiter& w) noexcept;

}  // namespace greenroom::detail
