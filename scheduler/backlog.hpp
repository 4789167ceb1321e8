// SPDX-License-Identifier: Apache-2.0
// What found no room in a worker's ring, oldest first: half a ring at a time comes and a share of
// it goes, so a lock is cheap. Its memory goes back to the system as it empties.
//
// Any worker. Who finds size() 0 after a fence has missed nothing that was pushed before it (S1).
//
//   Q4  Room for all that can be runnable at once is kept from the moment it gets memory: an actor
//       stands in one queue at most, so places for as many as there are cells are enough, and for
//       each backlog the two slabs at its ends. So a push never fails.
//
// Rejected: moodycamel's queue, which keeps what it ever held: 80 MB after ten million actors were
// runnable at once.
#pragma once

#include "run_queue.hpp"

#include <greenroom/detail/slabs.hpp>
#include <greenroom/detail/spin_lock.hpp>

#include <cstddef>
#include <cstdint>

namespace greenroom::detail {

class backlog {
 public:
  void push(const runnable* from, std::size_t n) noexcept;
  void push(runnable r) noexcept { push(&r, 1); }
  // At most `most`; returns how many.
  std::size_t pop(runnable* to, std::size_t most) noexcept;
  // For the two of a new scheduler, once; with reserve_runnables(). False: memory is out.
  static bool reserve_ends() noexcept;
  [[nodiscard]] std::size_t size() const noexcept { return size_.load(sync::memory_order_acquire); }

 private:
  static constexpr std::uint32_t warm_max = 2;  // free slabs that keep their memory

  slab* take_slab() noexcept GREENROOM_REQUIRES(lock_);
  void free_slab(slab* s) noexcept GREENROOM_REQUIRES(lock_);

  spin_lock lock_;
  slab* first_ GREENROOM_GUARDED_BY(lock_) = nullptr;  // leads to the last one through `next`
  slab* last_ GREENROOM_GUARDED_BY(lock_) = nullptr;
  std::uint32_t begin_ GREENROOM_GUARDED_BY(lock_) = 0;  // in the first
  std::uint32_t end_ GREENROOM_GUARDED_BY(lock_) = 0;    // in the last
  slab* free_ GREENROOM_GUARDED_BY(lock_) = nullptr;
  std::uint32_t warm_ GREENROOM_GUARDED_BY(lock_) = 0;
  sync::atomic<std::size_t> size_{0};
};

}  // namespace greenroom::detail
