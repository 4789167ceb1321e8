// SPDX-License-Identifier: Apache-2.0
// Values on their way through what is no mailbox: the mistakes in their types, their nodes, and
// loops over a receiving end.
#pragma once

#include <greenroom/detail/channel_value.hpp>
#include <greenroom/error.hpp>

#include <cstddef>
#include <cstdint>
#include <expected>
#include <new>
#include <type_traits>
#include <utility>

namespace greenroom::detail {

[[noreturn]] void throw_no_memory();

template <class T>
consteval bool check_sent() {
  return check_message<T>() && check_alignment<T>();
}

template <class T>
consteval bool check_copied() {
  static_assert(std::is_copy_constructible_v<T>,
                "greenroom: every receiver gets a copy of what is sent, and this cannot be copied");
  return std::is_copy_constructible_v<T> && check_sent<T>();
}

// Takes the value out of its node.
template <class T>
std::expected<T, error> taken_from(std::expected<node*, error> got) {
  if (!got) return std::unexpected(std::move(got).error());
  std::expected<T, error> out(std::move(*body_of<T>(*got)));
  destroy_node<T>(*got);
  return out;
}

// for (auto value : receiver): until receive() reports the end, or anything but values missed.
struct end_of_values {};
template <class Receiver, class T>
class values_of {
 public:
  explicit values_of(Receiver& from) : from_(&from) { next(); }
  values_of(const values_of&) = delete;
  values_of& operator=(const values_of&) = delete;
  ~values_of() { drop(); }

  T&& operator*() noexcept { return std::move(*std::launder(reinterpret_cast<T*>(memory_))); }
  values_of& operator++() {
    drop();
    next();
    return *this;
  }
  bool operator==(end_of_values) const noexcept { return !has_; }

 private:
  void drop() noexcept {
    if (std::exchange(has_, false)) std::launder(reinterpret_cast<T*>(memory_))->~T();
  }
  void next() {
    for (;;) {
      std::expected<T, error> got = from_->receive();
      if (got) {
        ::new (static_cast<void*>(memory_)) T(std::move(*got));
        has_ = true;
        return;
      }
      if (got.error() != error::lagged) return;  // what was missed is counted at the receiver
    }
  }

  Receiver* from_;
  bool has_ = false;
  alignas(T) unsigned char memory_[sizeof(T)];
};

}  // namespace greenroom::detail
