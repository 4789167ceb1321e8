// SPDX-License-Identifier: Apache-2.0
// How Redis reads numbers, names and patterns. Pure functions, for any thread.
#pragma once

#include <algorithm>
#include <concepts>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace kv {

// Strict, as Redis is: no sign but '-', no leading zero, no space, no "-0".
std::optional<std::int64_t> to_integer(std::string_view text);

// Glob-style: * ? [a-z] [^a-z] \x. Takes at most |pattern| x |text| steps.
bool glob_match(std::string_view pattern, std::string_view text);

inline char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; }
inline std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = lower(c);
  return out;
}
// Whether `text`, whatever its case, is `word`, which is in lower case.
inline bool is_word(std::string_view text, std::string_view word) {
  return std::ranges::equal(text, word, {}, [](char c) { return lower(c); });
}
inline bool is_one_of(std::string_view text, std::initializer_list<std::string_view> words) {
  return std::ranges::any_of(words, [&](std::string_view word) { return is_word(text, word); });
}

// The parts, one behind the other; numbers in decimal.
std::string concat(const auto&... parts) {
  std::string out;
  const auto add = [&]<class T>(const T& part) {
    if constexpr (std::integral<T> && !std::same_as<T, char>)
      out += std::to_string(part);
    else
      out += part;
  };
  (add(parts), ...);
  return out;
}

}  // namespace kv
