// SPDX-License-Identifier: Apache-2.0
#include <greenroom/detail/biased_lock.hpp>

#include "worker.hpp"

#include <sched.h>

namespace greenroom::detail {

GREENROOM_WORKER_CODE bool biased_lock::lock() noexcept GREENROOM_NO_LOCK_ANALYSIS {
  worker* w = this_worker();
  // relaxed: only this worker makes itself the owner; who was it before is no matter.
  if (GREENROOM_LIKELY(w != nullptr && owner_.load(sync::memory_order_relaxed) == w)) {
    // acquire: what the green thread did that was inside before, on this very OS thread; so it is
    // for ThreadSanitizer alone, to which green threads are threads.
    (void)busy_.load(sync::memory_order_acquire);
    busy_.store(true, sync::memory_order_relaxed);
    sync::fence_light();  // F1
    if (GREENROOM_LIKELY(owner_.load(sync::memory_order_relaxed) == w)) return true;
    busy_.store(false, sync::memory_order_release);
  }
  return lock_slowly(w);
}

bool biased_lock::lock_slowly(worker* w) noexcept GREENROOM_NO_LOCK_ANALYSIS {
  constexpr int looks_max = 64;
  slow_.lock();
  // relaxed: written under slow_ alone.
  if (owner_.load(sync::memory_order_relaxed) != nullptr) {
    owner_.store(nullptr, sync::memory_order_relaxed);
    sync::fence_heavy();  // F1
    // acquire: what the owner did inside.
    for (int looks = 0; busy_.load(sync::memory_order_acquire); ++looks) {
      if (looks < looks_max)
        sync::relax();
      else
        sched_yield();
    }
    if (level_ < level_max) ++level_;
    turns_ = 0;
  }
  // F2. A worker is aligned to a line of the cache, at the least.
  const auto mark = static_cast<std::uint16_t>((reinterpret_cast<std::uintptr_t>(w) >> 6) | 1);
  if (w == nullptr || mark != last_) {
    last_ = w == nullptr ? 0 : mark;
    turns_ = 0;
    return false;
  }
  if (turns_ != UINT16_MAX) ++turns_;
  if (turns_ < (streak_min << level_) - 1 || !sync::prepare_heavy_fence()) return false;
  turns_ = 0;
  owner_.store(w, sync::memory_order_relaxed);
  busy_.store(true, sync::memory_order_relaxed);
  slow_.unlock();
  return true;
}

}  // namespace greenroom::detail
