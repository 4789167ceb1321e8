// SPDX-License-Identifier: Apache-2.0
// How many workers serve and how many of these are stuck: who may join, and who must leave.
//
// A scheduler wants a number of workers that can attend to its queues. A worker that is stuck in
// one green thread serves, but cannot; a helper joins for it. When it is free again there is one
// more than wanted, and the first helper that looks up leaves.
//   W1: both counts stand in one word, so of two helpers that find one too many only one leaves,
//       and none leaves for a worker that has got stuck meanwhile.
#pragma once

#include <greenroom/detail/sync.hpp>

#include <cstdint>

namespace greenroom::detail {

class crew {
 public:
  void reset(unsigned serving) noexcept { word_.store(serving, sync::memory_order_relaxed); }

  void join() noexcept { word_.fetch_add(1, sync::memory_order_acq_rel); }
  // False: no more than `wanted` can attend.
  bool leave(unsigned wanted) noexcept {
    std::uint32_t seen = word_.load(sync::memory_order_relaxed);
    while (able(seen) > wanted)
      if (word_.compare_exchange_weak(seen, seen - 1, sync::memory_order_acq_rel,
                                      sync::memory_order_relaxed))
        return true;
    return false;
  }
  // One that joined but could not be started.
  void undo_join() noexcept { word_.fetch_sub(1, sync::memory_order_acq_rel); }

  void got_stuck() noexcept { word_.fetch_add(one_stuck, sync::memory_order_acq_rel); }
  void came_free() noexcept { word_.fetch_sub(one_stuck, sync::memory_order_acq_rel); }

  [[nodiscard]] unsigned serving() const noexcept { return look() & serving_mask; }
  [[nodiscard]] unsigned stuck() const noexcept { return look() / one_stuck; }
  [[nodiscard]] unsigned able() const noexcept { return able(look()); }

 private:
  static constexpr std::uint32_t one_stuck = 1u << 16;
  static constexpr std::uint32_t serving_mask = one_stuck - 1;

  static unsigned able(std::uint32_t word) noexcept {
    return (word & serving_mask) - word / one_stuck;
  }
  std::uint32_t look() const noexcept { return word_.load(sync::memory_order_acquire); }

  alignas(64) sync::atomic<std::uint32_t> word_{0};
};

}  // namespace greenroom::detail
