// SPDX-License-Identifier: Apache-2.0
// A min-heap of timers with four children a node: insert, erase and pop in O(log n), earliest in
// O(1). A node carries its place in the heap, so erasing it needs no search.
//
// Thread rules: none of its own; the caller holds a lock around everything, queued() included.
//
// Invariants:
//   H1  entries_[node->heap_index].node == node for every node that is queued.
//   H2  No entry comes before its parent, by before().
//   H3  Timers of one time come out in the order they were inserted; never by address, so that a
//       seeded run repeats. before() is the one place that decides it.
//
// Times stand in the heap beside the pointer: sifting reads nodes only where two times are equal,
// and four siblings are one or two cache lines.
// Rejected: std::vector (a large one is copied to grow, under the caller's spin lock, where
// realloc moves pages); a timer wheel (it must be ticked, and rounds).
#pragma once

#include <greenroom/config.hpp>

#include <cstdint>
#include <cstdlib>
#include <new>

namespace greenroom::detail {

struct timer_node {
  static constexpr std::uint32_t nowhere = 0xFFFFFFFF;

  std::int64_t when_ns = 0;
  std::uint64_t inserted = 0;  // number of the insertion
  std::uint32_t heap_index = nowhere;

  [[nodiscard]] bool queued() const noexcept { return heap_index != nowhere; }
};

class timer_heap {
 public:
  static constexpr std::uint32_t capacity_first = 64;
  static constexpr std::uint32_t size_max = std::uint32_t{1} << 30;

  timer_heap() = default;
  ~timer_heap() { std::free(entries_); }
  timer_heap(const timer_heap&) = delete;
  timer_heap& operator=(const timer_heap&) = delete;

  [[nodiscard]] bool empty() const noexcept { return size_ == 0; }
  [[nodiscard]] std::uint32_t size() const noexcept { return size_; }
  // Is an insert worth a try?
  [[nodiscard]] bool can_grow() const noexcept { return size_ < size_max; }
  // INT64_MAX when empty.
  [[nodiscard]] std::int64_t earliest() const noexcept {
    return size_ == 0 ? INT64_MAX : entries_[0].when_ns;
  }

  // REQUIRES: not queued, here or elsewhere. Throws std::bad_alloc, then nothing has changed.
  void insert(timer_node* node, std::int64_t when_ns) {
    GREENROOM_ASSERT(!node->queued());
    if (size_ == capacity_) resize(capacity_ == 0 ? capacity_first : capacity_ * 2);
    node->when_ns = when_ns;
    node->inserted = ++insertions_;
    sift_up(size_++, {when_ns, node});
  }

  // REQUIRES: queued here.
  void erase(timer_node* node) noexcept {
    const std::uint32_t at = node->heap_index;
    GREENROOM_ASSERT(at < size_ && entries_[at].node == node);
    node->heap_index = timer_node::nowhere;
    const entry last = entries_[--size_];
    if (at < size_) {
      if (at != 0 && before(last, entries_[parent_of(at)])) {
        sift_up(at, last);
      } else {
        sift_down(at, last);
      }
    }
    if (size_ < capacity_ / 8 && capacity_ > capacity_first) shrink();
  }

  // REQUIRES: not empty.
  [[nodiscard]] timer_node* first() const noexcept { return entries_[0].node; }

  // REQUIRES: not empty. The first to fire.
  timer_node* pop() noexcept {
    GREENROOM_ASSERT(size_ != 0);
    timer_node* const first = entries_[0].node;
    erase(first);
    return first;
  }

  // The first to fire if it is due, else null.
  timer_node* pop_due(std::int64_t now_ns) noexcept {
    return size_ != 0 && entries_[0].when_ns <= now_ns ? pop() : nullptr;
  }

 private:
  struct entry {
    std::int64_t when_ns;
    timer_node* node;
  };

  // H3.
  static bool before(const entry& a, const entry& b) noexcept {
    if (a.when_ns != b.when_ns) return a.when_ns < b.when_ns;
    return a.node->inserted < b.node->inserted;
  }
  static std::uint32_t parent_of(std::uint32_t at) noexcept { return (at - 1) / 4; }

  void put(std::uint32_t at, const entry& e) noexcept {
    entries_[at] = e;
    e.node->heap_index = at;
  }

  void sift_up(std::uint32_t at, const entry& e) noexcept {
    while (at != 0) {
      const std::uint32_t parent = parent_of(at);
      if (!before(e, entries_[parent])) break;
      put(at, entries_[parent]);
      at = parent;
    }
    put(at, e);
  }

  void sift_down(std::uint32_t at, const entry& e) noexcept {
    while (size_ > 1 && at <= (size_ - 2) / 4) {  // it has a child
      const std::uint32_t child = first_child(at);
      if (!before(entries_[child], e)) break;
      put(at, entries_[child]);
      at = child;
    }
    put(at, e);
  }

  // The child that comes before its siblings. REQUIRES: there is a child.
  [[nodiscard]] std::uint32_t first_child(std::uint32_t at) const noexcept {
    std::uint32_t first = at * 4 + 1;
    const std::uint32_t end = size_ - first < 4 ? size_ : first + 4;
    for (std::uint32_t other = first + 1; other < end; ++other) {
      if (before(entries_[other], entries_[first])) first = other;
    }
    return first;
  }

  GREENROOM_COLD void resize(std::uint32_t capacity) {
    if (capacity > size_max) throw std::bad_alloc();
    void* const grown = std::realloc(entries_, capacity * sizeof(entry));
    if (grown == nullptr) throw std::bad_alloc();
    entries_ = static_cast<entry*>(grown);
    capacity_ = capacity;
  }

  // A burst of a million timers must not cost its memory for ever.
  GREENROOM_COLD void shrink() noexcept {
    void* const smaller = std::realloc(entries_, capacity_ / 4 * sizeof(entry));
    if (smaller == nullptr) return;
    entries_ = static_cast<entry*>(smaller);
    capacity_ /= 4;
  }

  entry* entries_ = nullptr;
  std::uint32_t size_ = 0;
  std::uint32_t capacity_ = 0;
  std::uint64_t insertions_ = 0;
};

}  // namespace greenroom::detail
