// SPDX-License-Identifier: Apache-2.0
// What a runtime tells of messages that reached nobody: sums, sums by type, and each as it comes.
#pragma once

#include <greenroom/detail/home.hpp>

#include <cstddef>
#include <cstdint>
#include <utility>

namespace greenroom {

// Messages that reached nobody, by reason (dead_letter_reason).
struct dead_letters {
  std::uint64_t closed, undelivered, full, timeout, cancelled, deadlock, expired, late_reply,
      dropped, crashed;
  [[nodiscard]] std::uint64_t total() const noexcept {
    return closed + undelivered + full + timeout + cancelled + deadlock + expired + late_reply +
           dropped + crashed;
  }
};

struct dead_letter_count {
  const char* type;  // of the message; "other types" where there were more than 256 of them
  dead_letter_reason reason;
  std::uint64_t count;  // not 0
};

// Those that there are, the most frequent first.
class dead_letter_counts {
 public:
  dead_letter_counts() noexcept = default;
  dead_letter_counts(dead_letter_counts&& other) noexcept
      : all_(std::exchange(other.all_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  dead_letter_counts& operator=(dead_letter_counts&& other) noexcept {
    std::swap(all_, other.all_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~dead_letter_counts() { delete[] all_; }

  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] const dead_letter_count* begin() const noexcept { return all_; }
  [[nodiscard]] const dead_letter_count* end() const noexcept { return all_ + size_; }
  // 0 where there were none.
  [[nodiscard]] std::uint64_t of(const char* type, dead_letter_reason reason) const noexcept;

 private:
  friend class runtime;
  dead_letter_count* all_ = nullptr;
  std::size_t size_ = 0;
};

namespace detail {

struct dead_letter_record : dead_listener {
  void (*destroy)(dead_letter_record* mine) noexcept = nullptr;
};

template <class F>
struct dead_letter_function : dead_letter_record {
  F f;
  explicit dead_letter_function(F&& function) : f(static_cast<F&&>(function)) {
    call = [](dead_listener* mine, const greenroom::dead_letter& letter) noexcept {
      static_cast<dead_letter_function*>(mine)->f(letter);
    };
    destroy = [](dead_letter_record* mine) noexcept {
      delete static_cast<dead_letter_function*>(mine);
    };
  }
};

}  // namespace detail

// Lasts as long as its function is to be called. It may outlive the runtime.
class dead_letter_subscription {
 public:
  dead_letter_subscription() noexcept = default;
  dead_letter_subscription(detail::home* of, detail::dead_letter_record* record) noexcept
      : home_(of), record_(record) {
    detail::add_listener(home_, record_);
  }
  dead_letter_subscription(dead_letter_subscription&& other) noexcept
      : home_(other.home_), record_(std::exchange(other.record_, nullptr)) {}
  dead_letter_subscription& operator=(dead_letter_subscription&& other) noexcept {
    std::swap(home_, other.home_);
    std::swap(record_, other.record_);
    return *this;
  }
  ~dead_letter_subscription() { end(); }

  // No call is under way when it returns, and none will come. It waits for those that are, so
  // it must not be called by such a function. Any thread.
  void end() noexcept {
    if (record_ == nullptr) return;
    detail::remove_listener(home_, record_);
    record_->destroy(record_);
    record_ = nullptr;
  }

 private:
  detail::home* home_ = nullptr;
  detail::dead_letter_record* record_ = nullptr;
};

}  // namespace greenroom
