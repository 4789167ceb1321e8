// SPDX-License-Identifier: Apache-2.0
// Why an actor ended, as a value: a kind to compare with and words to print.
//
// One pointer wide. Plain kinds point at static records; reasons with a text of their own share
// one counted record, so copying never allocates.
#pragma once

#include <greenroom/config.hpp>

#include <cstdint>
#include <exception>
#include <source_location>

namespace greenroom {

enum class exit_kind : std::uint8_t {
  normal,   // its function returned, or nobody could send to it any more
  stopped,  // it was asked to stop, and did
  killed,   // it was cancelled, and unwound
  failed,   // an exception left it
  linked,   // an actor that it was linked to ended, and it with it
  crashed,  // its process died of a signal (spawn_process)
  exited,   // its process ended by itself, with that status (spawn_process)
};
const char* name_of(exit_kind kind) noexcept;

class exit_reason {
 public:
  // The words that a reason may be made of; "" where it has none.
  struct parts {
    const char* what = "";     // of an exception: its what(), and of those nested in it
    const char* type = "";     // of an exception: "std::out_of_range"
    const char* message = "";  // the type of the message that was being handled
    const char* where = "";    // source location, where the exception knows it: "bank.cpp:31"
    const char* stack = "";    // where it was thrown, a function a line, innermost first
    int number = 0;            // of a signal, or the status of a process
  };

  exit_reason(exit_kind kind = exit_kind::normal) noexcept : detail_(plain(kind)) {}
  // With words of its own, which are copied. Without memory for them it keeps the kind.
  exit_reason(exit_kind kind, const parts& words) noexcept;

  exit_reason(const exit_reason& other) noexcept : detail_(other.detail_) { retain(); }
  exit_reason(exit_reason&& other) noexcept : detail_(other.detail_) {
    other.detail_ = plain(exit_kind::normal);
  }
  exit_reason& operator=(exit_reason other) noexcept {
    const record* mine = detail_;
    detail_ = other.detail_;
    other.detail_ = mine;
    return *this;
  }
  ~exit_reason() {
    if (GREENROOM_UNLIKELY(detail_->counted)) release();
  }

  [[nodiscard]] exit_kind kind() const noexcept { return detail_->kind; }
  // Neither normal nor stopped: what a supervisor restarts a transient child for.
  [[nodiscard]] bool is_failure() const noexcept { return detail_->kind > exit_kind::stopped; }
  // A whole sentence without a final full stop: "std::out_of_range: map::at (while handling
  // `set`)", "signal 11 (SIGSEGV)", "killed". Valid as long as this reason lives, as are the
  // others.
  [[nodiscard]] const char* text() const noexcept { return detail_->text; }
  [[nodiscard]] const char* what() const noexcept { return detail_->words.what; }
  [[nodiscard]] const char* type() const noexcept { return detail_->words.type; }
  [[nodiscard]] const char* message() const noexcept { return detail_->words.message; }
  [[nodiscard]] const char* where() const noexcept { return detail_->words.where; }
  [[nodiscard]] const char* stack() const noexcept { return detail_->words.stack; }
  [[nodiscard]] int signal() const noexcept {
    return kind() == exit_kind::crashed ? detail_->words.number : 0;
  }
  [[nodiscard]] int status() const noexcept {
    return kind() == exit_kind::exited ? detail_->words.number : 0;
  }

  friend bool operator==(const exit_reason& a, exit_kind b) noexcept { return a.kind() == b; }

 private:
  struct record {
    exit_kind kind;
    bool counted;
    const char* text;
    parts words;
  };
  struct counted_record;
  static const record records_[];
  static const record out_of_memory_;

  static const record* plain(exit_kind kind) noexcept {
    return records_ + static_cast<std::uint8_t>(kind);
  }
  void retain() const noexcept {
    if (GREENROOM_UNLIKELY(detail_->counted)) retain_counted();
  }
  GREENROOM_COLD void retain_counted() const noexcept;
  GREENROOM_COLD void release() const noexcept;

  const record* detail_;
};

// An exception that knows where it was thrown: `throw greenroom::failure("no such account")`. The
// reason of an actor that it leaves then says so. The text is copied.
class failure : public std::exception {
 public:
  explicit failure(const char* text,
                   std::source_location at = std::source_location::current()) noexcept
      : reason_(exit_kind::failed, {.what = text}), at_(at) {}

  [[nodiscard]] const char* what() const noexcept override { return reason_.what(); }
  [[nodiscard]] const std::source_location& where() const noexcept { return at_; }

 private:
  exit_reason reason_;
  std::source_location at_;
};

}  // namespace greenroom
