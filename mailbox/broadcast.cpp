// SPDX-License-Identifier: Apache-2.0
// The receiving side of a broadcast, and its beginning and end. E1 to E6 stand in README.md.
#include "broadcast.hpp"

#include <bit>
#include <cstdio>
#include <new>
#include <stdexcept>
#include <string>

namespace greenroom::detail {

namespace {

constexpr wait_reason receiving{"receive from a broadcast"};

error lagged_by(std::uint64_t n) {
  char text[64];
  std::snprintf(text, sizeof text, "lagged: %llu %s missed", static_cast<unsigned long long>(n),
                n == 1 ? "value was" : "values were");
  return {error::lagged, text};
}

void append(broadcast_core* c, subscription* s) noexcept GREENROOM_REQUIRES(c->lock) {
  s->before = c->last_subscription;
  (c->last_subscription == nullptr ? c->subscriptions : c->last_subscription->next) = s;
  c->last_subscription = s;
}

void remove(broadcast_core* c, subscription* s) noexcept GREENROOM_REQUIRES(c->lock) {
  (s->before == nullptr ? c->subscriptions : s->before->next) = s->next;
  (s->next == nullptr ? c->last_subscription : s->next->before) = s->before;
  if (c->walked == s) c->walked = s->next;
}

}  // namespace

broadcast_core* make_broadcast(std::uint32_t capacity, slow policy,
                               void (*destroy)(node*) noexcept) {
  if (capacity == 0 || capacity > broadcast_capacity_max)
    throw std::invalid_argument("greenroom: broadcast with a capacity of " +
                                std::to_string(capacity) + ": it must lie between 1 and 2^20");
  const std::uint32_t size = std::bit_ceil(capacity);
  auto* ring = new node* [size] {};
  auto* c = new (std::nothrow) broadcast_core(capacity, size - 1, policy, ring, destroy);
  if (c == nullptr) {
    delete[] ring;
    throw_no_memory();
  }
  return c;
}

void broadcast_core::drop_end() noexcept {
  {
    const spin_guard guard(lock);
    if (--ends != 0) return;
  }
  for (std::uint32_t i = 0; i <= mask; ++i)
    if (ring[i] != nullptr) let_go(ring[i], destroy);
  delete this;
}

void broadcast_add_sender(broadcast_core* c) noexcept {
  const spin_guard guard(c->lock);
  ++c->senders;
  ++c->ends;
}

void broadcast_drop_sender(broadcast_core* c) noexcept {
  bool closes = false;
  {
    const spin_guard guard(c->lock);
    closes = --c->senders == 0;
  }
  if (closes) broadcast_close(c);
  c->drop_end();
}

std::size_t broadcast_receivers(broadcast_core* c) noexcept {
  const spin_guard guard(c->lock);
  return c->receivers;
}

// E5: wakes those who have seen all below a position.
void broadcast_core::wake_receivers(std::uint64_t below) noexcept {
  for (bool more = true; more;) {
    some_to_wake some;
    {
      const spin_guard guard(lock);
      more = some.take(receivers_waiting, below);
    }
    some.wake_all();
  }
}

// ---- subscriptions

subscription* subscribe(broadcast_core* c) {
  auto* s = new (std::nothrow) subscription;
  if (s == nullptr) throw_no_memory();
  s->core = c;
  const spin_guard guard(c->lock);
  s->position.store(c->tail.load(sync::memory_order_relaxed), sync::memory_order_relaxed);
  append(c, s);
  ++c->receivers;
  ++c->ends;
  return s;
}

subscription* subscribe(const subscription* other) { return subscribe(other->core); }

void unsubscribe(subscription* s) noexcept {
  broadcast_core* c = s->core;
  bool room = false;
  wait_ticket ticket;
  {
    const spin_guard guard(c->lock);
    remove(c, s);
    --c->receivers;
    room = c->not_awaited(s);
    ticket = c->room_ticket;
  }
  if (room) wake(ticket);
  delete s;
  c->drop_end();
}

std::uint64_t broadcast_missed(const subscription* s) noexcept { return s->missed; }

// The node, null if there is none yet; E2 keeps it where it is.
static std::expected<node*, error> look_without_lock(subscription* s) noexcept {
  broadcast_core* c = s->core;
  const std::uint64_t at = s->position.load(sync::memory_order_relaxed);
  // acquire: pairs with the release in publish().
  if (GREENROOM_LIKELY(at != c->tail.load(sync::memory_order_acquire)))
    return c->ring[at & c->mask];
  // acquire: what was sent before the close is seen by the second look.
  if (!c->closed.load(sync::memory_order_acquire)) return std::unexpected(error(error::empty));
  if (at != c->tail.load(sync::memory_order_acquire)) return c->ring[at & c->mask];
  return std::unexpected(error(error::closed));
}

// The same where senders do not wait: the value is counted, for its place may be taken (E4).
static std::expected<node*, error> look_under_lock(subscription* s) {
  broadcast_core* c = s->core;
  if (s->cut_off) return std::unexpected(error(error::closed));
  const std::uint64_t at = s->position.load(sync::memory_order_relaxed);
  std::uint64_t lag = 0;
  {
    const spin_guard guard(c->lock);
    const std::uint64_t tail = c->tail.load(sync::memory_order_relaxed);
    if (tail - at <= c->capacity) {
      if (tail == at)
        return std::unexpected(
            error(c->closed.load(sync::memory_order_relaxed) ? error::closed : error::empty));
      node* n = c->ring[at & c->mask];
      count_up(n);
      return n;
    }
    lag = tail - at - c->capacity;
  }
  s->cut_off = c->policy == slow::disconnect;
  s->position.store(at + lag, sync::memory_order_relaxed);
  s->missed += lag;
  return std::unexpected(lagged_by(lag));
}

std::expected<node*, error> broadcast_look(subscription* s) {
  return s->core->policy == slow::wait ? look_without_lock(s) : look_under_lock(s);
}

GREENROOM_COLD static void has_moved(subscription* s) noexcept {
  broadcast_core* c = s->core;
  bool room = false;
  wait_ticket ticket;
  {
    const spin_guard guard(c->lock);
    room = c->not_awaited(s);
    ticket = c->room_ticket;
  }
  if (room) wake_bound(ticket);
}

void broadcast_next(subscription* s, node* n, bool done) noexcept {
  const std::uint64_t next =
      s->position.load(sync::memory_order_relaxed) + static_cast<std::uint64_t>(done);
  if (s->core->policy != slow::wait) {
    s->position.store(next, sync::memory_order_relaxed);
    let_go(n, s->core->destroy);
    return;
  }
  if (!done) return;
  if (GREENROOM_LIKELY(s->core->has_heavy_fence)) {
    // release: pairs with the acquire of the sender that then writes the place.
    s->position.store(next, sync::memory_order_release);
    sync::fence_light();  // E3
  } else {
    s->position.exchange(next, sync::memory_order_seq_cst);  // E3
  }
  if (GREENROOM_UNLIKELY(s->awaited.load(sync::memory_order_seq_cst))) has_moved(s);
}

bool broadcast_enlist(subscription* s, numbered_waiter& w) noexcept {
  broadcast_core* c = s->core;
  const spin_guard guard(c->lock);
  w.at = s->position.load(sync::memory_order_relaxed);
  if (s->cut_off || w.at != c->tail.load(sync::memory_order_relaxed) ||
      c->closed.load(sync::memory_order_relaxed))
    return false;
  c->receivers_waiting.add(w);
  return true;
}

void broadcast_leave(subscription* s, numbered_waiter& w) noexcept {
  const spin_guard guard(s->core->lock);
  if (w.linked) s->core->receivers_waiting.remove(w);
}

std::expected<node*, error> broadcast_receive(subscription* s, time_point deadline) {
  for (;;) {
    auto got = broadcast_look(s);
    if (GREENROOM_LIKELY(got) || got.error() != error::empty) return got;
    if (report_cancel()) return std::unexpected(error(error::cancelled));
    numbered_waiter w;
    w.ticket = begin_wait(receiving);
    if (!broadcast_enlist(s, w)) {
      if (!abandon()) park();
      continue;
    }
    const std::uint64_t outcome = park(deadline);
    if (outcome == w.value) continue;  // it was taken from the line before
    broadcast_leave(s, w);
    if (outcome != outcome_timeout) continue;
    got = broadcast_look(s);  // it may have come at the last moment
    if (got || got.error() != error::empty) return got;
    return std::unexpected(error(error::timeout));
  }
}

}  // namespace greenroom::detail
