// SPDX-License-Identifier: Apache-2.0
// A hash table that grows by one bucket at a time, so that no insertion takes long: it stands under
// a spin lock. Nodes are the caller's, and so is the lock. Idea: Litwin's linear hashing.
//
// Buckets lie in segments, each as large as all before it; memory for the next one is brought by
// the caller, who can allocate it without the lock. Without it chains grow longer, and no more.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>
#include <string_view>

namespace greenroom::detail {

struct table_node {
  table_node* next = nullptr;
  std::uint64_t hash = 0;
};

inline std::uint64_t mix(std::uint64_t a, std::uint64_t b) noexcept {
  constexpr std::uint64_t odd = 0x9e37'79b9'7f4a'7c15u;
  const std::uint64_t h = (a ^ b) * odd;
  return h ^ (h >> 29);
}
inline std::uint64_t hash_of(std::string_view text) noexcept {
  std::uint64_t h = text.size() + 1;
  const char* at = text.data();
  std::size_t left = text.size();
  std::uint64_t word = 0;
  for (; left >= 8; left -= 8, at += 8) {
    std::memcpy(&word, at, 8);
    h = mix(h, word);
  }
  word = 0;
  std::memcpy(&word, at, left);
  return mix(mix(h, word), h);
}

class name_table {
 public:
  name_table() = default;
  name_table(const name_table&) = delete;
  name_table& operator=(const name_table&) = delete;
  ~name_table() {
    for (std::size_t i = 1; i < segments_max; ++i) delete[] segments_[i];
  }

  // The node with that hash for which `is_it(node)`, or null.
  template <class Is>
  table_node* find(std::uint64_t hash, Is&& is_it) const noexcept {
    for (table_node* n = *bucket(index_of(hash)); n != nullptr; n = n->next)
      if (n->hash == hash && is_it(n)) return n;
    return nullptr;
  }
  void insert(table_node* n) noexcept {
    table_node** at = bucket(index_of(n->hash));
    n->next = *at;
    *at = n;
    ++size_;
    for (int i = 0; i < splits_max && size_ > buckets_; ++i) split();
  }
  void erase(const table_node* n) noexcept {
    table_node** at = bucket(index_of(n->hash));
    while (*at != n) at = &(*at)->next;
    *at = n->next;
    --size_;
  }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }

  // How many buckets the segment needs that would be of use; 0: none is. Then give it.
  [[nodiscard]] std::size_t wants() const noexcept {
    const std::size_t s = segment_of(buckets_);
    if (size_ < buckets_ || s >= segments_max || segments_[s] != nullptr) return 0;
    return std::size_t{first_buckets} << (s - 1);
  }
  // False: it is not needed any more, and the caller's again. Zeroed, of the size wanted.
  bool give(table_node** segment, std::size_t size) noexcept {
    if (wants() != size) return false;
    segments_[segment_of(buckets_)] = segment;
    return true;
  }

 private:
  static constexpr std::size_t first_buckets = 8;
  static constexpr std::size_t segments_max = 28;
  static constexpr int splits_max = 4;

  // 0: the first eight; then 8 to 15, 16 to 31, ...
  static std::size_t segment_of(std::size_t i) noexcept {
    return static_cast<std::size_t>(std::bit_width(i / first_buckets));
  }
  table_node** bucket(std::size_t i) const noexcept {
    const std::size_t s = segment_of(i);
    return s == 0 ? &first_[i] : &segments_[s][i - (first_buckets << (s - 1))];
  }
  [[nodiscard]] std::size_t index_of(std::uint64_t hash) const noexcept {
    const std::size_t mask = std::bit_ceil(buckets_) - 1;
    const std::size_t i = hash & mask;
    return i < buckets_ ? i : i & (mask >> 1);
  }
  // The next bucket takes its share of the one that has stood for both.
  void split() noexcept {
    const std::size_t added = buckets_;
    const std::size_t s = segment_of(added);
    if (s >= segments_max || segments_[s] == nullptr) return;
    table_node** at = bucket(added & ((std::bit_ceil(added + 1) >> 1) - 1));
    table_node** to = bucket(added);
    ++buckets_;
    while (table_node* n = *at) {
      if (index_of(n->hash) != added) {
        at = &n->next;
        continue;
      }
      *at = n->next;
      n->next = *to;
      *to = n;
    }
  }

  std::size_t size_ = 0;
  std::size_t buckets_ = first_buckets;
  mutable table_node* first_[first_buckets]{};
  table_node** segments_[segments_max]{};
};

// After an insertion, without the lock.
template <class Lock, class Guard>
void grow(name_table& table, Lock& lock, std::size_t wanted) noexcept {
  if (wanted == 0) return;
  auto** segment = new (std::nothrow) table_node* [wanted] {};
  if (segment == nullptr) return;
  bool taken = false;
  {
    const Guard guard(lock);
    taken = table.give(segment, wanted);
  }
  if (!taken) delete[] segment;
}

}  // namespace greenroom::detail
