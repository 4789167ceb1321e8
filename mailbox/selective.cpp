// SPDX-License-Identifier: Apache-2.0
// Selective receive: which message is the next one of some types, and what a mailbox does that is
// full of others. What waits for it stands in receive.cpp (select_message). Only the actor itself.
//
// L6  Each message is looked at once and then left in the queue of its type, so a selective receive
//     finds its oldest candidate among the types it wants, however many messages are aside.
// L7  Messages that are left keep their room. Where they fill the mailbox and the receiver would
//     rest, it lends room for one message after the other, up to room_lent_max; then a receive
//     without deadline fails instead of waiting for what cannot come.
// Ideas: Erlang's selective receive; its "receive mark" saves looks for one case, the queues for
// all.
#include "selective.hpp"

#include <greenroom/actor.hpp>

#include <string>

namespace greenroom::detail {

static bool is_wanted(std::uint64_t wanted, const node* n) noexcept {
  return (wanted >> inbox::tag_of(n) & 1) != 0;
}

node* find_wanted(cell* c, std::uint64_t wanted) {
  if ((c->control.load(sync::memory_order_relaxed) & control_lanes) != 0) sort_lanes(c);
  node* n = pop_wanted(c, wanted);
  while (n == nullptr && c->taken != nullptr) {
    node* first = c->taken;
    node* after = inbox::next_of(first);
    if (is_wanted(wanted, first))
      n = first;
    else
      put_aside(c, first);
    c->taken = after;
  }
  if (n != nullptr) count_received(c, inbox::tag_of(n));
  return n;
}

[[noreturn]] static void full_of_others(const cell* c, std::uint64_t wanted, std::size_t held) {
  std::string text = "deadlock: ";
  text += name_of(c);
  text += " waits for ";
  const actor_ops& ops = ops_of(c);
  const char* comma = "";
  for (std::size_t tag = 0; tag < ops.type_count; ++tag) {
    if ((wanted >> tag & 1) == 0) continue;
    text += comma;
    text += "`";
    text += ops.types[tag]->name();
    text += "`";
    comma = " or ";
  }
  text += " and its mailbox (full, ";
  text += std::to_string(c->capacity);
  text += ") holds ";
  text += std::to_string(held);
  text += " messages that it leaves";
  throw error(error::deadlock, text);
}

bool lend_room(cell* c, std::uint64_t wanted, bool may_rest) {
  if (c->capacity == 0) return false;
  lanes* const aside = lanes_if(c);
  const std::uint32_t depth = inbox::depth_in(c->in.look());
  const std::uint32_t full = std::uint32_t{c->capacity} + c->credit;
  if (aside == nullptr || depth < full) return false;
  const std::uint32_t lent = depth - full + 1;
  if (aside->debt + lent > room_lent_max) {
    if (may_rest) return false;
    full_of_others(c, wanted, aside->count);
  }
  aside->debt += lent;
  if ((c->in.give_back(lent) & inbox::waiters) != 0) admit_waiting(c);
  return true;
}

}  // namespace greenroom::detail
