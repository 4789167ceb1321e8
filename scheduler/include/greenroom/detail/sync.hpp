// SPDX-License-Identifier: Apache-2.0
// The alias header: every lock-free file takes its atomics, fences and futex from here and from
// nowhere else, so that a checker can compile the very same source against modelled ones by
// defining GREENROOM_SYNC_HEADER.
#pragma once

#if defined(GREENROOM_SYNC_HEADER)
#include GREENROOM_SYNC_HEADER
#else

#include <greenroom/config.hpp>

#include <atomic>
#include <cstdint>

namespace greenroom::detail::sync {

template <class T>
using atomic = std::atomic<T>;

using std::memory_order_acq_rel;
using std::memory_order_acquire;
using std::memory_order_relaxed;
using std::memory_order_release;
using std::memory_order_seq_cst;

// For the first look at a word that a compare-and-swap then checks: relaxed. ThreadSanitizer
// needs to be told that the word was constructed before.
#if defined(GREENROOM_TSAN)
inline constexpr std::memory_order memory_order_peek = std::memory_order_acquire;
#else
inline constexpr std::memory_order memory_order_peek = std::memory_order_relaxed;
#endif

// A plain field that only its present owner touches; a checker verifies that.
template <class T>
struct owned {
  T value{};
  T get() const noexcept { return value; }
  void set(T v) noexcept { value = v; }
};

// ThreadSanitizer does not model fences, so under it the fence is a read-modify-write of one
// process-wide word, which it does model; elsewhere it is the fence.
#if defined(GREENROOM_TSAN)
inline std::atomic<int> fence_word{0};
inline void fence_seq_cst() noexcept { fence_word.fetch_add(1, std::memory_order_seq_cst); }
#else
inline void fence_seq_cst() noexcept { std::atomic_thread_fence(std::memory_order_seq_cst); }
#endif

// An asymmetric pair (Dekker's): a light fence costs nothing; it orders against a heavy one, which
// makes every thread of the process that runs execute a full fence (membarrier, some microseconds).
inline void fence_light() noexcept { std::atomic_signal_fence(std::memory_order_seq_cst); }
void fence_heavy() noexcept;
// Before the first use; false: this system has no heavy fence.
bool prepare_heavy_fence() noexcept;

// Sleeps while *word == expected, at most until the absolute monotonic time in nanoseconds
// (negative: for ever). May return early.
void futex_wait(const std::atomic<std::uint32_t>* word, std::uint32_t expected,
                std::int64_t until_ns) noexcept;
void futex_wake(const std::atomic<std::uint32_t>* word, int count) noexcept;

inline void relax() noexcept {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield" ::: "memory");
#endif
}

}  // namespace greenroom::detail::sync

#endif
