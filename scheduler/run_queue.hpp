// SPDX-License-Identifier: Apache-2.0
// The two fixed queues of a worker, both bounded, both stealable, both without locks.
//
// run_ring: what became runnable, oldest first. The owner pushes; owner and thieves pop by one
// compare-and-swap on `head`; a thief takes half.
//   Q1: a slot is written before `tail` passes it (release) and read after `tail` (acquire).
//   Q2: a slot is written again only after `head` has passed it, so a thief whose
//       compare-and-swap succeeds has read the right entries.
// fresh_ring: children that never ran. The owner takes the newest, thieves the oldest. Both ends
// and a version stand in one word, since the owner takes from the end where it writes:
//   Q3: every push changes the version, so a thief's compare-and-swap fails if any slot it has
//       read may have been written since.
// Rejected for fresh_ring: the Chase-Lev deque, whose thieves take one entry at a time.
#pragma once

#include <greenroom/config.hpp>
#include <greenroom/detail/sync.hpp>

#include <cstdint>

namespace greenroom::detail {

// A task or, with bit 0 set, a fiber, which with bit 1 set has more to do with this worker than
// with others (scheduler::push_bound). 0: nothing.
using runnable = std::uintptr_t;
inline constexpr runnable runnable_tags = 3;
inline constexpr runnable runnable_bound = 2;

class run_ring {
 public:
  static constexpr std::uint32_t size = 256;

  // Owner only. False: full.
  bool push(runnable r) noexcept {
    const std::uint32_t tail = tail_.load(sync::memory_order_relaxed);  // ours
    // acquire: Q2, the slot was read by whoever moved head past it.
    if (tail - head_.load(sync::memory_order_acquire) >= size) return false;
    slot_[tail % size].store(r, sync::memory_order_relaxed);
    tail_.store(tail + 1, sync::memory_order_release);  // Q1
    return true;
  }

  // Owner only. `biased`: no thief is there (bias.hpp).
  runnable pop(bool biased) noexcept {
    std::uint32_t head = head_.load(sync::memory_order_acquire);
    for (;;) {
      if (head == tail_.load(sync::memory_order_acquire)) return 0;  // Q1
      const runnable r = slot_[head % size].load(sync::memory_order_relaxed);
      if (biased) {
        head_.store(head + 1, sync::memory_order_release);
        return r;
      }
      // release: Q2. acquire on failure: see what a thief saw.
      if (head_.compare_exchange_weak(head, head + 1, sync::memory_order_acq_rel,
                                      sync::memory_order_acquire))
        return r;
    }
  }

  // Owner only: the next to be popped, unless a thief is faster; 0: there is none.
  [[nodiscard]] runnable peek() const noexcept {
    const std::uint32_t head = head_.load(sync::memory_order_relaxed);
    if (head == tail_.load(sync::memory_order_relaxed)) return 0;
    return slot_[head % size].load(sync::memory_order_relaxed);
  }

  // Any thread; a moment old; 0: there is none.
  [[nodiscard]] runnable oldest() const noexcept {
    const std::uint32_t head = head_.load(sync::memory_order_acquire);
    if (head == tail_.load(sync::memory_order_acquire)) return 0;
    return slot_[head % size].load(sync::memory_order_relaxed);
  }
  // Any thread; a moment old: a place in the ring, and whether all that stood before it has been
  // taken.
  [[nodiscard]] std::uint32_t end() const noexcept {
    return tail_.load(sync::memory_order_relaxed);
  }
  [[nodiscard]] bool is_past(std::uint32_t place) const noexcept {
    return static_cast<std::int32_t>(head_.load(sync::memory_order_relaxed) - place) >= 0;
  }

  // Any thread: takes up to half into `out` (at least 1 if there is one); returns how many.
  GREENROOM_WORKER_CODE std::uint32_t steal(runnable* out) noexcept {
    std::uint32_t head = head_.load(sync::memory_order_acquire);
    for (;;) {
      const std::uint32_t tail = tail_.load(sync::memory_order_acquire);  // Q1
      std::uint32_t n = tail - head;
      n -= n / 2;
      if (n == 0 || n > size) return 0;
      for (std::uint32_t i = 0; i < n; ++i)
        out[i] = slot_[(head + i) % size].load(sync::memory_order_relaxed);
      if (head_.compare_exchange_weak(head, head + n, sync::memory_order_acq_rel,
                                      sync::memory_order_acquire))
        return n;
    }
  }

  [[nodiscard]] std::uint32_t length() const noexcept {
    const std::uint32_t head = head_.load(sync::memory_order_acquire);
    const std::uint32_t n = tail_.load(sync::memory_order_acquire) - head;
    return n > size ? 1 : n;
  }

