// SPDX-License-Identifier: Apache-2.0
// Messages put aside: by a selective receive that leaves them, by lanes, by unstash(). A queue for
// each message type, and numbers that tell the order between them. Only the actor itself.
//
// L1  What is aside was admitted before all that stands in cell::taken, and that before all in the
//     inbox, or it was unstashed; so who takes from aside first keeps the order of admission.
//     Where there are urgent types, all that was taken is moved here before one is chosen.
// L2  control_aside is set exactly while something is aside. With it set no receiver rests over
//     the message it handled in place, and a plain receive looks here first.
// L3  Each message that comes out of the mailbox either pays `debt` or counts as credit. The debt
//     is the room that was given back for messages still here; it never exceeds their number.
//
// A node is not made larger for its number: in its queue the type is known, so the 16 bits of its
// tag hold how much higher the next one's number is. For the rare step that does not fit, a node
// with the whole number stands between the two (its step is 0).
#pragma once

#include "cold.hpp"

namespace greenroom::detail {

// Messages that a selective receive leaves may stand in a full mailbox; so many more are let in,
// one at a time, to find the one that it waits for.
inline constexpr std::uint32_t room_lent_max = 1024;
// Messages that an actor may hold in its stash.
inline constexpr std::uint32_t stash_max = 16'384;

struct lane_queue {
  node* first = nullptr;
  node* last = nullptr;
  std::uint64_t first_number = 0;
  std::uint64_t last_number = 0;
};

struct lanes {
  std::uint64_t filled = 0;  // a bit for each tag with messages aside
  std::uint64_t urgent = 0;  // a bit for each tag of the urgent lane
  std::uint64_t system = 0;  // and of the system lane
  std::uint64_t oldest = 0;  // all numbers are in [oldest, next)
  std::uint64_t next = 0;
  std::uint64_t looks = 0;    // messages that were looked at, for tests
  std::size_t count = 0;      // aside
  std::uint32_t debt = 0;     // L3
  std::uint32_t stashed = 0;  // in the stash
  node* stash = nullptr;      // newest first
  lane_queue* of = nullptr;   // by tag
};

// The actor's, made if there is none. Null when memory is out.
lanes* lanes_of(cell* c) noexcept;
inline lanes* lanes_if(const cell* c) noexcept {
  const cold* more = c->more.load(sync::memory_order_acquire);
  return more == nullptr ? nullptr : more->aside;
}

// The newest or the oldest from now on. Throw std::bad_alloc and have changed nothing.
void put_aside(cell* c, node* n);
void put_back(cell* c, lanes& aside, node* n);
// The oldest urgent one of these types, else the oldest; null: there is none. Its tag is set again.
node* pop_aside(cell* c, std::uint64_t wanted) noexcept;
// The same, without what was taken back meanwhile (demonitor).
node* pop_wanted(cell* c, std::uint64_t wanted) noexcept;
// Puts all that was taken aside, oldest first.
void put_taken_aside(cell* c);
// The same, and all in the inbox, unless a single message there is all there is.
void sort_lanes(cell* c);
// A message with this tag comes out of the mailbox (L3). One of the system lane never had room.
void count_received(cell* c, std::uint32_t tag) noexcept;

void give_credit(cell* c) noexcept;  // receive.cpp
bool count_handled(cell* c) noexcept;

}  // namespace greenroom::detail
