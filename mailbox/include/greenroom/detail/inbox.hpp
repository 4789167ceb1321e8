// SPDX-License-Identifier: Apache-2.0
// The inbox: one word that senders and the receiver change by compare-and-swap, free of
// everything else so that a model checker can run it as it stands.
//
//   bits 0-3    idle: the receiver waits or rests; who clears it must make it runnable
//               closed: nothing is admitted any more
//               waiters: senders wait for room; everybody else finds the inbox full
//               signal: the receiver should look at its control bits
//   bits 4-47   the newest node (nodes are 16-byte aligned); older ones follow its links
//   bits 48-63  depth: admitted and not yet given back (bounded inboxes only)
//
// Invariants: M1 only the receiver takes nodes or sets `idle`, and only when there is no node and
// no signal; M2 exactly one party finds and clears `idle`, and it makes the receiver runnable;
// M3 depth never exceeds the capacity that a push names, since it is checked and raised by the
// same compare-and-swap that admits (only messages with room of their own name more than their
// mailbox's); M4 the order of admission is the order of the list.
// Rejected: an intrusive queue with a tail pointer (Vyukov): a sender that loses its core between
// its exchange and its link hides all later messages.
#pragma once

#include <greenroom/detail/sync.hpp>

#include <cstdint>

namespace greenroom::detail {

// The low 48 bits: next node or 0. The high 16: the receiver's tag of this message.
struct alignas(8) node {
  sync::owned<std::uint64_t> link;
};

enum class admitted { queued, first, full, closed };  // first: make the receiver runnable

class inbox {
 public:
  static constexpr std::uint64_t idle = 1;
  static constexpr std::uint64_t closed = 2;
  static constexpr std::uint64_t waiters = 4;
  static constexpr std::uint64_t signal = 8;
  static constexpr std::uint64_t node_mask = 0x0000'ffff'ffff'fff0;
  static constexpr std::uint64_t one = std::uint64_t{1} << 48;
  static constexpr std::uint32_t capacity_max = 60'000;

