// SPDX-License-Identifier: Apache-2.0
// A value as a word of 64 bits: itself if it is small and trivial, else the node it was moved to.
#pragma once

#include <greenroom/detail/node.hpp>

#include <cstdint>
#include <cstring>
#include <type_traits>
#include <utility>

namespace greenroom::detail {

template <class T>
consteval bool check_alignment() {
  static_assert(alignof(T) <= 16, "greenroom: a value may be aligned to 16 bytes at most");
  return alignof(T) <= 16;
}

// What it holds is destroyed with it, unless somebody has taken it over.
template <class T>
class value_word {
 public:
  static constexpr bool is_small = sizeof(T) <= sizeof(std::uint64_t) &&
                                   std::is_trivially_copyable_v<T> &&
                                   std::is_trivially_destructible_v<T>;

  // Leaves the value alone when memory is out: then it is false.
  explicit value_word(T&& value) noexcept {
    if constexpr (is_small) {
      std::memcpy(&word_, __builtin_addressof(value), sizeof(T));
      held_ = true;
    } else {
      node* n = allocate_node(size_class, offset + sizeof(T));
      if (GREENROOM_UNLIKELY(n == nullptr)) return;
      ::new (static_cast<void*>(reinterpret_cast<char*>(n) + offset)) T(std::move(value));
      word_ = reinterpret_cast<std::uint64_t>(n);
      held_ = true;
    }
  }
  value_word(const value_word&) = delete;
  value_word& operator=(const value_word&) = delete;
  ~value_word() {
    if (!is_small && held_) discard(word_);
  }

  explicit operator bool() const noexcept { return held_; }
  [[nodiscard]] std::uint64_t get() const noexcept { return word_; }
  // Somebody else has it now.
  void release() noexcept { held_ = false; }
  // REQUIRES: it holds one.
  T take() noexcept {
    held_ = false;
    return unwrap(word_);
  }

  static T unwrap(std::uint64_t word) noexcept {
    if constexpr (is_small) {
      // No default constructor is asked for.
      alignas(T) unsigned char bytes[sizeof(T)];
      std::memcpy(bytes, &word, sizeof(T));
      return std::move(*std::launder(reinterpret_cast<T*>(bytes)));
    } else {
      const body_memory memory{reinterpret_cast<node*>(word)};
      return std::move(*body_at(memory.n));
    }
  }
  static void discard(std::uint64_t word) noexcept {
    if constexpr (!is_small) const body_memory memory{reinterpret_cast<node*>(word)};
  }
  // For the compiled core; null: there is nothing to do.
  static auto destroyer() noexcept -> void (*)(std::uint64_t) {
    return is_small ? nullptr : &discard;
  }

 private:
  static constexpr std::size_t offset = alignof(T) > 8 ? 16 : 8;
  static constexpr std::uint8_t size_class = size_class_of(offset + sizeof(T));

  static T* body_at(node* n) noexcept {
    return std::launder(reinterpret_cast<T*>(reinterpret_cast<char*>(n) + offset));
  }
  struct body_memory {
    node* n;
    ~body_memory() {
      body_at(n)->~T();
      free_node(n, size_class);
    }
  };

  std::uint64_t word_ = 0;
  bool held_ = false;
};

}  // namespace greenroom::detail
