// SPDX-License-Identifier: Apache-2.0
// Messages to come. One counted record for the handle and the alarm.
#include "overload.hpp"

#include <greenroom/send_after.hpp>

#include <new>
#include <utility>

namespace greenroom::detail {

struct delayed {
  sync::atomic<std::uint32_t> references{2};  // the handle and the pending alarm
  cell* to = nullptr;                         // a weak reference
  std::uint32_t tag = 0;
  duration period{};
  node* (*copy)(const node*) = nullptr;

  spin_lock lock;
  node* message GREENROOM_GUARDED_BY(lock) = nullptr;  // null: sent, cancelled, or out
  bool is_out GREENROOM_GUARDED_BY(lock) = false;      // being copied and sent at this moment
  bool is_cancelled GREENROOM_GUARDED_BY(lock) = false;
  time_point when GREENROOM_GUARDED_BY(lock);
  alarm_handle pending GREENROOM_GUARDED_BY(lock);
};

void add_delayed(delayed* d) noexcept { d->references.fetch_add(1, sync::memory_order_relaxed); }

void drop_delayed(delayed* d) noexcept {
  // acq_rel: the last owner sees all use by the others.
  if (d->references.fetch_sub(1, sync::memory_order_acq_rel) != 1) return;
  drop_reference(d->to);
  delete d;
}

// Room of its own: past a full mailbox and past senders that wait, up to what the depth can count.
bool post_own_room(cell* c, node* n, std::uint32_t tag) noexcept {
  overload_rules* r = rules_of(c);
  switch (r != nullptr ? push_by_rules(c, *r, n, tag, true)
                       : c->in.push(n, tag, c->capacity == 0 ? 0 : depth_max, true)) {
    case admitted::first: first_message(c); return true;
    case admitted::queued: return true;
    case admitted::closed:
      n->link.set(std::uint64_t{tag} << 48);
      count_dead(c, dead_letter::closed, ops_of(c).types[tag]);
      destroy_message(c, n, error::closed);
      return true;
    case admitted::full: break;
  }
  n->link.set(std::uint64_t{tag} << 48);
  return false;
}

// The mailbox is closed: what was to come is a dead letter, unless it was cancelled before.
static void give_up_delayed(delayed* d) {
  if (cancel_delayed(d)) count_dead(d->to, dead_letter::closed, ops_of(d->to).types[d->tag]);
  drop_delayed(d);
}

// On the loop's stack, where nothing may be thrown. Null: no copy, for want of memory it may be.
static node* copy_of(const delayed* d, const node* message) noexcept {
  try {
    return d->copy(message);
  } catch (...) { return nullptr; }
}

// The message is taken out while it is copied and sent, for that runs user code (a copy
// constructor) and must not hold the lock.
static void fire_delayed(void* argument) {
  auto* d = static_cast<delayed*>(argument);
  if (!try_add_address(d->to)) {
    give_up_delayed(d);
    return;
  }
  cell* c = d->to;
  const bool repeats = d->copy != nullptr;
  if (repeats && (c->in.look() & inbox::closed) != 0) {
    drop_address(c);
    give_up_delayed(d);
    return;
  }
  node* mine = nullptr;
  {
    const spin_guard guard(d->lock);
    mine = std::exchange(d->message, nullptr);
    d->is_out = mine != nullptr;
  }
  bool again = false;
  if (mine != nullptr) {
    node* n = repeats ? copy_of(d, mine) : mine;
    const bool sent = n != nullptr && post_own_room(c, n, d->tag);
    if (repeats && !sent && n != nullptr) destroy_message(c, n, error::full);
    if (sent && !repeats) mine = nullptr;
    const spin_guard guard(d->lock);
    d->is_out = false;
    if (mine != nullptr && !d->is_cancelled) {
      // Not sent: out of memory, or tens of thousands of unhandled timer messages. Soon again.
      const time_point t = now();
      d->when = sent ? d->when + d->period : t + std::chrono::milliseconds(1);
      if (d->when <= t) d->when = t + d->period;
      d->pending = start_alarm(home_of(c)->runs_on, d->when, fire_delayed, d);
      again = d->pending.what != nullptr;
      if (again) d->message = std::exchange(mine, nullptr);
    }
  }
  if (mine != nullptr) {
    destroy_message(c, mine, error::closed);
    // Else the alarm could not be set again: out of memory.
    if (!d->is_cancelled) count_dead(c, dead_letter::closed, ops_of(c).types[d->tag]);
  }
  drop_address(c);
  if (!again) drop_delayed(d);
}

delayed* start_delayed(cell* to, node* n, std::uint32_t tag, time_point when, duration period,
                       node* (*copy)(const node*)) {
  n->link.set(static_cast<std::uint64_t>(tag) << 48);
  if ((to->in.look() & inbox::closed) != 0) {
    count_dead(to, dead_letter::closed, ops_of(to).types[tag]);
    destroy_message(to, n, error::closed);
    return nullptr;
  }
  auto* d = new (std::nothrow) delayed;
  if (d == nullptr) {
    count_dead(to, dead_letter::full);
    destroy_message(to, n, error::no_memory);
    return nullptr;
  }
  add_reference(to);
  d->to = to;
  d->tag = tag;
  d->period = period;
  d->copy = copy;
  {
    const spin_guard guard(d->lock);
    d->message = n;
    d->when = when;
    d->pending = start_alarm(home_of(to)->runs_on, when, fire_delayed, d);
    if (d->pending.what != nullptr) return d;
  }
  // No alarm: nobody else has seen it.
  count_dead(to, dead_letter::full);
  destroy_message(to, n, error::no_memory);
  drop_reference(to);
  delete d;
  return nullptr;
}

bool cancel_delayed(delayed* d) noexcept {
  node* n = nullptr;
  bool stopped = false;
  bool had_one = false;
  {
    const spin_guard guard(d->lock);
    n = std::exchange(d->message, nullptr);
    // A beat that is out may still arrive, but no later one.
    had_one = n != nullptr || (d->is_out && d->copy != nullptr && !d->is_cancelled);
    d->is_cancelled = true;
    stopped = cancel_alarm(d->pending);
  }
  if (n != nullptr) destroy_message(d->to, n, error::closed);
  if (stopped) drop_delayed(d);
  return had_one;
}

}  // namespace greenroom::detail
