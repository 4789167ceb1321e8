// SPDX-License-Identifier: Apache-2.0
// The rules of a mailbox that does more than to let senders wait: overload.cpp. A mailbox without
// rules knows nothing of this, and pays nothing.
#pragma once

#include "cold.hpp"

namespace greenroom::detail {

// Messages with room of their own are never dropped. Their tag has this bit while they stand in a
// mailbox that drops its oldest; who takes one for good removes it.
inline constexpr std::uint32_t own_room_bit = 0x8000;

struct overload_rules {
  // Set before the start.
  overload policy = overload::wait;
  std::uint16_t capacity = 0;  // cell::capacity is what may come without a look at the rules
  std::uint16_t high = 0;      // 0: no marks
  std::uint16_t low = 0;
  bool always = false;  // the inbox's `waiters` bit is never lowered
  drop_handler on_dropped;
  callback<> on_high;
  callback<> on_low;
  // Any thread.
  sync::atomic<std::uint64_t> dropped{0};
  // Under cold::lock, all of it.
  bool above = false;           // the depth has reached high, and not been at low since
  bool calling = false;         // somebody calls on_high or on_low
  std::uint32_t crossings = 0;  // of marks; the first rises, and so by turns
  std::uint32_t called = 0;     // for so many of them
  node* first = nullptr;        // drop_oldest: taken out of the inbox, oldest first
  node* last = nullptr;
  node* kept = nullptr;  // the last of those at its head that are not dropped
};

inline overload_rules* rules_of(const cell* c) noexcept {
  const cold* more = c->more.load(sync::memory_order_acquire);
  return more == nullptr ? nullptr : more->rules;
}
inline bool drops_oldest(const cell* c) noexcept {
  const overload_rules* r = rules_of(c);
  return r != nullptr && r->policy == overload::drop_oldest;
}
inline std::uint32_t capacity_of(const cell* c) noexcept {
  const overload_rules* r = rules_of(c);
  return r == nullptr ? c->capacity : r->capacity;
}

// At the spawn of an actor with a bounded mailbox: false when memory is out.
bool make_rules(cell* c, cold* more, const spawn_options& how, std::uint32_t capacity) noexcept;

// Puts the message in as far as the rules allow, and makes the receiver runnable. Never waits.
// `own_room`: a timer message. Full: the policy is to wait, to fail or to drop this one.
admitted push_by_rules(cell* c, overload_rules& r, node* n, std::uint32_t tag,
                       bool own_room) noexcept;

// A message of the system lane, to an actor that has not ended; under the lock. True: make the
// receiver runnable.
bool push_own_lane(cell* c, node* n, std::uint32_t tag) noexcept;

// A message goes because the mailbox is full. Runs user code: not under a lock.
void drop_message(const cell* c, overload_rules& r, node* n, std::uint32_t tag) noexcept;

// Under the lock, after room was given back: has the depth come down to the low mark?
void look_for_low(const cell* c, overload_rules& r) noexcept;
// Makes the calls that are due to on_high and on_low. Not under a lock.
void tell_marks(cold* more, overload_rules& r) noexcept;

// ---- the receiver; nothing is done in a mailbox without rules

// The next message where the oldest are dropped, out of the inbox and alone: the oldest, of the
// first lane that has one. Null: none, or no such mailbox.
node* take_oldest(cell* c) noexcept;
// At the end of its actor: who was told that it is too full hears that it is not.
void end_marks(cell* c) noexcept;

}  // namespace greenroom::detail
