// SPDX-License-Identifier: Apache-2.0
// The record of a broadcast and of each subscription. E1 to E6 stand in README.md.
#pragma once

#include "counted_node.hpp"
#include "waiting.hpp"

#include <greenroom/broadcast.hpp>

namespace greenroom::detail {

// Its own lines: a receiver writes its position for each value.
struct alignas(64) subscription {
  broadcast_core* core = nullptr;
  // slow::wait: written by the receiver, read by the sender that looks for room. Else the receiver.
  sync::atomic<std::uint64_t> position{0};
  // Somebody waits until the position has moved. Written under the lock.
  sync::atomic<bool> awaited{false};
  bool cut_off = false;      // the receiver's own
  std::uint64_t missed = 0;  // the receiver's own
  subscription* next = nullptr;
  subscription* before = nullptr;
};

struct broadcast_core {
  broadcast_core(std::uint32_t capacity_, std::uint32_t mask_, slow policy_, node** ring_,
                 void (*destroy_)(node*) noexcept) noexcept
      : capacity(capacity_),
        mask(mask_),
        policy(policy_),
        has_heavy_fence(sync::prepare_heavy_fence()),
        ring(ring_),
        destroy(destroy_) {}
  broadcast_core(const broadcast_core&) = delete;
  broadcast_core& operator=(const broadcast_core&) = delete;
  ~broadcast_core() { delete[] ring; }

  const std::uint32_t capacity;
  const std::uint32_t mask;  // a power of two less one
  const slow policy;
  const bool has_heavy_fence;  // else each value costs receivers a locked step instead (E3)
  node** const ring;           // E1
  void (*const destroy)(node*) noexcept;

  // Written under the lock, read by receivers for every value.
  alignas(64) sync::atomic<std::uint64_t> tail{0};  // the next position to be written
  sync::atomic<bool> closed{false};

  alignas(64) spin_lock lock;
  subscription* subscriptions GREENROOM_GUARDED_BY(lock) = nullptr;
  subscription* last_subscription GREENROOM_GUARDED_BY(lock) = nullptr;
  subscription* walked GREENROOM_GUARDED_BY(lock) = nullptr;  // where the look for room stands
  std::size_t receivers GREENROOM_GUARDED_BY(lock) = 0;
  std::size_t senders GREENROOM_GUARDED_BY(lock) = 1;
  std::size_t ends GREENROOM_GUARDED_BY(lock) = 1;
  wait_line receivers_waiting GREENROOM_GUARDED_BY(lock);
  // slow::wait. Positions below are free to be written.
  std::uint64_t room_until GREENROOM_GUARDED_BY(lock) = 0;
  // One sender at a time looks and waits for room; the others stand in line for that.
  bool turn_taken GREENROOM_GUARDED_BY(lock) = false;
  wait_line senders_waiting GREENROOM_GUARDED_BY(lock);
  std::size_t laggards GREENROOM_GUARDED_BY(lock) = 0;  // subscriptions that are awaited
  bool room_wanted GREENROOM_GUARDED_BY(lock) = false;  // whoever brings laggards to 0 wakes:
  wait_ticket room_ticket GREENROOM_GUARDED_BY(lock);

  void wake_receivers(std::uint64_t below) noexcept;
  // One end less; the last one frees it all. REQUIRES: the lock is not held.
  void drop_end() noexcept;
  // Under the lock: the subscription has moved, or goes. True: wake room_ticket.
  bool not_awaited(subscription* s) noexcept GREENROOM_REQUIRES(lock) {
    if (!s->awaited.load(sync::memory_order_relaxed)) return false;
    s->awaited.store(false, sync::memory_order_relaxed);
    return --laggards == 0 && room_wanted;
  }
};

}  // namespace greenroom::detail
