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
  void bulk(std::string_view bytes) {
    header('$', static_cast<std::int64_t>(bytes.size()));
    out_.append(bytes).append("\r\n");
  }
  void bulk_or_null(const std::string* bytes) { bytes != nullptr ? bulk(*bytes) : null(); }
  void null() { out_.append(resp3_ ? "_\r\n" : "$-1\r\n"); }
  void null_array() { out_.append(resp3_ ? "_\r\n" : "*-1\r\n"); }
  void array(std::size_t items) { header('*', static_cast<std::int64_t>(items)); }
  void set(std::size_t items) { header(resp3_ ? '~' : '*', static_cast<std::int64_t>(items)); }
  void push(std::size_t items) { header(resp3_ ? '>' : '*', static_cast<std::int64_t>(items)); }
  void map(std::size_t pairs) {
    header(resp3_ ? '%' : '*', static_cast<std::int64_t>(resp3_ ? pairs : 2 * pairs));
  }
  void text(std::string_view lines) {  // For humans: RESP3 says so.
    if (!resp3_) return bulk(lines);
    header('=', static_cast<std::int64_t>(lines.size() + 4));
    out_.append("txt:").append(lines).append("\r\n");
  }
  // An error is one line, so what a client sent must not break it.
  void error(std::string_view line) {
    out_ += '-';
    for (char c : line) out_ += c == '\r' || c == '\n' ? ' ' : c;
    out_.append("\r\n");
  }

 private:
  void header(char type, std::int64_t n) {
    char digits[24] = {type};
    char* const end = std::to_chars(digits + 1, digits + 22, n).ptr;
    end[0] = '\r';
    end[1] = '\n';
    out_.append(digits, static_cast<std::size_t>(end + 2 - digits));
  }

  std::string& out_;
  const bool resp3_;
};

}  // namespace kv