 private:
  alignas(64) sync::atomic<std::uint32_t> head_{0};
  alignas(64) sync::atomic<std::uint32_t> tail_{0};
  sync::atomic<runnable> slot_[size]{};
};

class fresh_ring {
 public:
  static constexpr std::uint32_t size = 1024;

  // Owner only. False: full.
  bool push(runnable r, bool biased) noexcept {
    std::uint64_t w = word_.load(sync::memory_order_relaxed);
    for (;;) {
      if (count(w) == size) return false;
      slot_[tail(w) % size].store(r, sync::memory_order_relaxed);
      if (biased) {
        word_.store(make(head(w), tail(w) + 1, version(w) + 1), sync::memory_order_release);
        return true;
      }
      if (word_.compare_exchange_weak(w, make(head(w), tail(w) + 1, version(w) + 1),
                                      sync::memory_order_release, sync::memory_order_relaxed))
        return true;
    }
  }

  // Owner only: before all others, as if it had been the first. False: full.
  bool push_oldest(runnable r) noexcept {
    std::uint64_t w = word_.load(sync::memory_order_relaxed);
    for (;;) {
      if (count(w) == size) return false;
      slot_[(head(w) - 1) % size].store(r, sync::memory_order_relaxed);
      if (word_.compare_exchange_weak(w, make(head(w) - 1, tail(w), version(w) + 1),
                                      sync::memory_order_release, sync::memory_order_relaxed))
        return true;
    }
  }

  // Of the oldest entry: while it stays, so does its mark.
  struct mark {
    runnable oldest = 0;
    std::uint32_t head = 0;
    std::uint32_t emptied = 0;
    friend bool operator==(const mark&, const mark&) = default;
  };
  // Any thread; a moment old. `oldest` is 0 when there is none.
  [[nodiscard]] mark look() const noexcept {
    const std::uint32_t emptied = emptied_.load(sync::memory_order_acquire);
    const std::uint64_t w = word_.load(sync::memory_order_acquire);
    if (count(w) == 0) return {};
    return {slot_[head(w) % size].load(sync::memory_order_relaxed), head(w), emptied};
  }

  // Owner only: the newest.
  runnable pop_newest(bool biased) noexcept {
    std::uint64_t w = word_.load(sync::memory_order_acquire);
    while (count(w) != 0) {
      const runnable r = slot_[(tail(w) - 1) % size].load(sync::memory_order_relaxed);
      const std::uint64_t without = make(head(w), tail(w) - 1, version(w));
      if (biased) word_.store(without, sync::memory_order_release);
      if (biased || word_.compare_exchange_weak(w, without, sync::memory_order_acq_rel,
                                                sync::memory_order_acquire)) {
        // relaxed: look() is a hint.
        if (count(w) == 1)
          emptied_.store(emptied_.load(sync::memory_order_relaxed) + 1, sync::memory_order_relaxed);
        return r;
      }
    }
    return 0;
  }

  // Any thread: takes up to `most` of the oldest, at most half; returns how many.
  GREENROOM_WORKER_CODE std::uint32_t steal(runnable* out, std::uint32_t most) noexcept {
    std::uint64_t w = word_.load(sync::memory_order_acquire);
    for (;;) {
      std::uint32_t n = count(w);
      n -= n / 2;
      if (n > most) n = most;
      if (n == 0) return 0;
      for (std::uint32_t i = 0; i < n; ++i)
        out[i] = slot_[(head(w) + i) % size].load(sync::memory_order_relaxed);
      if (word_.compare_exchange_weak(w, make(head(w) + n, tail(w), version(w)),
                                      sync::memory_order_acq_rel, sync::memory_order_acquire))
        return n;
    }
  }

  [[nodiscard]] std::uint32_t length() const noexcept {
    return count(word_.load(sync::memory_order_acquire));
  }

 private:
  // 16 bits of head, 16 of tail, 32 of version.
  static std::uint32_t head(std::uint64_t w) noexcept { return w & 0xffff; }
  static std::uint32_t tail(std::uint64_t w) noexcept { return (w >> 16) & 0xffff; }
  static std::uint32_t version(std::uint64_t w) noexcept {
    return static_cast<std::uint32_t>(w >> 32);
  }
  static std::uint32_t count(std::uint64_t w) noexcept { return (tail(w) - head(w)) & 0xffff; }
  static std::uint64_t make(std::uint32_t h, std::uint32_t t, std::uint32_t v) noexcept {
    return (h & 0xffff) | (static_cast<std::uint64_t>(t & 0xffff) << 16) |
           (static_cast<std::uint64_t>(v) << 32);
  }

  alignas(64) sync::atomic<std::uint64_t> word_{0};
  sync::atomic<std::uint32_t> emptied_{0};  // how often; owner writes
  sync::atomic<runnable> slot_[size]{};
};

}  // namespace greenroom::detail
