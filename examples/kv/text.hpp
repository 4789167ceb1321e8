// SPDX-License-Identifier: Apache-2.0
// How Redis reads numbers, names and patterns. Pure functions, for any thread.
#pragma once

#include <algorithm>
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
  return text.size() == word.size() && std::equal(text.begin(), text.end(), word.begin(),
                                                  [](char a, char b) { return lower(a) == b; });
}

}  // namespace kv
