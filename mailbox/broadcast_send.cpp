// SPDX-License-Identifier: Apache-2.0
// The sending side of a broadcast: writing to the ring, and the look and the wait for room under
// slow::wait. E1 to E6 stand in README.md.
#include "broadcast.hpp"

#include <algorithm>

namespace greenroom::detail {

namespace {

constexpr wait_reason waiting_for_turn{"send to a broadcast, behind other senders"};
constexpr wait_reason waiting_for_room{"send to a broadcast, for its slowest receiver"};
// Subscriptions that are looked at under the lock in one go.
constexpr int stride_max = 32;

enum class outcome : std::uint8_t { sent, closed, no_room, no_turn };

// A broadcast with one sender's turn to look for room. It goes to the next in line when it ends.
class turn {
 public:
  explicit turn(broadcast_core* c) noexcept : core_(c) {}
  turn(const turn&) = delete;
  turn& operator=(const turn&) = delete;
  ~turn() { pass_on(); }

  [[nodiscard]] bool is_ours() const noexcept { return ours_; }
  void came() noexcept { ours_ = true; }
  void pass_on() noexcept;

 private:
  broadcast_core* core_;
  bool ours_ = false;
};

void turn::pass_on() noexcept {
  if (!std::exchange(ours_, false)) return;
  to_resume next;
  {
    const spin_guard guard(core_->lock);
    core_->turn_taken = false;
    while (line_waiter* first = core_->senders_waiting.take()) {
      if (!next.decide(*first)) continue;
      core_->turn_taken = true;
      break;
    }
  }
  next.resume_all();
}

// Under the lock; true if there was room. What stood there before is the caller's.
bool publish(broadcast_core* c, node* n, node*& before) noexcept GREENROOM_REQUIRES(c->lock) {
  const std::uint64_t at = c->tail.load(sync::memory_order_relaxed);
  if (c->policy == slow::wait && at >= c->room_until) return false;
  // Beyond `capacity` positions back nobody reads; the ring may be larger.
  before = std::exchange(c->ring[at & c->mask], n);
  // release: pairs with the acquire of receivers that look without the lock.
  c->tail.store(at + 1, sync::memory_order_release);
  return true;
}

// Writes if it may. Without room, the turn is taken if nobody has it.
outcome attempt_send(broadcast_core* c, node* n, turn& mine) noexcept {
  node* old = nullptr;
  bool to_nobody = false;
  bool wakes = false;
  std::uint64_t tail = 0;
  {
    const spin_guard guard(c->lock);
    if (c->closed.load(sync::memory_order_relaxed)) return outcome::closed;
    to_nobody = c->receivers == 0;
    if (!to_nobody) {
      if (!mine.is_ours() && c->turn_taken) return outcome::no_turn;
      count_first(n);
      if (!publish(c, n, old)) {
        c->turn_taken = true;
        mine.came();
        return outcome::no_room;
      }
      tail = c->tail.load(sync::memory_order_relaxed);
      wakes = !c->receivers_waiting.empty();
    }
  }
  if (wakes) c->wake_receivers(tail);
  if (to_nobody) c->destroy(n);
  if (old != nullptr) let_go(old, c->destroy);
  return outcome::sent;
}

// Calls `each` for every subscription, under the lock, with pauses.
template <class Each>
void for_each_subscription(broadcast_core* c, Each&& each) noexcept {
  bool first = true;
  for (bool more = true; more;) {
    const spin_guard guard(c->lock);
    subscription* s = std::exchange(first, false) ? c->subscriptions : c->walked;
    for (int i = 0; i < stride_max && s != nullptr; ++i) {
      subscription* next = s->next;
      each(s);
      s = next;
    }
    c->walked = s;
    more = s != nullptr;
  }
}

// E2. REQUIRES: our turn, so that the tail stands.
bool look_for_room(broadcast_core* c) noexcept {
  const std::uint64_t tail = c->tail.load(sync::memory_order_relaxed);
  std::uint64_t slowest = tail;
  for_each_subscription(c, [&](subscription* s) {
    // acquire: pairs with the release of the receiver; it has done with what we shall overwrite.
    slowest = std::min(slowest, s->position.load(sync::memory_order_acquire));
  });
  const spin_guard guard(c->lock);
  c->room_until = slowest + c->capacity;
  return c->room_until > tail;
}

// E3. Marks those for whom we wait; how many that were still behind after the marks were to be
// seen, is in `laggards`.
void await_laggards(broadcast_core* c) noexcept {
  const std::uint64_t tail = c->tail.load(sync::memory_order_relaxed);
  const auto is_behind = [&](const subscription* s) {
    return s->position.load(sync::memory_order_seq_cst) + c->capacity <= tail;
  };
  for_each_subscription(c, [&](subscription* s) GREENROOM_NO_LOCK_ANALYSIS {
    if (!is_behind(s)) return;
    s->awaited.exchange(true, sync::memory_order_seq_cst);
    ++c->laggards;
  });
  if (c->has_heavy_fence) sync::fence_heavy();
  for_each_subscription(c, [&](subscription* s) GREENROOM_NO_LOCK_ANALYSIS {
    if (!is_behind(s)) c->not_awaited(s);
  });
}

void await_nobody(broadcast_core* c) noexcept {
  for_each_subscription(c, [&](subscription* s) GREENROOM_NO_LOCK_ANALYSIS { c->not_awaited(s); });
}

// REQUIRES: our turn.
std::uint64_t wait_for_room(broadcast_core* c, time_point deadline) noexcept {
  await_laggards(c);
  const wait_ticket ticket = begin_wait(waiting_for_room);
  bool waits = false;
  {
    const spin_guard guard(c->lock);
    waits = c->laggards != 0 && !c->closed.load(sync::memory_order_relaxed);
    c->room_wanted = waits;
    c->room_ticket = ticket;
  }
  std::uint64_t how = outcome_again;
  if (waits)
    how = park(deadline);
  else if (!abandon())
    park();
  bool left = false;
  {
    const spin_guard guard(c->lock);
    c->room_wanted = false;
    left = c->laggards != 0;
  }
  if (left) await_nobody(c);
  return how;
}

std::uint64_t wait_for_turn(broadcast_core* c, turn& mine, time_point deadline) {
  line_waiter w;
  const std::uint64_t how = wait_in_line(
      waiting_for_turn, w, deadline,
      [&](line_waiter&) {
        const spin_guard guard(c->lock);
        if (!c->turn_taken || c->closed.load(sync::memory_order_relaxed)) return false;
        c->senders_waiting.add(w);
        return true;
      },
      [&](line_waiter&) {
        const spin_guard guard(c->lock);
        if (w.linked) c->senders_waiting.remove(w);
      });
  if (how == w.value) mine.came();
  return how;
}

}  // namespace

status broadcast_send(broadcast_core* c, node* n, time_point deadline) {
  turn mine(c);
  for (;;) {
    const outcome how = attempt_send(c, n, mine);
    if (how == outcome::sent) return {};
    if (how == outcome::closed) return error::closed;
    if (how == outcome::no_room && look_for_room(c)) continue;
    if (report_cancel()) return error::cancelled;
    const std::uint64_t ended =
        how == outcome::no_turn ? wait_for_turn(c, mine, deadline) : wait_for_room(c, deadline);
    if (ended == outcome_timeout) return error::timeout;
  }
}

status broadcast_try_send(broadcast_core* c, node* n) noexcept {
  turn mine(c);
  for (;;) {
    switch (attempt_send(c, n, mine)) {
      case outcome::sent: return {};
      case outcome::closed: return error::closed;
      case outcome::no_turn: return error::full;
      case outcome::no_room: break;
    }
    if (!look_for_room(c)) return error::full;
  }
}

// Senders that wait are told by their next look.
void broadcast_close(broadcast_core* c) noexcept {
  wait_ticket ticket;
  bool waits = false;
  {
    const spin_guard guard(c->lock);
    c->closed.store(true, sync::memory_order_release);
    waits = std::exchange(c->room_wanted, false);
    ticket = c->room_ticket;
  }
  if (waits) wake(ticket);  // its turn then goes to the next in line, who is told as well
  c->wake_receivers(all_numbers);
}

}  // namespace greenroom::detail
