// SPDX-License-Identifier: Apache-2.0
//
// Which types can be written as bytes and read again, and their shape as a number: the walk through
// the fields of an aggregate that `sendable` does. The standard's types are known by their shape,
// so none of their headers is included (detail/field_walk.hpp).
//
//   struct, pair, tuple, array -> array of its parts     enum, duration, time_point -> its number
//   vector, deque, list, set   -> array                  map -> array of keys and values in turn
//   optional -> nil or the value                         variant -> array of its index and value
//   string -> text; rows of characters or std::byte -> bytes
//
// SE3  Every count of a struct is exact: both ends have the same type, which schema_of() tells.
#pragma once

#include <greenroom/detail/field_walk.hpp>
#include <greenroom/detail/node.hpp>

#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>

namespace greenroom::detail {

enum class wire_kind : std::uint8_t {
  none,
  boolean,
  integer,
  natural,
  real,
  enumeration,
  text,
  bytes,
  byte_row,  // of fixed length
  row,       // the same of other things
  sequence,
  set,
  map,
  optional,
  duration,
  time_point,
  tuple,
  variant,
  aggregate,
};

// Why a type cannot be written.
enum class wire_flaw : std::uint8_t { none, pointer, loose_enum, opaque, no_default };

template <class T>
inline constexpr bool is_byte = std::is_same_v<T, char> || std::is_same_v<T, signed char> ||
                                std::is_same_v<T, unsigned char> || std::is_same_v<T, std::byte>;

template <class T>
concept shaped_as_string = requires(T& t, const char* from) {
  typename T::traits_type;
  t.assign(from, std::size_t{});
  t.data();
} && std::is_same_v<typename T::value_type, char>;
template <class T>
concept shaped_as_row = requires(T& t) {
  typename T::value_type;
  std::tuple_size<T>::value;
  t.data();
};
template <class T>
concept shaped_as_bytes = requires(T& t) {
  t.resize(std::size_t{});
  t.data();
} && is_byte<typename T::value_type>;
template <class T>
concept shaped_as_sequence = requires(T& t, typename T::value_type&& value) {
  t.push_back(static_cast<typename T::value_type&&>(value));
  t.clear();
  t.begin();
  t.size();
};
template <class T>
concept shaped_as_set = requires(T& t, typename T::key_type&& key) {
  t.emplace(static_cast<typename T::key_type&&>(key));
  t.clear();
  t.size();
} && !requires { typename T::mapped_type; };
template <class T>
concept shaped_as_map = requires(T& t, typename T::key_type&& k, typename T::mapped_type&& v) {
  t.emplace(static_cast<typename T::key_type&&>(k), static_cast<typename T::mapped_type&&>(v));
  t.clear();
  t.size();
};
template <class T>
concept shaped_as_optional = requires(T& t) {
  typename T::value_type;
  t.has_value();
  t.reset();
  t.emplace();
};
template <class T>
concept shaped_as_duration = requires(const T& t) {
  typename T::rep;
  typename T::period;
  t.count();
};
template <class T>
concept shaped_as_time_point = requires(const T& t) {
  typename T::clock;
  typename T::duration;
  t.time_since_epoch();
};

// Only an enum with an underlying type has a value for each number.
template <class T>
inline constexpr bool has_underlying_type = requires { T{std::underlying_type_t<T>{}}; };

template <class T>
consteval wire_kind kind_of_class() {
  if constexpr (shaped_as_string<T>)
    return wire_kind::text;
  else if constexpr (views_characters<T> || views_elements<T>)
    return wire_kind::none;
  else if constexpr (shaped_as_row<T>)
    return is_byte<typename T::value_type> ? wire_kind::byte_row : wire_kind::row;
  else if constexpr (shaped_as_bytes<T>)
    return wire_kind::bytes;
  else if constexpr (shaped_as_sequence<T>)
    return wire_kind::sequence;
  else if constexpr (shaped_as_map<T>)
    return wire_kind::map;
  else if constexpr (shaped_as_set<T>)
    return wire_kind::set;
  else if constexpr (shaped_as_optional<T>)
    return wire_kind::optional;
  else if constexpr (shaped_as_duration<T>)
    return wire_kind::duration;
  else if constexpr (shaped_as_time_point<T>)
    return wire_kind::time_point;
  else if constexpr (requires { std::tuple_size<T>::value; })
    return wire_kind::tuple;
  else if constexpr (is_variant<T>)
    return wire_kind::variant;
  else if constexpr (!std::is_aggregate_v<T> || std::is_union_v<T>)
    return wire_kind::none;
  else
    return can_bind<T>() ? wire_kind::aggregate : wire_kind::none;
}

template <class T>
consteval wire_kind wire_kind_of() {
  if constexpr (std::is_same_v<T, bool>) {
    return wire_kind::boolean;
  } else if constexpr (std::is_integral_v<T> && sizeof(T) <= 8) {
    return std::is_signed_v<T> ? wire_kind::integer : wire_kind::natural;
  } else if constexpr (std::is_same_v<T, float> || std::is_same_v<T, double>) {
    return wire_kind::real;
  } else if constexpr (std::is_enum_v<T>) {
    return has_underlying_type<T> ? wire_kind::enumeration : wire_kind::none;
  } else if constexpr (std::is_bounded_array_v<T>) {
    return is_byte<std::remove_extent_t<T>> ? wire_kind::byte_row : wire_kind::row;
  } else if constexpr (std::is_class_v<T>) {
    return kind_of_class<T>();
  } else {
    return wire_kind::none;
  }
}

// ---- what a type is made of, as a list, for all that walks types

template <class T>
consteval auto tuple_parts() {
  return []<std::size_t... I>(std::index_sequence<I...>) {
    return type_list<typename std::tuple_element<I, T>::type...>{};
  }(std::make_index_sequence<std::tuple_size<T>::value>{});
}

template <class T>
consteval auto parts_of() {
  constexpr wire_kind kind = wire_kind_of<T>();
  if constexpr (kind == wire_kind::row && std::is_array_v<T>) {
    return type_list<std::remove_extent_t<T>>{};
  } else if constexpr (kind == wire_kind::row || kind == wire_kind::sequence ||
                       kind == wire_kind::optional) {
    return type_list<typename T::value_type>{};
  } else if constexpr (kind == wire_kind::set) {
    return type_list<typename T::key_type>{};
  } else if constexpr (kind == wire_kind::map) {
    return type_list<typename T::key_type, typename T::mapped_type>{};
  } else if constexpr (kind == wire_kind::duration) {
    return type_list<typename T::rep>{};
  } else if constexpr (kind == wire_kind::time_point) {
    return type_list<typename T::duration>{};
  } else if constexpr (kind == wire_kind::enumeration) {
    return type_list<std::underlying_type_t<T>>{};
  } else if constexpr (kind == wire_kind::tuple) {
    return tuple_parts<T>();
  } else if constexpr (kind == wire_kind::variant) {
    return typename arguments_of<T>::list{};
  } else if constexpr (kind == wire_kind::aggregate) {
    return fields_of<T>{};
  } else {
    return type_list<>{};
  }
}

template <class T, class... Seen>
consteval wire_flaw wire_flaw_of();

template <class... Seen, class... Types>
consteval wire_flaw first_wire_flaw(type_list<Types...>) {
  wire_flaw found = wire_flaw::none;
  (void)((found = wire_flaw_of<Types, Seen...>(), found != wire_flaw::none) || ...);
  return found;
}

template <class T, class... Seen>
consteval wire_flaw wire_flaw_of() {
  if constexpr (std::is_void_v<T>) {
    return wire_flaw::none;  // of a reply
  } else if constexpr (std::is_pointer_v<T> || std::is_reference_v<T> ||
                       std::is_member_pointer_v<T>) {
    return wire_flaw::pointer;
  } else if constexpr ((std::is_same_v<T, Seen> || ...)) {
    return wire_flaw::none;
  } else if constexpr (wire_kind_of<T>() == wire_kind::none) {
    return std::is_enum_v<T> ? wire_flaw::loose_enum : wire_flaw::opaque;
  } else if constexpr (!std::is_default_constructible_v<T>) {
    return wire_flaw::no_default;
  } else {
    return first_wire_flaw<T, Seen...>(parts_of<T>());
  }
}

// A compile error that says in one sentence what is wrong, or none.
template <class T>
consteval bool check_crossing() {
  constexpr wire_flaw why = wire_flaw_of<T>();
  static_assert(why != wire_flaw::pointer,
                "greenroom: this message cannot cross a process: it holds a pointer or a "
                "reference, which mean nothing there");
  static_assert(why != wire_flaw::loose_enum,
                "greenroom: this message cannot cross a process: it holds an enum without an "
                "underlying type (write `enum class e : int`)");
  static_assert(why != wire_flaw::opaque,
                "greenroom: this message cannot cross a process: it holds a class that is no plain "
                "aggregate, string, container, optional, variant, tuple or duration");
  static_assert(why != wire_flaw::no_default,
                "greenroom: this message cannot cross a process: it holds a type that cannot be "
                "made without arguments");
  return why == wire_flaw::none;
}

// ---- the shape as a number

consteval std::uint64_t stir(std::uint64_t hash, std::uint64_t more) {
  for (int i = 0; i < 8; ++i) {
    hash = (hash ^ (more & 0xff)) * 1099511628211u;  // FNV-1a
    more >>= 8;
  }
  return hash;
}

// The last word of the type's name: what stands before it is spelt differently by compilers.
template <class T>
consteval std::uint64_t stir_name(std::uint64_t hash) {
  const name_text name = make_name<T>();
  std::size_t first = 0;
  for (std::size_t i = 0; name.text[i] != '\0'; ++i)
    if (name.text[i] == ':') first = i + 1;
  for (std::size_t i = first; name.text[i] != '\0'; ++i)
    hash = stir(hash, static_cast<std::uint64_t>(name.text[i]));
  return hash;
}

template <class T, class... Seen>
consteval std::uint64_t stir_schema(std::uint64_t hash);

template <class... Seen, class... Types>
consteval std::uint64_t stir_all(std::uint64_t hash, type_list<Types...>) {
  hash = stir(hash, sizeof...(Types));
  ((hash = stir_schema<Types, Seen...>(hash)), ...);
  return hash;
}

template <class T, class... Seen>
consteval std::uint64_t stir_schema(std::uint64_t hash) {
  constexpr wire_kind kind = wire_kind_of<T>();
  hash = stir(hash, static_cast<std::uint64_t>(kind));
  if constexpr ((std::is_same_v<T, Seen> || ...)) {
    return stir_name<T>(stir(hash, 0xff));
  } else {
    if constexpr (kind == wire_kind::aggregate) hash = stir_name<T>(hash);
    if constexpr (std::is_arithmetic_v<T> || kind == wire_kind::row || kind == wire_kind::byte_row)
      hash = stir(hash, sizeof(T));
    if constexpr (kind == wire_kind::duration)
      hash = stir(stir(hash, T::period::num), T::period::den);
    return stir_all<T, Seen...>(hash, parts_of<T>());
  }
}

// Of two types that are not the same, most likely not the same.
template <class T>
consteval std::uint64_t schema_of() {
  if constexpr (std::is_void_v<T>)
    return 1;
  else
    return stir_schema<T>(14695981039346656037u);
}

}  // namespace greenroom::detail
