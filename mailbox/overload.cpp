// SPDX-License-Identifier: Apache-2.0
// Mailboxes with rules: those that fail or drop instead of letting senders wait, and those that
// tell how full they are.
//
// Their senders come here by the way that those to a full mailbox take: the room that push() is
// told of is less than there is, or the `waiters` bit is set. So other mailboxes pay nothing.
// M8: in a mailbox that drops its oldest, the bit is always set, so the receiver handles nothing in
// place and takes one message at a time, under cold::lock, from the list `first`. A sender that
// finds it full replaces, under the lock, all nodes in the inbox by its own, moves them to the end
// of that list, and drops the first that has no room of its own. So senders never leave the word
// without a node: a receiver that finds neither node nor list may rest by M1, or end by M7.
// M9: while the depth is at the high mark or has not come down to the low one since, `above` and
// the bit are set: the bit in the step that raises the depth to the mark, `above` before the lock
// is let go that every push from there on takes. Room is given back by a step that sees the bit.
// Rejected: letting the receiver drop what is too much. It may be busy for ever.
// Lock order: cold::lock is the only lock taken here.
#include "overload.hpp"

#include <new>
#include <utility>

namespace greenroom::detail {

namespace {

bool has_own_room(const node* n) noexcept { return (inbox::tag_of(n) & own_room_bit) != 0; }

void set_next(node* n, node* next) noexcept {
  n->link.set((std::uint64_t{inbox::tag_of(n)} << 48) | reinterpret_cast<std::uint64_t>(next));
}

// All nodes that a word showed before they were taken out.
void append(overload_rules& r, node* oldest, std::uint64_t word) noexcept {
  if (oldest == nullptr) return;
  if (r.last == nullptr)
    r.first = oldest;
  else
    set_next(r.last, oldest);
  r.last = inbox::node_in(word);
}

// `before`: the one that stands before it, or null.
void unlink(overload_rules& r, node* before, node* n) noexcept {
  node* after = inbox::next_of(n);
  if (before == nullptr)
    r.first = after;
  else
    set_next(before, after);
  if (r.last == n) r.last = before;
  if (r.kept == n) r.kept = before;
}

std::uint32_t plain_tag(const node* n) noexcept { return inbox::tag_of(n) & ~own_room_bit; }

node* pop_first(overload_rules& r) noexcept {
  node* n = r.first;
  if (n == nullptr) return nullptr;
  unlink(r, nullptr, n);
  n->link.set(std::uint64_t{plain_tag(n)} << 48);
  return n;
}

// The oldest of the highest lane. Few actors have both lanes and this policy, so it is looked for.
node* pop_preferred(const cell* c, overload_rules& r) noexcept {
  node* before_best = nullptr;
  node* best = nullptr;
  lane_number lane = lane_number::normal;
  node* before = nullptr;
  for (node* n = r.first; n != nullptr; before = n, n = inbox::next_of(n)) {
    const lane_number its_lane = ops_of(c).types[plain_tag(n)]->lane;
    if (best != nullptr && its_lane <= lane) continue;
    before_best = before;
    best = n;
    lane = its_lane;
  }
  if (best == nullptr) return nullptr;
  unlink(r, before_best, best);
  best->link.set(std::uint64_t{plain_tag(best)} << 48);
  return best;
}

// The oldest without room of its own. Those before it are looked at once: `kept` remembers them.
node* pop_droppable(overload_rules& r) noexcept {
  node* before = r.kept;
  node* n = before == nullptr ? r.first : inbox::next_of(before);
  for (; n != nullptr && has_own_room(n); n = inbox::next_of(n)) before = n;
  r.kept = before;
  if (n != nullptr) unlink(r, before, n);
  return n;
}

// REQUIRES: the lock. The newest always gets in: where nothing may be dropped, past the capacity.
admitted push_for_oldest(cell* c, overload_rules& r, node* n, std::uint32_t tag,
                         node*& victim) noexcept {
  std::uint64_t before;
  const admitted how = c->in.replace(n, tag, before);
  if (how == admitted::closed) return how;
  append(r, inbox::oldest_in(before), before);
  victim = pop_droppable(r);
  if (victim != nullptr) c->in.give_back(1);
  return how;
}

bool calls_due(const overload_rules& r) noexcept { return r.called != r.crossings && !r.calling; }

}  // namespace

bool make_rules(cell* c, cold* more, const spawn_options& how, std::uint32_t capacity) noexcept {
  auto* r = new (std::nothrow) overload_rules;
  if (r == nullptr) return false;
  more->rules = r;
  r->policy = how.overload;
  r->capacity = static_cast<std::uint16_t>(capacity);
  r->high = static_cast<std::uint16_t>(how.marks.high < capacity ? how.marks.high : capacity);
  r->low = static_cast<std::uint16_t>(how.marks.low < capacity ? how.marks.low : capacity);
  r->on_dropped = how.on_dropped;
  r->on_high = how.marks.on_high;
  r->on_low = how.marks.on_low;
  // The message that makes it `high` must look at the rules.
  if (r->high > 1) c->capacity = static_cast<std::uint16_t>(r->high - 1);
  r->always = r->policy == overload::drop_oldest || r->high == 1;
  if (r->always) c->in.raise(inbox::waiters);
  return true;
}

admitted push_by_rules(cell* c, overload_rules& r, node* n, std::uint32_t tag,
                       bool own_room) noexcept {
  const bool drops_oldest = r.policy == overload::drop_oldest;
  admitted how = admitted::full;
  // Nobody ever stands in line there. Up to the mark, or to the capacity, the lock is not needed.
  if (drops_oldest && !own_room && r.high != 1) how = c->in.push(n, tag, c->capacity, true);
  cold* more = c->more.load(sync::memory_order_acquire);
  node* victim = nullptr;
  bool due = false;
  if (how == admitted::full) {
    const spin_guard guard(more->lock);
    if (more->first != nullptr && !own_room) return admitted::full;  // M5
    const std::uint32_t room = own_room ? depth_max : r.capacity;
    const std::uint32_t its_tag = own_room && drops_oldest ? tag | own_room_bit : tag;
    std::uint32_t depth = 0;
    how = c->in.push_marked(n, its_tag, room, r.high, depth);
    if (how == admitted::full && drops_oldest && !own_room)
      how = push_for_oldest(c, r, n, tag, victim);
    if (r.high != 0 && depth >= r.high && !r.above) {  // M9
      r.above = true;
      ++r.crossings;
    }
    due = calls_due(r);
  }
  if (how == admitted::first) {
    first_message(c);
    how = admitted::queued;
  }
  if (victim != nullptr) drop_message(c, r, victim, inbox::tag_of(victim));
  if (due) tell_marks(more, r);
  return how;
}

bool push_own_lane(cell* c, node* n, std::uint32_t tag) noexcept {
  return c->in.push_system(n, drops_oldest(c) ? tag | own_room_bit : tag);
}

void drop_message(const cell* c, overload_rules& r, node* n, std::uint32_t tag) noexcept {
  const message_type& type = *ops_of(c).types[tag];
  r.dropped.fetch_add(1, sync::memory_order_relaxed);
  count_dead(c, dead_letter::dropped, &type);
  destroy_message(type, n, error::dropped);
  r.on_dropped({name_of(c), type.name(), r.policy});
}

// The order of the calls is that of the crossings. Whoever is at it makes those that come due
// meanwhile as well, so that they are by turns and one at a time.
void tell_marks(cold* more, overload_rules& r) noexcept {
  for (;;) {
    bool rises = false;
    {
      const spin_guard guard(more->lock);
      if (!calls_due(r)) return;
      r.calling = true;
      rises = r.called % 2 == 0;
      ++r.called;
    }
    (rises ? r.on_high : r.on_low)();
    const spin_guard guard(more->lock);
    r.calling = false;
  }
}

void look_for_low(const cell* c, overload_rules& r) noexcept {
  if (!r.above || inbox::depth_in(c->in.look()) > r.low) return;
  r.above = false;
  ++r.crossings;
}

node* take_oldest(cell* c) noexcept {
  overload_rules* r = rules_of(c);
  if (r == nullptr || r->policy != overload::drop_oldest) return nullptr;
  const spin_guard guard(c->more.load(sync::memory_order_relaxed)->lock);
  // relaxed: the actor's own bit.
  const bool by_lanes = (c->control.load(sync::memory_order_relaxed) & control_lanes) != 0;
  if (by_lanes || r->first == nullptr) {
    std::uint64_t before;
    node* oldest = c->in.take(0, before);
    append(*r, oldest, before);
  }
  return by_lanes ? pop_preferred(c, *r) : pop_first(*r);
}

void end_marks(cell* c) noexcept {
  overload_rules* r = rules_of(c);
  if (r == nullptr || r->high == 0) return;
  cold* more = c->more.load(sync::memory_order_relaxed);
  {
    const spin_guard guard(more->lock);
    if (r->above) ++r->crossings;
    r->above = false;
  }
  tell_marks(more, *r);
}

std::uint64_t dropped_by(const cell* c) noexcept {
  const overload_rules* r = rules_of(c);
  return r == nullptr ? 0 : r->dropped.load(sync::memory_order_relaxed);
}

}  // namespace greenroom::detail

namespace greenroom {

const char* name_of(overload policy) noexcept {
  static constexpr const char* names[] = {"wait", "fail", "drop_newest", "drop_oldest"};
  return names[static_cast<std::uint8_t>(policy)];
}

}  // namespace greenroom
