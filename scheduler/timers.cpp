// SPDX-License-Identifier: Apache-2.0
#include "timers.hpp"

#include <new>

namespace greenroom::detail {

void timers::publish_earliest() {
  // release: a sleeper that reads it finds the timer in the heap.
  earliest_.store(heap_.empty() ? never_ns : heap_.earliest(), sync::memory_order_release);
}

bool timers::arm(timer* t, std::int64_t when_ns) {
  const spin_guard guard(lock_);
  const std::int64_t before = earliest_.load(sync::memory_order_relaxed);
  t->home.store(this, sync::memory_order_relaxed);
  try {
    heap_.insert(t, when_ns);
  } catch (const std::bad_alloc&) {
    // A wait whose deadline is lost would last for ever, in silence.
    fatal("out of memory for timers");
  }
  publish_earliest();
  return when_ns < before;
}

bool timers::cancel(timer* t) {
  for (;;) {
    timers* const at = t->home.load(sync::memory_order_acquire);
    if (at == nullptr) return false;
    const spin_guard guard(at->lock_);
    if (t->home.load(sync::memory_order_relaxed) != at) continue;  // it has moved
    if (!t->queued()) return false;
    at->heap_.erase(t);
    at->publish_earliest();
    return true;
  }
}

bool timers::move_to(timers& other) GREENROOM_NO_LOCK_ANALYSIS {
  GREENROOM_ASSERT(this != &other);
  timers& first = this < &other ? *this : other;
  timers& second = this < &other ? other : *this;
  const spin_guard outer(first.lock_);
  const spin_guard inner(second.lock_);
  const std::int64_t before = other.earliest_.load(sync::memory_order_relaxed);
  while (!heap_.empty()) {
    const std::int64_t when = heap_.earliest();
    auto* t = static_cast<timer*>(heap_.pop());
    t->home.store(&other, sync::memory_order_release);
    try {
      other.heap_.insert(t, when);
    } catch (const std::bad_alloc&) { fatal("out of memory for timers"); }
  }
  publish_earliest();
  other.publish_earliest();
  return other.earliest_.load(sync::memory_order_relaxed) < before;
}

void timers::drop_unwanted(std::int64_t before_ns, bool (*unwanted)(const timer*),
                           std::int64_t now_ns) {
  for (;;) {
    timer* first = nullptr;
    {
      const spin_guard guard(lock_);
      if (heap_.empty() || heap_.earliest() >= before_ns) return;
      first = static_cast<timer*>(heap_.first());
      if (!unwanted(first)) return;
      heap_.pop();
      publish_earliest();
    }
    // Somebody may want it by now: it arms itself again then, as whenever it fires early (T1).
    first->fire(first, now_ns);
  }
}

int timers::expire(std::int64_t now_ns) {
  struct {
    timer* what;
    void (*fire)(timer*, std::int64_t);  // read while it stood in the heap: its record may go
  } due[batch_max];
  int n = 0;
  {
    const spin_guard guard(lock_);
    while (n < batch_max && !heap_.empty() && heap_.earliest() <= now_ns) {
      auto* t = static_cast<timer*>(heap_.pop());
      due[n++] = {t, t->fire};
    }
    publish_earliest();
  }
  // The record of which it is a part (fiber.hpp).
  for (int i = 0; i < n; ++i) {
    __builtin_prefetch(reinterpret_cast<const char*>(due[i].what) - 128);
    __builtin_prefetch(reinterpret_cast<const char*>(due[i].what) - 64);
  }
  for (int i = 0; i < n; ++i) due[i].fire(due[i].what, now_ns);
  return n;
}

}  // namespace greenroom::detail
