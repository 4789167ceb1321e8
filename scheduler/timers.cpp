// SPDX-License-Identifier: Apache-2.0
#include "timers.hpp"

#include <new>

namespace greenroom::detail {

// Strays (H4): linked through the number that only those in a heap need; heap_index tells them.
static constexpr std::uint32_t astray = timer_node::nowhere - 1;
static timer* next_stray(const timer* t) noexcept { return reinterpret_cast<timer*>(t->inserted); }

void timers::publish_earliest() {
  std::int64_t first = heap_.empty() ? never_ns : heap_.earliest();
  if (GREENROOM_UNLIKELY(strays_ != nullptr)) {
    take_strays_in();
    first = heap_.empty() ? never_ns : heap_.earliest();
    for (const timer* t = strays_; t != nullptr; t = next_stray(t))
      if (t->when_ns < first) first = t->when_ns;
  }
  // release: a sleeper that reads it finds the timer in the heap.
  earliest_.store(first, sync::memory_order_release);
}

void timers::insert(timer* t, std::int64_t when_ns) noexcept {
  try {
    heap_.insert(t, when_ns);
  } catch (const std::bad_alloc&) {
    t->when_ns = when_ns;
    t->heap_index = astray;
    t->inserted = reinterpret_cast<std::uint64_t>(strays_);
    strays_ = t;
  }
}

void timers::erase(timer* t) noexcept {
  if (GREENROOM_LIKELY(t->heap_index != astray)) {
    heap_.erase(t);
    return;
  }
  timer* before = nullptr;
  for (timer* at = strays_; at != t; at = next_stray(at)) before = at;
  if (before == nullptr)
    strays_ = next_stray(t);
  else
    before->inserted = t->inserted;
  t->heap_index = timer_node::nowhere;
}

void timers::take_strays_in() noexcept {
  while (strays_ != nullptr && heap_.can_grow()) {
    timer* const t = strays_;
    erase(t);
    insert(t, t->when_ns);
    if (strays_ == t) return;  // not yet
  }
}

timer* timers::take_due_stray(std::int64_t now_ns) noexcept {
  for (timer* t = strays_; t != nullptr; t = next_stray(t))
    if (t->when_ns <= now_ns) {
      erase(t);
      return t;
    }
  return nullptr;
}

bool timers::arm(timer* t, std::int64_t when_ns) {
  const spin_guard guard(lock_);
  const std::int64_t before = earliest_.load(sync::memory_order_relaxed);
  t->home.store(this, sync::memory_order_relaxed);
  insert(t, when_ns);
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
    at->erase(t);
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
  while (!heap_.empty() || strays_ != nullptr) {
    timer* const t = heap_.empty() ? strays_ : static_cast<timer*>(heap_.first());
    const std::int64_t when = t->when_ns;
    erase(t);
    t->home.store(&other, sync::memory_order_release);
    other.insert(t, when);
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
      if (strays_ != nullptr) take_strays_in();
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
    while (GREENROOM_UNLIKELY(strays_ != nullptr) && n < batch_max) {
      timer* const t = take_due_stray(now_ns);
      if (t == nullptr) break;
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
