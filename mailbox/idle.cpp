// SPDX-License-Identifier: Apache-2.0
// The idle time of object actors: one record and one alarm for an actor that asks for it.
//
// No message sets a timer. An actor that finds nothing more to do writes down when (`rested_ns`);
// the alarm compares, and is set again for what is left. When the time is over it sets `due` and
// pokes the actor, which looks once more and makes the message itself.
//
// L4  Only an actor that has handled nothing since `rested_ns`, has nothing to handle, and has
//     rested for the whole time gets a greenroom::idle; so it never handles a message in place,
//     where it would rest without writing that down.
// One owner of the record is the actor, one the pending alarm. Lock order: idle_watch::lock, then
// what `scheduler/` locks for an alarm.
#include "lanes.hpp"

#include <greenroom/actor.hpp>

#include <new>
#include <utility>

namespace greenroom::detail {

struct make_idle {
  static idle one() noexcept { return {}; }
};

struct idle_watch {
  cell* to = nullptr;  // a weak reference
  duration after{};
  std::uint32_t tag = 0;
  bool busy = true;  // the actor only: it has handled something since it last rested
  sync::atomic<std::uint32_t> references{1};
  sync::atomic<std::int64_t> rested_ns{0};
  sync::atomic<bool> due{false};
  sync::atomic<bool> unset{false};  // memory was out when the alarm was to be set
  spin_lock lock;
  bool is_over GREENROOM_GUARDED_BY(lock) = false;
  alarm_handle pending GREENROOM_GUARDED_BY(lock);
};

static time_point saturated(time_point from, duration d) noexcept {
  return d > never - from ? never : from + d;
}

static void drop_watch(idle_watch* w) noexcept {
  // acq_rel: the last owner sees all use by the others.
  if (w->references.fetch_sub(1, sync::memory_order_acq_rel) != 1) return;
  cell* c = w->to;
  delete w;
  drop_reference(c);
}

static void fire_idle(void* argument);

static void arm(idle_watch& w, time_point when) noexcept GREENROOM_REQUIRES(w.lock) {
  if (w.is_over || when == never) return;
  // relaxed: the caller is an owner.
  w.references.fetch_add(1, sync::memory_order_relaxed);
  w.pending = start_alarm(home_of(w.to)->runs_on, when, fire_idle, &w);
  if (w.pending.what != nullptr) return;
  w.references.fetch_sub(1, sync::memory_order_relaxed);
  w.unset.store(true, sync::memory_order_relaxed);  // the actor tries again
}

static time_point over_at(const idle_watch& w) noexcept {
  // relaxed: a time that is a little old makes the alarm look again too early.
  return saturated(time_point(duration(w.rested_ns.load(sync::memory_order_relaxed))), w.after);
}

// On the loop's stack: must not wait.
static void fire_idle(void* argument) {
  auto* w = static_cast<idle_watch*>(argument);
  bool over = false;
  {
    const spin_guard guard(w->lock);
    w->pending = {};
    const bool rests = (w->to->in.look() & inbox::idle) != 0;
    const time_point t = now();
    const time_point when = rests ? over_at(*w) : saturated(t, w->after);
    over = !w->is_over && when <= t;
    // release: pairs with the acquire in idle_due; who sees it may set the alarm again.
    if (over)
      w->due.store(true, sync::memory_order_release);
    else
      arm(*w, when);
  }
  if (over) poke_cell(w->to);
  drop_watch(w);
}

bool watch_idle(cell* c, duration idle, std::uint32_t tag) {
  cold* more = cold_of(c);
  auto* w = more == nullptr ? nullptr : new (std::nothrow) idle_watch;
  if (w == nullptr) return false;
  add_reference(c);
  w->to = c;
  w->after = idle;
  w->tag = tag;
  const time_point t = now();
  w->rested_ns.store(t.time_since_epoch().count(), sync::memory_order_relaxed);
  w->busy = false;
  {
    const spin_guard guard(w->lock);
    arm(*w, saturated(t, idle));
  }
  if (w->unset.load(sync::memory_order_relaxed)) {
    drop_watch(w);
    return false;
  }
  more->idle = w;
  c->control.fetch_or(control_idle, sync::memory_order_relaxed);
  return true;
}

void note_busy(idle_watch& w) noexcept { w.busy = true; }

node* idle_due(cell* c, idle_watch& w) noexcept {
  // acquire: see fire_idle.
  const bool due = w.due.load(sync::memory_order_acquire);
  if (!due && !w.busy && !w.unset.load(sync::memory_order_relaxed)) return nullptr;
  const time_point t = now();
  if (std::exchange(w.busy, false))
    w.rested_ns.store(t.time_since_epoch().count(), sync::memory_order_relaxed);
  if (!due && !w.unset.load(sync::memory_order_relaxed)) return nullptr;
  if ((c->in.look() & (inbox::node_mask | inbox::closed)) != 0) return nullptr;  // looks again
  w.due.store(false, sync::memory_order_relaxed);
  w.unset.store(false, sync::memory_order_relaxed);
  const bool over = over_at(w) <= t;
  node* n = over ? make_node(make_idle::one()) : nullptr;
  if (n != nullptr) {
    n->link.set(std::uint64_t{w.tag} << 48);
    w.busy = true;
  }
  const spin_guard guard(w.lock);
  arm(w, n != nullptr || over ? saturated(t, w.after) : over_at(w));
  return n;
}

void stop_idle(cell* c) noexcept {
  cold* more = c->more.load(sync::memory_order_acquire);
  idle_watch* w = std::exchange(more->idle, nullptr);
  if (w == nullptr) return;
  bool stopped = false;
  {
    const spin_guard guard(w->lock);
    w->is_over = true;
    stopped = cancel_alarm(w->pending);
  }
  if (stopped) drop_watch(w);
  drop_watch(w);
}

}  // namespace greenroom::detail
