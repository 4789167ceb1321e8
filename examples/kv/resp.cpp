// SPDX-License-Identifier: Apache-2.0
#include "resp.hpp"

#include <cctype>
#include <charconv>
#include <climits>
#include <cstring>
#include <utility>

#include "text.hpp"

namespace kv {
namespace {

bool is_space(char c) { return std::isspace(static_cast<unsigned char>(c)) != 0; }

char unescaped(char c) {
  constexpr std::string_view letters = "nrtba", meanings = "\n\r\t\b\a";
  const std::size_t at = letters.find(c);
  return at == letters.npos ? c : meanings[at];
}

// Unescapes the word at `from`, which is before `end`, in place. Returns where it stopped, or
// nullptr when its quotes do not match. `size` is the word's new length.
char* unquote(char* from, char* end, std::size_t& size) {
  char* out = from;
  char* const start = from;
  char quote = 0;
  unsigned char byte = 0;
  for (; from < end && (quote != 0 || !is_space(*from)); ++from) {
    if (quote == 0 && (*from == '"' || *from == '\'')) {
      quote = *from;
    } else if (quote != 0 && *from == quote) {
      if (from + 1 < end && !is_space(from[1])) return nullptr;
      quote = 0;
    } else if (quote == '"' && end - from > 3 && from[0] == '\\' && from[1] == 'x' &&
               std::from_chars(from + 2, from + 4, byte, 16).ptr == from + 4) {
      *out++ = static_cast<char>(byte);
      from += 3;
    } else if (quote == '"' && *from == '\\' && from + 1 < end) {
      *out++ = unescaped(*++from);
    } else {
      if (quote == '\'' && *from == '\\' && from + 1 < end && from[1] == '\'') ++from;
      *out++ = *from;
    }
  }
  size = static_cast<std::size_t>(out - start);
  return quote == 0 ? from : nullptr;
}

// Keeps its memory for the next command, unless this was a long one.
template <class T>
void empty(std::vector<T>& words) {
  constexpr std::size_t kept_max = 64;
  if (words.capacity() > kept_max) std::vector<T>().swap(words);
  words.clear();
}

}  // namespace

using outcome = request_parser::outcome;

outcome request_parser::fail(const auto&... text) {
  error_ = concat("Protocol error: ", text...);
  return outcome::error;
}

outcome request_parser::next(std::span<char> input) {
  static constexpr header count{'*', "mbulk", "multibulk", INT64_MIN, INT_MAX, 10};
  empty(words_);
  while (missing_ > 0 || slices_.empty()) {
    if (missing_ <= 0) done_ = position_;  // An empty line or array asks nothing.
    if (position_ == input.size()) return outcome::more;
    const outcome got = missing_ > 0              ? read_bulk(input)
                        : input[position_] == '*' ? read_header(input, count, missing_)
                                                  : read_line(input);
    if (got != outcome::command) return got;
  }
  for (slice word : slices_) words_.emplace_back(input.data() + word.at, word.size);
  empty(slices_);
  done_ = position_;
  return outcome::command;
}

std::size_t request_parser::take_done() {
  for (slice& word : slices_) word.at -= static_cast<std::uint32_t>(done_);
  position_ -= done_;
  return std::exchange(done_, 0);
}

// A header is a type byte, a number, CR and one byte more, which Redis does not look at either.
outcome request_parser::read_header(std::span<char> input, const header& h, std::int64_t& number) {
  const std::string_view rest(input.data() + position_, input.size() - position_);
  const std::size_t end = rest.find('\r');
  if (end == rest.npos && rest.size() > inline_max)
    return fail("too big ", h.name, " count string");
  if (end == rest.npos || end + 1 == rest.size()) return outcome::more;
  if (rest[0] != h.type) return fail("expected '", h.type, "', got '", rest[0], "'");
  const auto found = to_integer(rest.substr(1, end - 1));
  if (!found || *found < h.min || *found > h.max) return fail("invalid ", h.of, " length");
  if (!authenticated && *found > h.unauthenticated_max)
    return fail("unauthenticated ", h.of, " length");
  number = *found;
  position_ += end + 2;
  return outcome::command;
}

outcome request_parser::read_bulk(std::span<char> input) {
  static constexpr header bulk{'$', "bulk", "bulk", 0, bulk_max, 16384};
  if (size_ < 0)
    if (const outcome got = read_header(input, bulk, size_); got != outcome::command) return got;
  const auto size = static_cast<std::size_t>(size_);
  if (input.size() - position_ < size + 2) return outcome::more;
  slices_.push_back({static_cast<std::uint32_t>(position_), static_cast<std::uint32_t>(size)});
  position_ += size + 2;
  size_ = -1;
  --missing_;
  return outcome::command;
}

outcome request_parser::read_line(std::span<char> input) {
  char* at = input.data() + position_;
  const std::size_t rest = input.size() - position_;
  char* const newline = static_cast<char*>(std::memchr(at, '\n', rest));
  if (newline == nullptr) return rest > inline_max ? fail("too big inline request") : outcome::more;
  for (; at < newline; ++at) {
    if (is_space(*at)) continue;
    std::size_t size = 0;
    char* const stop = unquote(at, newline, size);
    if (stop == nullptr) return fail("unbalanced quotes in request");
    slices_.push_back(
        {static_cast<std::uint32_t>(at - input.data()), static_cast<std::uint32_t>(size)});
    at = stop;
  }
  position_ = static_cast<std::size_t>(newline + 1 - input.data());
  return outcome::command;
}

}  // namespace kv
