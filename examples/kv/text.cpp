// SPDX-License-Identifier: Apache-2.0
#include "text.hpp"

#include <charconv>

namespace kv {
namespace {

// Matches one character against the pattern's first item; `used` is that item's length.
bool match_one(std::string_view p, char c, std::size_t& used) {
  const bool escaped = p[0] == '\\' && p.size() > 1;
  used = escaped ? 2 : 1;
  if (p[0] == '?') return true;
  if (p[0] != '[') return p[used - 1] == c;
  const bool negated = p.size() > 1 && p[1] == '^';
  bool found = false;
  std::size_t i = negated ? 2 : 1;
  for (; i < p.size() && p[i] != ']'; ++i) {
    if (p[i] == '\\' && i + 1 < p.size()) {
      found |= p[++i] == c;
    } else if (i + 2 < p.size() && p[i + 1] == '-') {
      const auto [low, high] = std::minmax(p[i], p[i + 2]);
      found |= c >= low && c <= high;
      i += 2;
    } else {
      found |= p[i] == c;
    }
  }
  used = std::min(i + 1, p.size());  // A set that never closes ends with the pattern.
  return found != negated;
}

}  // namespace

std::optional<std::int64_t> to_integer(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  const std::string_view digits = text.substr(text[0] == '-');
  if (digits[0] == '0' && text.size() > 1) return std::nullopt;
  return value;
}

bool glob_match(std::string_view pattern, std::string_view text) {
  // One place to come back to is enough: a later star takes all that an earlier one could.
  std::size_t p = 0, t = 0, after_star = 0, star_takes = 0;
  bool starred = false;
  while (t < text.size()) {
    std::size_t used = 0;
    if (p < pattern.size() && pattern[p] == '*') {
      starred = true;
      after_star = ++p;
      star_takes = t;
    } else if (p < pattern.size() && match_one(pattern.substr(p), text[t], used)) {
      p += used;
      ++t;
    } else if (starred) {
      p = after_star;
      t = ++star_takes;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

}  // namespace kv
