// SPDX-License-Identifier: Apache-2.0
// The latest value of something. G1 and G2 stand in watch.hpp.
#include <greenroom/watch.hpp>

#include "counted_node.hpp"
#include "waiting.hpp"

#include <new>

namespace greenroom::detail {

namespace {

constexpr wait_reason waiting_for_change{"until a watched value changes"};

}  // namespace

struct watch_core {
  watch_core(node* first, void (*destroy_)(node*) noexcept) noexcept
      : destroy(destroy_), latest(first) {}

  void (*const destroy)(node*) noexcept;
  spin_lock lock;
  node* latest GREENROOM_GUARDED_BY(lock);
  std::uint64_t version GREENROOM_GUARDED_BY(lock) = 1;
  std::size_t senders GREENROOM_GUARDED_BY(lock) = 1;
  std::size_t receivers GREENROOM_GUARDED_BY(lock) = 0;
  std::size_t ends GREENROOM_GUARDED_BY(lock) = 1;  // of both kinds; the last one frees it
  bool closed GREENROOM_GUARDED_BY(lock) = false;
  wait_line waiting GREENROOM_GUARDED_BY(lock);

  // Wakes all who wait for a version after those before `now`. REQUIRES: the caller is an end.
  void wake_waiting(std::uint64_t now) noexcept {
    for (bool more = true; more;) {
      some_to_wake some;
      {
        const spin_guard guard(lock);
        more = some.take(waiting, now);
      }
      some.wake_all();
    }
  }
  // One end less. The last frees the state, and the value without the lock.
  void drop(bool sender) noexcept;
};

void watch_core::drop(bool sender) noexcept {
  bool closes = false;
  {
    const spin_guard guard(lock);
    --(sender ? senders : receivers);
    closes = sender && senders == 0 && !closed;
    closed = closed || closes;
  }
  if (closes) wake_waiting(all_numbers);
  node* last = nullptr;
  void (*const destroy_last)(node*) noexcept = destroy;
  {
    const spin_guard guard(lock);
    if (--ends == 0) last = latest;
  }
  if (last == nullptr) return;
  delete this;
  let_go(last, destroy_last);
}

watch_core* make_watch(node* first, void (*destroy)(node*) noexcept) noexcept {
  auto* c = new (std::nothrow) watch_core(first, destroy);
  if (c != nullptr) count_first(first);
  return c;
}

void watch_add_sender(watch_core* c) noexcept {
  const spin_guard guard(c->lock);
  ++c->senders;
  ++c->ends;
}
void watch_add_receiver(watch_core* c) noexcept {
  const spin_guard guard(c->lock);
  ++c->receivers;
  ++c->ends;
}
void watch_drop_sender(watch_core* c) noexcept { c->drop(true); }
void watch_drop_receiver(watch_core* c) noexcept { c->drop(false); }

bool watch_send(watch_core* c, node* n) noexcept {
  node* old = nullptr;
  std::uint64_t now = 0;
  {
    const spin_guard guard(c->lock);
    if (c->closed) return false;
    count_first(n);
    old = std::exchange(c->latest, n);
    now = ++c->version;
  }
  c->wake_waiting(now);
  let_go(old, c->destroy);
  return true;
}

void watch_close(watch_core* c) noexcept {
  {
    const spin_guard guard(c->lock);
    c->closed = true;
  }
  c->wake_waiting(all_numbers);
}

node* watch_get(watch_core* c, std::uint64_t& version) noexcept {
  const spin_guard guard(c->lock);
  version = c->version;
  count_up(c->latest);  // G2
  return c->latest;
}

void watch_let_go(watch_core* c, node* n) noexcept { let_go(n, c->destroy); }

std::uint64_t watch_version(watch_core* c) noexcept {
  const spin_guard guard(c->lock);
  return c->version;
}

bool watch_closed(watch_core* c) noexcept {
  const spin_guard guard(c->lock);
  return c->closed;
}

std::size_t watch_receivers(watch_core* c) noexcept {
  const spin_guard guard(c->lock);
  return c->receivers;
}

// empty: nothing has changed.
status watch_try_changed(watch_core* c, std::uint64_t& seen) noexcept {
  const spin_guard guard(c->lock);
  if (c->version != seen) {
    seen = c->version;
    return {};
  }
  return c->closed ? error::closed : error::empty;
}

bool watch_enlist(watch_core* c, numbered_waiter& w, std::uint64_t seen) noexcept {
  const spin_guard guard(c->lock);
  if (c->version != seen || c->closed) return false;
  w.at = seen;
  c->waiting.add(w);
  return true;
}

void watch_leave(watch_core* c, numbered_waiter& w) noexcept {
  const spin_guard guard(c->lock);
  if (w.linked) c->waiting.remove(w);
}

status watch_changed(watch_core* c, std::uint64_t& seen, time_point deadline) {
  for (;;) {
    status how = watch_try_changed(c, seen);
    if (how || how.error() != error::empty) return how;
    if (report_cancel()) return error::cancelled;
    numbered_waiter w;
    const std::uint64_t outcome = wait_in_line(
        waiting_for_change, w, deadline, [&](line_waiter&) { return watch_enlist(c, w, seen); },
        [&](line_waiter&) { watch_leave(c, w); });
    if (outcome != outcome_timeout) continue;
    how = watch_try_changed(c, seen);  // it may have changed at the last moment
    if (how || how.error() != error::empty) return how;
    return error::timeout;
  }
}

}  // namespace greenroom::detail
