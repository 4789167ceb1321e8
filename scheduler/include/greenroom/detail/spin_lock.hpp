// SPDX-License-Identifier: Apache-2.0
// A spin lock for critical sections of a few dozen instructions that never park. It yields the
// OS thread after a while, for the holder may have lost its core.
#pragma once

#include <greenroom/detail/sync.hpp>

namespace greenroom::detail {

#if defined(__clang__)
#define GREENROOM_CAPABILITY __attribute__((capability("spin lock")))
#define GREENROOM_ACQUIRES __attribute__((acquire_capability()))
#define GREENROOM_RELEASES __attribute__((release_capability()))
#define GREENROOM_SCOPED __attribute__((scoped_lockable))
#define GREENROOM_ACQUIRES_ARG(x) __attribute__((acquire_capability(x)))
#define GREENROOM_GUARDED_BY(x) __attribute__((guarded_by(x)))
#define GREENROOM_REQUIRES(x) __attribute__((requires_capability(x)))
#define GREENROOM_NO_LOCK_ANALYSIS __attribute__((no_thread_safety_analysis))
#else
#define GREENROOM_CAPABILITY
#define GREENROOM_ACQUIRES
#define GREENROOM_RELEASES
#define GREENROOM_SCOPED
#define GREENROOM_ACQUIRES_ARG(x)
#define GREENROOM_GUARDED_BY(x)
#define GREENROOM_REQUIRES(x)
#define GREENROOM_NO_LOCK_ANALYSIS
#endif

class GREENROOM_CAPABILITY spin_lock {
 public:
  void lock() noexcept GREENROOM_ACQUIRES {
    // acquire: pairs with the release in unlock().
    while (word_.exchange(true, sync::memory_order_acquire)) wait();
  }
  void unlock() noexcept GREENROOM_RELEASES { word_.store(false, sync::memory_order_release); }

 private:
  GREENROOM_COLD void wait() const noexcept;
  sync::atomic<bool> word_{false};
};

class GREENROOM_SCOPED spin_guard {
 public:
  explicit spin_guard(spin_lock& lock) noexcept GREENROOM_ACQUIRES_ARG(lock) : lock_(lock) {
    lock_.lock();
  }
  ~spin_guard() GREENROOM_RELEASES { lock_.unlock(); }
  spin_guard(const spin_guard&) = delete;
  spin_guard& operator=(const spin_guard&) = delete;

 private:
  spin_lock& lock_;
};

}  // namespace greenroom::detail
