// SPDX-License-Identifier: Apache-2.0
// Takes requests apart, RESP arrays and inline commands, where they lie in the input buffer.
//
// It waits for nothing: it says `more` and goes on from there when the buffer has grown. Memory
// follows the bytes that came, never a length that a peer only announced.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace kv {

class request_parser {
 public:
  enum class outcome { command, more, error };

  static constexpr std::size_t inline_max = 64 << 10;
  static constexpr std::int64_t bulk_max = 512 << 20;

  // A client that must still give its password gets narrow limits.
  bool authenticated = true;

  // Reads on to the end of a command. Quoted words of a line are unescaped in place. After `error`
  // only error_text() may be called.
  outcome next(std::span<char> input);
  // Those of the command that is complete, pieces of the input.
  std::span<const std::string_view> words() const { return words_; }
  // How much at the front of the input is complete commands. The owner takes that away now.
  std::size_t take_done();
  const std::string& error_text() const { return error_; }

 private:
  struct slice {  // by offset, for the buffer may move before the command is complete
    std::uint32_t at, size;
  };
  struct header {
    char type;
    const char *name, *of;  // in errors
    std::int64_t min, max, unauthenticated_max;
  };

  outcome fail(const auto&... text);
  outcome read_header(std::span<char> input, const header& h, std::int64_t& number);
  outcome read_bulk(std::span<char> input);
  outcome read_line(std::span<char> input);

  std::size_t done_ = 0;       // where the current command starts
  std::size_t position_ = 0;   // the next byte to look at
  std::vector<slice> slices_;  // the words of the current command
  std::int64_t missing_ = 0;   // bulk strings that it still lacks
  std::int64_t size_ = -1;     // of the next of them; -1: not known yet
  std::vector<std::string_view> words_;
  std::string error_;
};

}  // namespace kv
