// SPDX-License-Identifier: Apache-2.0
// A worker's right to its own queues without locked steps, for as long as nobody steals from them:
// a locked step costs some 6 ns, and a yield or a message takes two of them on queues that a thief
// looks at once in a million times.
//
// While the bias is the owner's, it works on its queues by plain loads and stores, each time
// between enter() and leave(). A thief revokes the bias first; from then on both use locked steps.
// When nobody has stolen for a while, the owner takes the bias back.
//   B1: enter() raises `inside_`, then looks at `state_`; a thief lowers `state_`, then looks at
//       `inside_`. Between the two steps of the owner stands a light fence, between those of the
//       thief a heavy one (membarrier), which makes every running thread execute a full fence. So
//       either the owner sees that the bias is lowered, or the thief sees that it is inside.
//   B2: rebias() gives the bias, then looks at `thieves_`; a thief counts itself there, then looks
//       at `state_`. Both are sequentially consistent: either the owner sees the thief and takes
//       the bias off again before it has used it, or the thief sees that it must revoke.
//   B3: leave() releases, and a thief acquires what it reads there: the owner's plain stores come
//       before the thief's steps in the order of each word. (relacy runs stores in order, so its
//       checks cannot miss this.)
// Where membarrier is not to be had (an old kernel, an emulator, a sandbox) nobody is biased.
// Idea: biased locking of object monitors; the asymmetric fences are Linux's.
#pragma once

#include <greenroom/detail/sync.hpp>

#include <cstdint>

namespace greenroom::detail {

class bias {
 public:
  // Owner. True: plain steps until leave(). False: locked steps.
  bool enter() noexcept {
    inside_.store(true, sync::memory_order_relaxed);
    sync::fence_light();  // B1
    // acquire: what thieves did before the bias was given.
    if (state_.load(sync::memory_order_acquire) == owners) return true;
    inside_.store(false, sync::memory_order_relaxed);
    return false;
  }
  // release: B3.
  void leave() noexcept { inside_.store(false, sync::memory_order_release); }

  // Owner, now and then: takes the bias back if it may.
  void rebias() noexcept {
    if (state_.load(sync::memory_order_relaxed) == owners) return;
    // An exchange, for an emulator (QEMU 7.2 for 64-bit ARM) lets a load pass such a store.
    state_.exchange(owners, sync::memory_order_seq_cst);
    if (thieves_.load(sync::memory_order_seq_cst) == 0) return;
    std::uint32_t given = owners;
    state_.compare_exchange_strong(given, shared, sync::memory_order_seq_cst,
                                   sync::memory_order_relaxed);
  }
  [[nodiscard]] bool is_owners() const noexcept {
    return state_.load(sync::memory_order_relaxed) == owners;
  }

  // Thief. True: locked steps are safe until stop_stealing(). False: the owner is in the middle of
  // a step; nothing is to be stolen now.
  bool start_stealing() noexcept {
    thieves_.fetch_add(1, sync::memory_order_seq_cst);  // B2
    std::uint32_t seen = state_.load(sync::memory_order_seq_cst);
    if (seen == shared) return true;
    if (seen == owners)
      state_.compare_exchange_strong(seen, revoking, sync::memory_order_seq_cst,
                                     sync::memory_order_relaxed);
    sync::fence_heavy();  // B1
    // acquire: B3.
    if (inside_.load(sync::memory_order_acquire)) {
      stop_stealing();
      return false;
    }
    state_.store(shared, sync::memory_order_seq_cst);
    return true;
  }
  // release: the owner that takes the bias back sees what was stolen.
  void stop_stealing() noexcept { thieves_.fetch_sub(1, sync::memory_order_release); }

 private:
  enum : std::uint32_t { owners, revoking, shared };

  alignas(64) sync::atomic<bool> inside_{false};  // the owner writes
  alignas(64) sync::atomic<std::uint32_t> state_{shared};
  sync::atomic<std::uint32_t> thieves_{0};
};

}  // namespace greenroom::detail
