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

struct overload_rules;
struct lanes;       // lanes.hpp
struct idle_watch;  // idle.cpp

struct cold {
  char* name = nullptr;             // set before the start
  std::size_t stack_size = 0;       // set before the start
  overload_rules* rules = nullptr;  // set before the start
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
  // The select that waits for a message, too (select_mailbox.cpp).
  wait_ticket select_ticket GREENROOM_GUARDED_BY(lock);
  std::uint64_t select_value GREENROOM_GUARDED_BY(lock) = 0;
  bool select_told GREENROOM_GUARDED_BY(lock) = false;
  // Made by the actor, once; used by those who cancel it. seq_cst: see stop_token.hpp.
  sync::atomic<stop_hook*> on_stop{nullptr};
  // The actor only.
  local_slot* locals = nullptr;
  std::int64_t timed_at_ns = 0;  // see is_fast()
  std::uint32_t untimed = 0;
  bool fast = false;
  lanes* aside = nullptr;
  idle_watch* idle = nullptr;
};

// What a wait tells of itself: on whom, and with which message (a tag). Cells are aligned to 16.
enum class wait_kind : std::uint8_t { ask, send, join };
inline wait_word wait_on(const cell* c, wait_kind kind, std::uint32_t tag) noexcept {
  return {reinterpret_cast<std::uint64_t>(c) | std::uint64_t{tag} << 48 |
          static_cast<std::uint64_t>(kind) << 1 | 1};
}
inline cell* waits_on(std::uint64_t word) noexcept {
  return reinterpret_cast<cell*>(word & inbox::node_mask);
}
inline wait_kind wait_kind_of(std::uint64_t word) noexcept {
  return static_cast<wait_kind>((word & 15) >> 1);
}

// The cell's, made if there is none. Null when memory is out.
cold* cold_of(cell* c) noexcept;
void free_cold(cold* more) noexcept;
void destroy_locals(local_slot*& first);

// Destroys a message that will not be handled; a request's asker hears `why`.
void destroy_message(const cell* c, node* n, error::code_type why) noexcept;
void destroy_message(const message_type& type, node* n, error::code_type why) noexcept;

// The mailbox of an actor that waits in a select has been woken; the caller cleared `idle` (M2).
void tell_select(cell* c) noexcept;

// At the end of an actor: tells those who join it. Null: it ended well.
void tell_joiners(cell* c, const error* why) noexcept;

// The actor itself only: is there something to obey before its next message?
inline constexpr std::uint32_t control_orders =
    control_stop | control_cancel | control_slice | control_bounded;
inline bool control_due(const cell* c) noexcept {
  return GREENROOM_UNLIKELY((c->control.load(sync::memory_order_relaxed) & control_orders) != 0);
}
// True when it is to stop; throws `cancelled`; lets others run when the watchdog wants it.
bool obey(cell* c);
void give_credit(cell* c) noexcept;

// How many messages may be handled before their room is given back.
inline std::uint32_t credit_max(const cell* c) noexcept {
  constexpr std::uint32_t most = 255;
  const std::uint32_t quarter = c->capacity / 4u;
  if (c->capacity == 0 || quarter > most) return most;
  return quarter == 0 ? 1 : quarter;
}

// For an actor with messages aside, urgent types, or a watch on its idle time: what its turn
// handles next; null: nothing, or one message that stands alone in the inbox.
node* next_in_order(cell* c);
// Nothing else is to be done: its greenroom::idle, if that is due. And it will have something to
// do.
node* idle_due(cell* c, idle_watch& watch) noexcept;
void note_busy(idle_watch& watch) noexcept;
void stop_idle(cell* c) noexcept;
// At the end of an actor: what was put aside or stashed, as a list, oldest first.
node* take_aside(cell* c) noexcept;
void free_lanes(lanes* aside) noexcept;
std::size_t size_aside(const cell* c) noexcept;  // messages aside without room of their own

// Receiver only: hands room to waiting senders, in order.
void admit_waiting(cell* c) noexcept;
void fail_waiting(cell* c, error::code_type why) noexcept;

}  // namespace greenroom::detail
