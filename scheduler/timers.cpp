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
  const spin_guard guard(lock_);
  if (t->home.load(sync::memory_order_relaxed) != this || !t->queued()) return false;
  heap_.erase(t);
  publish_earliest();
  return true;
}

int timers::expire(std::int64_t now_ns) {
  timer* due[batch_max];
  int n = 0;
  {
    const spin_guard guard(lock_);
    while (n < batch_max && !heap_.empty() && heap_.earliest() <= now_ns)
      due[n++] = static_cast<timer*>(heap_.pop());
    publish_earliest();
  }
  for (int i = 0; i < n; ++i) due[i]->fire(due[i], now_ns);
  return n;
}

}  // namespace greenroom::detail
