// SPDX-License-Identifier: Apache-2.0
#include "backlog.hpp"

#include "worker.hpp"

#include <greenroom/detail/scheduler_access.hpp>

#include <algorithm>

namespace greenroom::detail {

namespace {
constexpr std::uint32_t room = slab::size / sizeof(runnable);
runnable* items(slab* s) noexcept { return reinterpret_cast<runnable*>(s->memory()); }

// What can run must never be lost, and nothing can be told to those who make it runnable. So when
// actors get memory, so much is kept here that the queues could hold all of them (Q4): addresses
// that nobody touches until then, 64 KiB for 8,192 actors. A slab from here has no owner.
constexpr std::size_t ends =
    4;  // slabs that a scheduler's two backlogs may have begun or not used up
spin_lock reserve_lock;
slab* reserve GREENROOM_GUARDED_BY(reserve_lock) = nullptr;   // through `next`
std::size_t promised GREENROOM_GUARDED_BY(reserve_lock) = 0;  // runnables
std::size_t schedulers GREENROOM_GUARDED_BY(reserve_lock) = 0;
std::size_t kept GREENROOM_GUARDED_BY(reserve_lock) = 0;  // slabs, those in use included

bool keep_enough() noexcept GREENROOM_REQUIRES(reserve_lock) {
  while (kept < (promised + room - 1) / room + schedulers * ends) {
    slab* const s = map_slab();
    if (s == nullptr) return false;
    s->next = reserve;
    reserve = s;
    ++kept;
  }
  return true;
}

slab* take_reserved() noexcept {
  const spin_guard guard(reserve_lock);
  slab* const s = reserve;
  if (s != nullptr) reserve = s->next;
  return s;
}

void put_reserved(slab* s) noexcept {
  give_back(s);
  const spin_guard guard(reserve_lock);
  s->next = reserve;
  reserve = s;
}
}  // namespace

bool reserve_runnables(std::size_t n) noexcept {
  const spin_guard guard(reserve_lock);
  promised += n;
  if (keep_enough()) return true;
  promised -= n;
  return false;
}

bool backlog::reserve_ends() noexcept {
  const spin_guard guard(reserve_lock);
  ++schedulers;
  if (keep_enough()) return true;
  --schedulers;
  return false;
}

slab* backlog::take_slab() noexcept {
  slab* s = free_;
  if (s != nullptr) {
    free_ = s->next;
    if (warm_ != 0) --warm_;
  } else if ((s = map_slab()) != nullptr) {
    s->owner = this;
  } else {
    s = take_reserved();
    if (s == nullptr) fatal("out of memory for the queue of what can run");
  }
  s->next = nullptr;
  return s;
}

// Those with memory are on top.
void backlog::free_slab(slab* s) noexcept {
  if (GREENROOM_UNLIKELY(s->owner == nullptr)) {
    put_reserved(s);
    return;
  }
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
