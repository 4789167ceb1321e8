// SPDX-License-Identifier: Apache-2.0
//
// What must be spelled out for each number of fields: an aggregate tried with so many `{}`, and
// structured bindings with so many names. `detail/fields.hpp` is made of it. Each is one function
// with a branch for each number, since an instantiation costs about as much as a try.
#pragma once

#include <type_traits>

namespace greenroom::detail {

template <class... Types>
struct type_list {};

inline constexpr int unseen = -1;
inline constexpr int fields_max = 32;

// clang-format off: the tables are laid out by hand.

// One row of a table for each count up to 32, spelled once: eight names to a letter, four letters.
#define GREENROOM_1(X, p) X(p##1)
#define GREENROOM_2(X, p) GREENROOM_1(X, p), X(p##2)
#define GREENROOM_3(X, p) GREENROOM_2(X, p), X(p##3)
#define GREENROOM_4(X, p) GREENROOM_3(X, p), X(p##4)
#define GREENROOM_5(X, p) GREENROOM_4(X, p), X(p##5)
#define GREENROOM_6(X, p) GREENROOM_5(X, p), X(p##6)
#define GREENROOM_7(X, p) GREENROOM_6(X, p), X(p##7)
#define GREENROOM_8(X, p) GREENROOM_7(X, p), X(p##8)
#define GREENROOM_LEAD_0(X)
#define GREENROOM_LEAD_8(X) GREENROOM_8(X, a),
#define GREENROOM_LEAD_16(X) GREENROOM_LEAD_8(X) GREENROOM_8(X, b),
#define GREENROOM_LEAD_24(X) GREENROOM_LEAD_16(X) GREENROOM_8(X, c),
#define GREENROOM_EIGHT_ROWS(ROW, base, lead, p)                                                \
  ROW(base + 1, lead, GREENROOM_1, p) ROW(base + 2, lead, GREENROOM_2, p)                       \
  ROW(base + 3, lead, GREENROOM_3, p) ROW(base + 4, lead, GREENROOM_4, p)                       \
  ROW(base + 5, lead, GREENROOM_5, p) ROW(base + 6, lead, GREENROOM_6, p)                       \
  ROW(base + 7, lead, GREENROOM_7, p) ROW(base + 8, lead, GREENROOM_8, p)
#define GREENROOM_TABLE(ROW)                                                                    \
  GREENROOM_EIGHT_ROWS(ROW, 0, GREENROOM_LEAD_0, a)                                             \
  GREENROOM_EIGHT_ROWS(ROW, 8, GREENROOM_LEAD_8, b)                                             \
  GREENROOM_EIGHT_ROWS(ROW, 16, GREENROOM_LEAD_16, c)                                           \
  GREENROOM_EIGHT_ROWS(ROW, 24, GREENROOM_LEAD_24, d)
#define GREENROOM_NAME(name) name
#define GREENROOM_BRACES(name) {}

// How many `{}` the aggregate takes; `unseen` when it does not take none, or more than 32.
template <class T>
consteval int braces_taken() {
  if constexpr (!requires { T{}; }) return unseen;
#define GREENROOM_ROW(count, lead, rest, p)                                                     \
  else if constexpr (!requires { T{lead(GREENROOM_BRACES) rest(GREENROOM_BRACES, p)}; })        \
    return count - 1;
  GREENROOM_TABLE(GREENROOM_ROW)
#undef GREENROOM_ROW
  else if constexpr (!requires { T{GREENROOM_LEAD_24(GREENROOM_BRACES)
                                   GREENROOM_8(GREENROOM_BRACES, d), {}}; })
    return fields_max;
  else return unseen;
}

// Whether the aggregate takes these, or these in braces, after `{}` for the fields before.
template <class T, bool Braced, int Before, class... Probes>
consteval bool takes_after_braces() {
  if constexpr (Before == 0 && Braced) return requires { T{{Probes{}...}}; };
  else if constexpr (Before == 0) return requires { T{Probes{}...}; };
#define GREENROOM_ROW(count, lead, rest, p)                                                     \
  else if constexpr (Before == count && Braced)                                                 \
    return requires { T{lead(GREENROOM_BRACES) rest(GREENROOM_BRACES, p), {Probes{}...}}; };    \
  else if constexpr (Before == count)                                                           \
    return requires { T{lead(GREENROOM_BRACES) rest(GREENROOM_BRACES, p), Probes{}...}; };
  GREENROOM_TABLE(GREENROOM_ROW)
#undef GREENROOM_ROW
}

// Whether it takes that in any of its first Count places.
template <class T, class Probe, int Count>
consteval bool takes_anywhere_in_braces() {
  if constexpr (Count == 0) return false;
  else if constexpr (requires { T{Probe{}}; }) return true;
#define GREENROOM_ROW(count, lead, rest, p)                                                     \
  else if constexpr (Count == count) return false;                                              \
  else if constexpr (requires { T{lead(GREENROOM_BRACES) rest(GREENROOM_BRACES, p), Probe{}}; })\
    return true;
  GREENROOM_TABLE(GREENROOM_ROW)
#undef GREENROOM_ROW
  else return false;
}

// REQUIRES: T has Count fields of its own or of one base, and no anonymous union.
template <int Count, class T>
auto bind_fields(T& whole) {
  if constexpr (Count == 0) return type_list<>{};
#define GREENROOM_ROW(count, lead, rest, p)                                                     \
  else if constexpr (Count == count) {                                                          \
    [[maybe_unused]] auto& [lead(GREENROOM_NAME) rest(GREENROOM_NAME, p)] = whole;              \
    return type_list<lead(decltype) rest(decltype, p)>{};                                       \
  }
  GREENROOM_TABLE(GREENROOM_ROW)
#undef GREENROOM_ROW
}

// Calls f with the fields themselves, each a reference. REQUIRES: as above, and no bit-fields where
// T is not const.
template <int Count, class T, class F>
decltype(auto) with_fields(T& whole, F&& f) {
  if constexpr (Count == 0) return f();
#define GREENROOM_ROW(count, lead, rest, p)                                                     \
  else if constexpr (Count == count) {                                                          \
    auto& [lead(GREENROOM_NAME) rest(GREENROOM_NAME, p)] = whole;                               \
    return f(lead(GREENROOM_NAME) rest(GREENROOM_NAME, p));                                     \
  }
  GREENROOM_TABLE(GREENROOM_ROW)
#undef GREENROOM_ROW
}

#undef GREENROOM_BRACES
#undef GREENROOM_NAME
#undef GREENROOM_TABLE
#undef GREENROOM_EIGHT_ROWS
#undef GREENROOM_LEAD_24
#undef GREENROOM_LEAD_16
#undef GREENROOM_LEAD_8
#undef GREENROOM_LEAD_0
#undef GREENROOM_8
#undef GREENROOM_7
#undef GREENROOM_6
#undef GREENROOM_5
#undef GREENROOM_4
#undef GREENROOM_3
#undef GREENROOM_2
#undef GREENROOM_1

}  // namespace greenroom::detail