  static node* node_in(std::uint64_t word) noexcept {
    return reinterpret_cast<node*>(word & node_mask);
  }
  static node* next_of(const node* n) noexcept {
    return reinterpret_cast<node*>(n->link.get() & 0x0000'ffff'ffff'ffff);
  }
  static std::uint32_t tag_of(const node* n) noexcept {
    return static_cast<std::uint32_t>(n->link.get() >> 48);
  }
  static std::uint32_t depth_in(std::uint64_t word) noexcept {
    return static_cast<std::uint32_t>(word >> 48);
  }

  // REQUIRES: nobody else uses it.
  void reset(std::uint64_t bits) noexcept { word_.store(bits, sync::memory_order_release); }

  // Any thread. capacity 0: unbounded, depth is not kept. `past_waiters`: the caller is the
  // receiver and admits a waiting sender's message, or the message has room of its own.
  admitted push(node* n, std::uint32_t tag, std::uint32_t capacity,
                bool past_waiters = false) noexcept {
    std::uint64_t word = word_.load(sync::memory_order_peek);
    for (;;) {
      if (GREENROOM_UNLIKELY((word & (closed | waiters)) != 0)) {
        if ((word & closed) != 0) return admitted::closed;
        if (!past_waiters) return admitted::full;
      }
      std::uint64_t next = (word & ~(node_mask | idle)) | reinterpret_cast<std::uint64_t>(n);
      if (capacity != 0) {
        if (GREENROOM_UNLIKELY(depth_in(word) >= capacity)) return admitted::full;  // M3
        next += one;
      }
      n->link.set((word & node_mask) | (static_cast<std::uint64_t>(tag) << 48));
      // release: the receiver sees the node. acquire: when it was idle we act for it (M2).
      if (GREENROOM_LIKELY(word_.compare_exchange_weak(word, next, sync::memory_order_acq_rel,
                                                       sync::memory_order_relaxed)))
        return (word & idle) != 0 ? admitted::first : admitted::queued;
    }
  }

  // Holder of the waiters' lock, for a receiver that has not ended: a message of the system lane.
  // It takes no room, and a closed inbox takes it. `signal` keeps it from being handled in place,
  // where it would give back room that it never had. True: make the receiver runnable.
  bool push_system(node* n, std::uint32_t tag) noexcept {
    std::uint64_t word = word_.load(sync::memory_order_peek);
    std::uint64_t after;
    do {
      after = (word & ~(node_mask | idle)) | signal | reinterpret_cast<std::uint64_t>(n);
      n->link.set((word & node_mask) | (static_cast<std::uint64_t>(tag) << 48));
      // As in push.
    } while (!word_.compare_exchange_weak(word, after, sync::memory_order_acq_rel,
                                          sync::memory_order_relaxed));
    return (word & idle) != 0;
  }

  // Holder of the waiters' lock: as push past waiters. A push that raises the depth to `mark` or
  // above sets `waiters` in the same step; mark 0: none does. The depth is told if it was admitted.
  admitted push_marked(node* n, std::uint32_t tag, std::uint32_t capacity, std::uint32_t mark,
                       std::uint32_t& depth) noexcept {
    std::uint64_t word = word_.load(sync::memory_order_peek);
    std::uint64_t after;
    do {
      if ((word & closed) != 0) return admitted::closed;
      if (capacity <= depth_in(word)) return admitted::full;
      after = ((word & ~(node_mask | idle)) | reinterpret_cast<std::uint64_t>(n)) + one;
      if (mark != 0 && depth_in(after) >= mark) after |= waiters;
      n->link.set((word & node_mask) | (static_cast<std::uint64_t>(tag) << 48));
      // As in push.
    } while (!word_.compare_exchange_weak(word, after, sync::memory_order_acq_rel,
                                          sync::memory_order_relaxed));
    depth = depth_in(after);
    return (word & idle) != 0 ? admitted::first : admitted::queued;
  }

  // Holder of the waiters' lock, where the receiver takes nodes under it as well: n stands in the
  // place of all nodes, which the word `before` shows. The depth counts one more.
  admitted replace(node* n, std::uint32_t tag, std::uint64_t& before) noexcept {
    n->link.set(static_cast<std::uint64_t>(tag) << 48);
    before = word_.load(sync::memory_order_peek);
    std::uint64_t after;
    do {
      if ((before & closed) != 0) return admitted::closed;
      after = ((before & ~(node_mask | idle)) | reinterpret_cast<std::uint64_t>(n)) + one;
      // acquire: we handle the list as the receiver does. release: as in push.
    } while (!word_.compare_exchange_weak(before, after, sync::memory_order_acq_rel,
                                          sync::memory_order_relaxed));
    return (before & idle) != 0 ? admitted::first : admitted::queued;
  }
  // Of the nodes that a word showed which the caller has taken out, linked oldest first.
  static node* oldest_in(std::uint64_t word) noexcept { return reversed(node_in(word)); }

  // Receiver only: everything, oldest first, whose depth stays until it is given back. In the
  // same step n earlier messages left; `before` is the word before that, as from give_back().
  node* take(std::uint32_t n, std::uint64_t& before) noexcept {
    before = word_.load(sync::memory_order_peek);
    do {
      if ((before & node_mask) == 0) return nullptr;
      // acquire: pairs with the release of every push in the list (each is a read-modify-write).
      // release: whoever is admitted to the room finds it empty.
    } while (!word_.compare_exchange_weak(before, (before - one * n) & ~node_mask,
                                          sync::memory_order_acq_rel, sync::memory_order_relaxed));
    return reversed(node_in(before));
  }
  node* take() noexcept {
    std::uint64_t before;
    return take(0, before);
  }

  // Receiver only: n messages left; returns the word before (its waiters bit tells of senders).
  std::uint64_t give_back(std::uint32_t n) noexcept {
    return word_.fetch_sub(one * n, sync::memory_order_acq_rel);
  }

  // Receiver only; n messages left, which is told in the same step. False: a message or signal
  // came first (M1), or senders wait for the room; nothing is told then, go on.
  bool rest(std::uint32_t n = 0) noexcept {
    const std::uint64_t in_the_way = node_mask | signal | (n != 0 ? waiters : 0);
    std::uint64_t word = word_.load(sync::memory_order_peek);
    do {
      if ((word & in_the_way) != 0) return false;
      // release: whoever clears idle sees all the receiver did.
    } while (!word_.compare_exchange_weak(word, (word - one * n) | idle, sync::memory_order_acq_rel,
                                          sync::memory_order_relaxed));
    return true;
  }

  // Receiver only, after handling the one message that `seen` shows and that is still in place:
  // removes it and rests, in one step. False: something has changed since.
  bool rest_after(std::uint64_t seen, bool counted) noexcept {
    if ((seen & (closed | waiters | signal)) != 0) return false;
    const std::uint64_t resting = ((seen & ~node_mask) | idle) - (counted ? one : 0);
    return word_.compare_exchange_strong(seen, resting, sync::memory_order_acq_rel,
                                         sync::memory_order_relaxed);
  }

  // Receiver only, at rest: takes that back. False: somebody was first, and acts on it (M2).
  bool end_rest() noexcept {
    // acquire: what a sender wrote that has pushed since is seen.
    return (word_.fetch_and(~idle, sync::memory_order_acq_rel) & idle) != 0;
  }

  // Any thread: sets bits; true when the receiver was idle and is the caller's to make runnable.
  bool raise(std::uint64_t bits) noexcept {
    std::uint64_t word = word_.load(sync::memory_order_peek);
    while (!word_.compare_exchange_weak(word, (word | bits) & ~idle, sync::memory_order_acq_rel,
                                        sync::memory_order_relaxed)) {}
    return (word & idle) != 0;  // M2
  }

  // Receiver (signal) or holder of the waiters' lock (waiters).
  void lower(std::uint64_t bits) noexcept { word_.fetch_and(~bits, sync::memory_order_acq_rel); }

  // Holder of the waiters' lock: marks that somebody waits, unless there is room after all.
  // False: there is room, or it is closed; try again.
  bool raise_waiters(std::uint32_t capacity) noexcept {
    std::uint64_t word = word_.load(sync::memory_order_peek);
    for (;;) {
      if ((word & closed) != 0) return false;
      if ((word & waiters) != 0) return true;
      if (depth_in(word) < capacity) return false;
      // The receiver's give_back() is a read-modify-write of the same word: it sees the bit, or
      // this fails and sees the room.
      if (word_.compare_exchange_weak(word, word | waiters, sync::memory_order_acq_rel,
                                      sync::memory_order_relaxed))
        return true;
    }
  }

  [[nodiscard]] std::uint64_t look() const noexcept {
    return word_.load(sync::memory_order_acquire);
  }

 private:
  static node* reversed(node* newest) noexcept {
    node* oldest = nullptr;
    while (newest != nullptr) {
      node* older = next_of(newest);
      newest->link.set((static_cast<std::uint64_t>(tag_of(newest)) << 48) |
                       reinterpret_cast<std::uint64_t>(oldest));
      oldest = newest;
      newest = older;
    }
    return oldest;
  }

  sync::atomic<std::uint64_t> word_{0};
};

}  // namespace greenroom::detail
