// SPDX-License-Identifier: Apache-2.0
// What few actors need: a name, senders that wait, locals, a stack size. Allocated on first need,
// freed when the cell is.
#pragma once

#include <greenroom/detail/home.hpp>
#include <greenroom/detail/keeper.hpp>
#include <greenroom/exit_reason.hpp>

#include <exception>

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

struct end_hook;  // detail/end_hook.hpp
struct overload_rules;
struct watch_record;  // monitor.cpp
struct lanes;         // lanes.hpp
struct idle_watch;    // idle.cpp

struct cold {
  char* name = nullptr;             // set before the start
  std::size_t stack_size = 0;       // set before the start
  overload_rules* rules = nullptr;  // set before the start
  // Lock order: circles.cpp's graph lock before this one.
  spin_lock lock;
  waiting_sender* first GREENROOM_GUARDED_BY(lock) = nullptr;  // longest waiting
  waiting_sender* last GREENROOM_GUARDED_BY(lock) = nullptr;
  joiner* joiners GREENROOM_GUARDED_BY(lock) = nullptr;
  // Why it ended last, where that is more than the kind in the control word.
  exit_reason why GREENROOM_GUARDED_BY(lock);
  bool refused GREENROOM_GUARDED_BY(lock) = false;  // it never ran, for want of memory
  bool left GREENROOM_GUARDED_BY(lock) = false;     // behind, by its runtime
  // Monitors and links (monitor.cpp): of it, by others; by it, of others.
  watch_record* watchers GREENROOM_GUARDED_BY(lock) = nullptr;
  watch_record* watching GREENROOM_GUARDED_BY(lock) = nullptr;
  bool deaf GREENROOM_GUARDED_BY(lock) = false;          // hears of no end any more
  bool traps GREENROOM_GUARDED_BY(lock) = false;         // exits
  exit_reason order GREENROOM_GUARDED_BY(lock);          // why it was killed; normal: by hand
  keeper* kept_by = nullptr;                             // set before the start
  sync::atomic<bool> for_good{false};                    // its keeper shall not let it run again
  end_hook* hooks GREENROOM_GUARDED_BY(lock) = nullptr;  // newest first
  bool fires GREENROOM_GUARDED_BY(lock) = false;         // one of them, at this moment
  // The select that waits for a message, too (select_mailbox.cpp).
  wait_ticket select_ticket GREENROOM_GUARDED_BY(lock);
  std::uint64_t select_value GREENROOM_GUARDED_BY(lock) = 0;
  bool select_told GREENROOM_GUARDED_BY(lock) = false;
  // Made by the actor, once; used by those who cancel it. seq_cst: see stop_token.hpp.
  sync::atomic<stop_hook*> on_stop{nullptr};
  stop_hook* old_hooks = nullptr;  // of earlier lives; the actor only
  // The actor only.
  // The message whose handler an exception left, and that exception: held, so that no other is
  // taken for it.
  const message_type* crashed = nullptr;
  std::exception_ptr crashed_by;
  local_slot* locals = nullptr;
  std::int64_t timed_at_ns = 0;  // see is_fast()
  std::uint32_t untimed = 0;
  bool fast = false;
  lanes* aside = nullptr;
  idle_watch* idle = nullptr;
};

// How a wait ends for somebody whom the runtime left behind: an ask's outcome for error::shutdown.
inline constexpr std::uint64_t outcome_left = std::uint64_t{16 + error::shutdown} << 4;

// What a wait tells of itself: on whom (a cell, or the mutex), with which message (a tag), and
// whether it is no edge of a circle.
//
//   bit 0  1      bits 1-2  kind      bits 3-47  cell or mutex      bits 48-55  tag      56  loose
enum class wait_kind : std::uint8_t { ask, send, join, lock };
// It has a deadline that its caller relies on; or the answer is promised, so that others may give
// it.
inline constexpr std::uint64_t wait_is_loose = std::uint64_t{1} << 56;
inline wait_word wait_on(const void* what, wait_kind kind, std::uint32_t tag,
                         bool loose = false) noexcept {
  return {reinterpret_cast<std::uint64_t>(what) | std::uint64_t{tag} << 48 |
          static_cast<std::uint64_t>(kind) << 1 | 1 | (loose ? wait_is_loose : 0)};
}
// Not of a lock.
inline cell* waits_on(std::uint64_t word) noexcept {
  return reinterpret_cast<cell*>(word & inbox::node_mask);
}
inline wait_kind wait_kind_of(std::uint64_t word) noexcept {
  return static_cast<wait_kind>((word & 7) >> 1);
}
inline constexpr std::uint64_t wait_mutex_mask = 0x0000'ffff'ffff'fff8;
inline std::uint32_t wait_tag_of(std::uint64_t word) noexcept {
  return static_cast<std::uint32_t>(word >> 48) & 0xff;
}

// Of a message to it, "?" when it has ended. REQUIRES: the caller keeps the cell.
const char* message_name(const cell* c, std::uint32_t tag) noexcept;

// The cell's, made if there is none. Null when memory is out.
cold* cold_of(cell* c) noexcept;
void free_cold(cold* more) noexcept;
void retire_stop_hook(cold* more) noexcept;
void destroy_locals(local_slot*& first);

// A message of the system lane, of which it is told by the library alone.
inline bool is_system(const cell* c, std::uint32_t tag) noexcept {
  return ops_of(c).types[tag]->lane == lane_number::system;
}
// A system message that nobody wants any more (monitor.cpp). The receiver only.
bool was_taken_back(node* n) noexcept;

// So that what stands first is still wanted: for those who look before they take.
void drop_taken_back(cell* c);

// Destroys a message that will not be handled; a request's asker hears `why`.
void destroy_message(const cell* c, node* n, error::code_type why) noexcept;
void destroy_message(const message_type& type, node* n, error::code_type why) noexcept;

// The mailbox of an actor that waits in a select has been woken; the caller cleared `idle` (M2).
void tell_select(cell* c) noexcept;

// At the end of an actor, in this order: keeps its reason, for the record; then it has ended, which
// those who join it are told.
void keep_reason(cell* c, const exit_reason& why) noexcept;
void tell_joiners(cell* c, exit_kind kind) noexcept;
// REQUIRES: it has ended.
exit_reason exit_reason_of(const cell* c) noexcept;

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
