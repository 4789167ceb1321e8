// SPDX-License-Identifier: Apache-2.0
// Writes replies, as RESP2 or RESP3, to the end of a string.
#pragma once

#include <charconv>
#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>

namespace kv {

class reply {
 public:
  reply(std::string& out, int protocol) : out_(out), resp3_(protocol == 3) {}

  void simple(std::string_view text) { out_.append("+").append(text).append("\r\n"); }
  void ok() { out_.append("+OK\r\n"); }
  void integer(std::integral auto n) { header(':', static_cast<std::int64_t>(n)); }
  void bulk(const auto&... each) { (text('$', "", each), ...); }
  void bulk_or_null(const std::string* bytes) { bytes != nullptr ? bulk(*bytes) : null(); }
  void null() { out_.append(resp3_ ? "_\r\n" : "$-1\r\n"); }
  void null_array() { out_.append(resp3_ ? "_\r\n" : "*-1\r\n"); }
  void array(std::size_t items) { header('*', items); }
  void set(std::size_t items) { header(resp3_ ? '~' : '*', items); }
  void push(std::size_t items) { header(resp3_ ? '>' : '*', items); }
  void map(std::size_t pairs) { resp3_ ? header('%', pairs) : header('*', 2 * pairs); }
  // For humans: RESP3 says so.
  void verbatim(std::string_view lines) { resp3_ ? text('=', "txt:", lines) : bulk(lines); }
  // An error is one line, so what a client sent must not break it.
  void error(std::string_view line) {
    out_ += '-';
    for (char c : line) out_ += c == '\r' || c == '\n' ? ' ' : c;
    out_.append("\r\n");
  }

 private:
  void text(char type, std::string_view format, std::string_view bytes) {
    header(type, format.size() + bytes.size());
    out_.append(format).append(bytes).append("\r\n");
  }
  void header(char type, std::integral auto n) {
    char digits[24] = {type};
    char* const end = std::to_chars(digits + 1, std::end(digits), n).ptr;
    out_.append(digits, end).append("\r\n");
  }

  std::string& out_;
  const bool resp3_;
};

}  // namespace kv
