// SPDX-License-Identifier: Apache-2.0
// What few actors need: a name, senders that wait, locals, a stack size. Allocated on first need,
// freed when the cell is.
#pragma once

#include <greenroom/detail/home.hpp>

namespace greenroom::detail {

// Smaller mailboxes give room back before a message is handled, not after.
inline constexpr std::uint16_t in_place_min = 16;

// What the depth may rise to for messages with room of their own.
inline constexpr std::uint32_t depth_max = 65'000;

// A sender that waits for room. It lies on the waiting stack and is unlinked before that goes on.
struct waiting_sender {
  wait_ticket ticket;
  node* message;
  std::uint32_t tag;
  bool is_ask;  // its wait is for the answer: admitting does not end it
  bool linked = false;
  waiting_sender* next = nullptr;
};

// Somebody who waits for the end. It lies on the waiting stack.
struct joiner {
  wait_ticket ticket;
  joiner* next = nullptr;
};

struct cold {
  char* name = nullptr;        // set before the start
  std::size_t stack_size = 0;  // set before the start
  // Lock order: send.cpp's graph lock before this one.
  spin_lock lock;
  waiting_sender* first GREENROOM_GUARDED_BY(lock) = nullptr;  // longest waiting
  waiting_sender* last GREENROOM_GUARDED_BY(lock) = nullptr;
  joiner* joiners GREENROOM_GUARDED_BY(lock) = nullptr;
  error why GREENROOM_GUARDED_BY(lock) = error::closed;  // closed: it ended well
  // The mailbox this actor waits to send to, if it does (under send.cpp's graph lock).
  cell* waits_to = nullptr;
  wait_ticket waits_by;
  const char* waits_with = "";
  // The actor only.
  local_slot* locals = nullptr;
  std::int64_t timed_at_ns = 0;  // see is_fast()
  std::uint32_t untimed = 0;
  bool fast = false;
};

// The cell's, made if there is none. Null when memory is out.
cold* cold_of(cell* c) noexcept;
void free_cold(cold* more) noexcept;
void destroy_locals(local_slot*& first);

// Destroys a message that will not be handled; a request's asker hears `why`.
void destroy_message(const cell* c, node* n, error::code_type why) noexcept;
void destroy_message(const message_type& type, node* n, error::code_type why) noexcept;

// At the end of an actor: tells those who join it. Null: it ended well.
void tell_joiners(cell* c, const error* why) noexcept;

// How many messages may be handled before their room is given back.
inline std::uint32_t credit_max(const cell* c) noexcept {
  constexpr std::uint32_t most = 255;
  const std::uint32_t quarter = c->capacity / 4u;
  if (c->capacity == 0 || quarter > most) return most;
  return quarter == 0 ? 1 : quarter;
}

// Receiver only: hands room to waiting senders, in order.
void admit_waiting(cell* c) noexcept;
void fail_waiting(cell* c, error::code_type why) noexcept;

}  // namespace greenroom::detail
