// SPDX-License-Identifier: Apache-2.0
// A spin lock that costs no locked step as long as one worker alone takes it: most channels join
// green threads of one worker, and the two locked steps of a value were most of what it cost.
//
// - F1 While the lock is biased to a worker, that worker takes it by raising `busy_` and looking
//   whether it is still the owner; green threads of one worker cannot meet inside, for nobody parks
//   there. Who else wants it takes the spin lock, takes the bias away, and waits until the owner is
//   out. Between the two steps of the owner stands a light fence, between those of the other a
//   heavy one (membarrier): the owner sees that it is none any more, or the other sees that it is
//   inside.
// - F2 The bias is given inside the spin lock, to the worker that holds it and that was the only
//   one to take it for a while; each time it is taken away, the while gets longer. It goes on
//   inside by the bias, and lets go of the spin lock.
// Where membarrier is not to be had (an old kernel, an emulator, a sandbox), it is a spin lock.
// The same rules hold as for a spin lock: a few dozen instructions, no park, no user code.
#pragma once

#include <greenroom/detail/spin_lock.hpp>

#include <cstdint>

namespace greenroom::detail {

struct worker;

class GREENROOM_CAPABILITY biased_lock {
 public:
  // True: by bias. To be handed to unlock().
  bool lock() noexcept GREENROOM_ACQUIRES;
  void unlock(bool by_bias) noexcept GREENROOM_RELEASES GREENROOM_NO_LOCK_ANALYSIS {
    if (by_bias)
      busy_.store(false, sync::memory_order_release);  // F1: pairs with the acquire in take_over()
    else
      slow_.unlock();
  }

 private:
  static constexpr std::uint32_t streak_min = 512;
  static constexpr std::uint8_t level_max = 7;  // 65,536 times

  GREENROOM_COLD bool lock_slowly(worker* w) noexcept;

  sync::atomic<worker*> owner_{nullptr};
  spin_lock slow_;
  sync::atomic<bool> busy_{false};
  // Under slow_.
  std::uint16_t last_ = 0;   // something of the last worker's address; 0: of no worker
  std::uint16_t turns_ = 0;  // that it has taken one after the other
  std::uint8_t level_ = 0;   // how often the bias was taken away: it needs streak_min << level_
};

class GREENROOM_SCOPED biased_guard {
 public:
  explicit biased_guard(biased_lock& lock) noexcept GREENROOM_ACQUIRES_ARG(lock)
      : lock_(lock), by_bias_(lock.lock()) {}
  ~biased_guard() GREENROOM_RELEASES { lock_.unlock(by_bias_); }
  biased_guard(const biased_guard&) = delete;
  biased_guard& operator=(const biased_guard&) = delete;

 private:
  biased_lock& lock_;
  const bool by_bias_;
};

}  // namespace greenroom::detail
