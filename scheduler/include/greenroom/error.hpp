// SPDX-License-Identifier: Apache-2.0
// Expected failures as values: a code to compare with and a sentence to print.
//
// An error is one pointer wide. Plain codes point at static records; errors with a text of their
// own share one counted record, so copying never allocates.
#pragma once

#include <greenroom/config.hpp>

#include <concepts>
#include <cstdint>

namespace greenroom {

class error {
 public:
  enum code_type : std::uint8_t {
    closed,         // nobody receives there any more: the actor ended or its mailbox closed
    full,           // the mailbox is full (or others wait before us) and the call may not wait
    timeout,        // the deadline passed
    cancelled,      // the calling green thread is being cancelled; its next wait throws
    deadlock,       // this wait would have closed a circle of waits
    failed,         // the actor asked ended by an exception; the text is its what()
    dropped,        // by a full mailbox (overload), or with its promise, without an answer
    no_memory,      // memory, address space or map limit reached
    shutdown,       // the runtime is stopping or gone
    end_of_stream,  // the peer closed its side
    io,             // the operating system said no; the text says what
    invalid,        // an argument or option makes no sense; the text names it
    refused,        // a limit of the other side was reached
    empty,          // there is nothing to receive now, and the call may not wait
    lagged,         // a slow receiver missed values; the text says how many
  };

  error(code_type code) noexcept : detail_(plain(code)) {}
  // A code with a whole sentence. Text is copied.
  error(code_type code, const char* text);
  // As above, for texts with a length (std::string, std::string_view).
  template <class Text>
    requires requires(const Text& t) {
      { t.data() } -> std::convertible_to<const char*>;
      t.size();
    }
  error(code_type code, const Text& text) : error(code, text.data(), text.size()) {}
  error(code_type code, const char* text, std::size_t size);

  error(const error& other) noexcept : detail_(other.detail_) { retain(); }
  error(error&& other) noexcept : detail_(other.detail_) { other.detail_ = plain(closed); }
  error& operator=(error other) noexcept {
    const auto* mine = detail_;
    detail_ = other.detail_;
    other.detail_ = mine;
    return *this;
  }
  ~error() {
    if (GREENROOM_UNLIKELY(detail_->counted)) release();
  }

  [[nodiscard]] code_type code() const noexcept { return detail_->code; }
  // A whole sentence without a final full stop; valid as long as this error lives.
  [[nodiscard]] const char* text() const noexcept { return detail_->text; }

  friend bool operator==(const error& a, const error& b) noexcept { return a.code() == b.code(); }
  friend bool operator==(const error& a, code_type b) noexcept { return a.code() == b; }

 private:
  struct record {
    code_type code;
    bool counted;
    const char* text;
  };
  struct counted_record;
  static const record records_[];
  static const record out_of_memory_;

  static const record* plain(code_type code) noexcept { return records_ + code; }
  void retain() const noexcept {
    if (GREENROOM_UNLIKELY(detail_->counted)) retain_counted();
  }
  GREENROOM_COLD void retain_counted() const noexcept;
  GREENROOM_COLD void release() const noexcept;

  const record* detail_;
};

// The name of a code: "closed", "full", ...
const char* name_of(error::code_type code) noexcept;

// What a send reports. May be ignored: a message that was not taken is a counted dead letter.
class status {
 public:
  status() noexcept : ok_(true), error_(error::closed) {}
  status(greenroom::error why) noexcept
      : ok_(false), error_(static_cast<greenroom::error&&>(why)) {}
  status(greenroom::error::code_type why) noexcept : ok_(false), error_(why) {}

  explicit operator bool() const noexcept { return ok_; }
  [[nodiscard]] bool ok() const noexcept { return ok_; }
  // REQUIRES: !ok().
  [[nodiscard]] const greenroom::error& error() const noexcept { return error_; }

 private:
  bool ok_;
  greenroom::error error_;
};

}  // namespace greenroom
