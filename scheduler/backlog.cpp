// SPDX-License-Identifier: Apache-2.0
#include "backlog.hpp"

#include "worker.hpp"

#include <algorithm>

namespace greenroom::detail {

namespace {
constexpr std::uint32_t room = slab::size / sizeof(runnable);
runnable* items(slab* s) noexcept { return reinterpret_cast<runnable*>(s->memory()); }
}  // namespace

slab* backlog::take_slab() noexcept {
  slab* s = free_;
  if (s != nullptr) {
    free_ = s->next;
    if (warm_ != 0) --warm_;
  } else {
    s = map_slab();
    if (s == nullptr) fatal("out of memory for the queue of what can run");
    s->owner = this;
  }
  s->next = nullptr;
  return s;
}

// Those with memory are on top.
void backlog::free_slab(slab* s) noexcept {
  if (warm_ == warm_max) {
    give_back(s);
    slab* under = free_;
    for (std::uint32_t i = 1; i < warm_max; ++i) under = under->next;
    s->next = under->next;
    under->next = s;
    return;
  }
  ++warm_;
  s->next = free_;
  free_ = s;
}

// Atomic, relaxed steps under the lock: so they are not turned into a memcpy, which ThreadSanitizer
// would see although a worker's buffer is at its other end.
GREENROOM_WORKER_CODE static void put(runnable* at, const runnable* from, std::size_t n) noexcept {
  for (std::size_t i = 0; i < n; ++i) __atomic_store_n(at + i, from[i], __ATOMIC_RELAXED);
}

GREENROOM_WORKER_CODE static void get(const runnable* at, runnable* to, std::size_t n) noexcept {
  for (std::size_t i = 0; i < n; ++i) to[i] = __atomic_load_n(at + i, __ATOMIC_RELAXED);
}

GREENROOM_WORKER_CODE void backlog::push(const runnable* from, std::size_t n) noexcept {
  const spin_guard guard(lock_);
  // relaxed: under the lock.
  size_.store(size_.load(sync::memory_order_relaxed) + n, sync::memory_order_release);
  while (n != 0) {
    if (last_ == nullptr || end_ == room) {
      slab* s = take_slab();
      (last_ == nullptr ? first_ : last_->next) = s;
      if (last_ == nullptr) begin_ = 0;
      last_ = s;
      end_ = 0;
    }
    const std::size_t part = std::min<std::size_t>(n, room - end_);
    put(items(last_) + end_, from, part);
    end_ += static_cast<std::uint32_t>(part);
    from += part;
    n -= part;
  }
}

GREENROOM_WORKER_CODE std::size_t backlog::pop(runnable* to, std::size_t most) noexcept {
  if (size() == 0) return 0;
  const spin_guard guard(lock_);
  const std::size_t size = size_.load(sync::memory_order_relaxed);
  const std::size_t n = std::min(most, size);
  for (std::size_t left = n; left != 0;) {
    const std::uint32_t end = first_ == last_ ? end_ : room;
    const std::size_t part = std::min<std::size_t>(left, end - begin_);
    get(items(first_) + begin_, to, part);
    begin_ += static_cast<std::uint32_t>(part);
    to += part;
    left -= part;
    if (begin_ != end) continue;
    slab* const s = first_;
    first_ = s->next;
    if (first_ == nullptr) last_ = nullptr;
    begin_ = 0;
    free_slab(s);
  }
  size_.store(size - n, sync::memory_order_release);
  return n;
}

}  // namespace greenroom::detail
