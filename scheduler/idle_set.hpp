// SPDX-License-Identifier: Apache-2.0
// Who sleeps, who searches, and whom to wake: the idle protocol, free of everything else so that
// a model checker can run it as it stands.
//
// A worker that finds nothing does:  announce(i) -> fence -> look at every source once more ->
// sleep.  Whoever adds work that an idle worker must see does:  publish the work -> fence ->
// claim_one().  The argument that no wake-up is lost (S1): the two fences are sequentially
// consistent, so they are ordered. If the adder's comes first, the worker's second look sees the
// work. If the worker's comes first, the adder sees the announcement: it wakes that worker, or
// some other worker is searching. A searcher stops searching before it announces, so it takes its
// second look after the adder's fence as well, or has its decrement seen by the adder.
// At most one searcher is woken at a time (waking an OS thread costs as much as 500 messages); a
// searcher that finds work wakes the next one if there is more.
#pragma once

#include <greenroom/detail/sync.hpp>

#include <cstdint>

namespace greenroom::detail {

class idle_set {
 public:
  static constexpr unsigned workers_max = 256;
  static constexpr unsigned nobody = ~0u;

  // Worker i will sleep; the caller must look at every source again after this.
  void announce(unsigned i) noexcept {
    // relaxed: the fence orders it (S1).
    sleeping_[i / 64].fetch_or(bit(i), sync::memory_order_relaxed);
    sync::fence_seq_cst();
  }

  // Worker i does not sleep after all. False: somebody has claimed it, and a wake-up is on its
  // way or has come; it counts as a searcher.
  bool retract(unsigned i) noexcept {
    return (sleeping_[i / 64].fetch_and(~bit(i), sync::memory_order_acq_rel) & bit(i)) != 0;
  }

  // After publishing work: the worker to wake, or nobody. The worker counts as a searcher.
  unsigned claim_one() noexcept {
    sync::fence_seq_cst();  // S1
    return claim_without_fence();
  }

  // As claim_one for work that its publisher will reach itself in the end: the fence is left out,
  // since a missed wake-up costs parallelism once but loses nothing.
  unsigned claim_without_fence() noexcept {
    for (;;) {
      if (!somebody_sleeps() || searching_.load(sync::memory_order_relaxed) != 0) return nobody;
      std::uint32_t none = 0;
      if (!searching_.compare_exchange_strong(none, 1, sync::memory_order_acq_rel,
                                              sync::memory_order_relaxed))
        return nobody;
      const unsigned who = take_any();
      if (who != nobody) return who;
      // The sleepers woke by themselves, so this search did not take place. But another adder may
      // have relied on it meanwhile, while one of them went to sleep again: look once more (S1).
      searching_.fetch_sub(1, sync::memory_order_seq_cst);
      sync::fence_seq_cst();
    }
  }

  // Any sleeper, whether somebody searches or not (to hand it the poller, or to stop it).
  unsigned take_any() noexcept {
    for (unsigned block = 0; block < blocks(); ++block) {
      std::uint64_t mask = sleeping_[block].load(sync::memory_order_relaxed);
      while (mask != 0) {
        const unsigned i = static_cast<unsigned>(__builtin_ctzll(mask));
        if (sleeping_[block].compare_exchange_weak(mask, mask & ~(std::uint64_t{1} << i),
                                                   sync::memory_order_acq_rel,
                                                   sync::memory_order_relaxed))
          return block * 64 + i;
      }
    }
    return nobody;
  }

  // A worker about to steal. False: enough search already; it goes to sleep instead.
  bool start_searching(unsigned awake_max) noexcept {
    if (2 * searching_.load(sync::memory_order_relaxed) >= awake_max) return false;
    searching_.fetch_add(1, sync::memory_order_acq_rel);
    return true;
  }

  // True: this was the last searcher. If it found work, it should wake another.
  bool stop_searching() noexcept {
    return searching_.fetch_sub(1, sync::memory_order_seq_cst) == 1;
  }

  [[nodiscard]] bool somebody_sleeps() const noexcept {
    for (unsigned block = 0; block < blocks(); ++block)
      if (sleeping_[block].load(sync::memory_order_relaxed) != 0) return true;
    return false;
  }

  [[nodiscard]] unsigned count() const noexcept {
    unsigned n = 0;
    for (unsigned block = 0; block < blocks(); ++block)
      n += static_cast<unsigned>(
          __builtin_popcountll(sleeping_[block].load(sync::memory_order_acquire)));
    return n;
  }

  // Before worker n - 1 first sleeps. Never fewer than before.
  void set_workers(unsigned n) noexcept {
    blocks_.store((n + 63) / 64, sync::memory_order_release);
  }

 private:
  static std::uint64_t bit(unsigned i) noexcept { return std::uint64_t{1} << (i % 64); }

  unsigned blocks() const noexcept { return blocks_.load(sync::memory_order_relaxed); }

  // relaxed: ordered as sleeping_ is (S1).
  sync::atomic<unsigned> blocks_{1};
  alignas(64) sync::atomic<std::uint64_t> sleeping_[workers_max / 64]{};
  sync::atomic<std::uint32_t> searching_{0};
};

}  // namespace greenroom::detail
