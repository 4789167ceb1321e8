// SPDX-License-Identifier: Apache-2.0
//
// Writes and reads the values of the types that `detail/wire_shape.hpp` knows.
#pragma once

#include <greenroom/detail/wire.hpp>
#include <greenroom/detail/wire_shape.hpp>
#include <greenroom/error.hpp>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <type_traits>
#include <utility>

namespace greenroom::detail {

// "`order` cannot be read: ..."; defined with the format.
error sentence_on_wire(const char* type, const char* what, const char* trouble);
template <class T>
GREENROOM_COLD error wire_error(const char* what, const char* trouble) {
  return sentence_on_wire(name_of_type<T>(), what, trouble);
}

template <class T>
consteval std::size_t row_length() {
  if constexpr (std::is_array_v<T>)
    return std::extent_v<T>;
  else
    return std::tuple_size<T>::value;
}

// ---- out

template <class T>
void write_value(wire_writer& out, const T& value);

template <class T>
void write_all(wire_writer& out, const T& container) {
  for (const auto& one : container) write_value(out, one);
}
template <class T>
  requires requires { typename T::value_type; }
void write_elements(wire_writer& out, const T& container) {
  // By its value_type, for vector<bool> has others.
  for (auto at = container.begin(); at != container.end(); ++at) {
    const typename T::value_type& one = *at;
    write_value(out, one);
  }
}

template <class T>
void write_compound(wire_writer& out, const T& value) {
  constexpr wire_kind kind = wire_kind_of<T>();
  if constexpr (kind == wire_kind::row) {
    out.array(row_length<T>());
    write_all(out, value);
  } else if constexpr (kind == wire_kind::sequence || kind == wire_kind::set) {
    out.array(value.size());
    write_elements(out, value);
  } else if constexpr (kind == wire_kind::map) {
    out.array(2 * value.size());
    for (const auto& [key, mapped] : value) {
      write_value(out, key);
      write_value(out, mapped);
    }
  } else if constexpr (kind == wire_kind::tuple) {
    out.array(std::tuple_size<T>::value);
    [&]<std::size_t... I>(std::index_sequence<I...>) {
      using std::get;
      (write_value(out, get<I>(value)), ...);
    }(std::make_index_sequence<std::tuple_size<T>::value>{});
  } else if constexpr (kind == wire_kind::variant) {
    if (value.valueless_by_exception()) return out.fail("it holds a variant without a value");
    out.array(2);
    out.natural(value.index());
    visit([&](const auto& one) { write_value(out, one); }, value);
  } else {
    constexpr int count = shape_of<T>().fields;
    out.array(count);
    with_fields<count>(value, [&](const auto&... field) { (write_value(out, field), ...); });
  }
}

template <class T>
void write_value(wire_writer& out, const T& value) {
  constexpr wire_kind kind = wire_kind_of<T>();
  if constexpr (kind == wire_kind::boolean) {
    out.boolean(value);
  } else if constexpr (kind == wire_kind::integer) {
    out.integer(static_cast<std::int64_t>(value));
  } else if constexpr (kind == wire_kind::natural) {
    out.natural(static_cast<std::uint64_t>(value));
  } else if constexpr (kind == wire_kind::real) {
    out.real(static_cast<double>(value));
  } else if constexpr (kind == wire_kind::enumeration) {
    write_value(out, static_cast<std::underlying_type_t<T>>(value));
  } else if constexpr (kind == wire_kind::duration) {
    write_value(out, value.count());
  } else if constexpr (kind == wire_kind::time_point) {
    write_value(out, value.time_since_epoch());
  } else if constexpr (kind == wire_kind::text) {
    out.text(value.data(), value.size());
  } else if constexpr (kind == wire_kind::bytes) {
    out.bytes(value.data(), value.size());
  } else if constexpr (kind == wire_kind::byte_row) {
    out.bytes(&value, sizeof value);
  } else if constexpr (kind == wire_kind::optional) {
    if (value.has_value()) {
      out.array(1);
      write_value(out, *value);
    } else {
      out.nil();
    }
  } else {
    if (out.enter()) write_compound(out, value);
    out.leave();
  }
}

// ---- in

template <class T>
bool read_value(wire_reader& in, T& value);

template <class Variant, std::size_t I>
bool read_alternative(wire_reader& in, Variant& value) {
  return read_value(in, value.template emplace<I>());
}

template <class T>
bool read_variant(wire_reader& in, T& value) {
  constexpr std::size_t count = decltype([]<class... Types>(type_list<Types...>) {
    return std::integral_constant<std::size_t, sizeof...(Types)>{};
  }(typename arguments_of<T>::list{}))::value;
  std::uint64_t index = 0;
  if (!in.array_of(2) || !in.natural(count - 1, index)) return false;
  return [&]<std::size_t... I>(std::index_sequence<I...>) {
    bool well = false;
    (void)((index == I && (well = read_alternative<T, I>(in, value), true)) || ...);
    return well;
  }(std::make_index_sequence<count>{});
}

template <class List>
struct first_part_of;
template <class First, class... Rest>
struct first_part_of<type_list<First, Rest...>> {
  using type = First;
};
template <class List>
using first_part = typename first_part_of<List>::type;

template <class T>
bool read_compound(wire_reader& in, T& value) {
  constexpr wire_kind kind = wire_kind_of<T>();
  std::size_t count = 0;
  if constexpr (kind == wire_kind::row) {
    if (!in.array_of(row_length<T>())) return false;
    for (auto& one : value)
      if (!read_value(in, one)) return false;
    return true;
  } else if constexpr (kind == wire_kind::sequence || kind == wire_kind::set) {
    if (!in.array(count)) return false;
    value.clear();
    for (; count != 0; --count) {
      first_part<decltype(parts_of<T>())> one{};
      if (!read_value(in, one)) return false;
      if constexpr (kind == wire_kind::set)
        value.emplace(std::move(one));
      else
        value.push_back(std::move(one));
    }
    return true;
  } else if constexpr (kind == wire_kind::map) {
    if (!in.array(count)) return false;
    if (count % 2 != 0) return in.fail("a map in it has a key without a value");
    value.clear();
    for (; count != 0; count -= 2) {
      typename T::key_type key{};
      typename T::mapped_type mapped{};
      if (!read_value(in, key) || !read_value(in, mapped)) return false;
      value.emplace(std::move(key), std::move(mapped));
    }
    return true;
  } else if constexpr (kind == wire_kind::tuple) {
    return in.array_of(std::tuple_size<T>::value) &&
           [&]<std::size_t... I>(std::index_sequence<I...>) {
             using std::get;
             return (read_value(in, get<I>(value)) && ...);
           }(std::make_index_sequence<std::tuple_size<T>::value>{});
  } else if constexpr (kind == wire_kind::variant) {
    return read_variant(in, value);
  } else {
    constexpr int fields = shape_of<T>().fields;
    return in.array_of(fields) && with_fields<fields>(value, [&](auto&... field) {
             return (read_value(in, field) && ...);
           });
  }
}

template <class T>
bool read_number(wire_reader& in, T& value) {
  using range = std::numeric_limits<T>;
  if constexpr (std::is_floating_point_v<T>) {
    double all = 0;
    if (!in.real(all)) return false;
    constexpr auto most = static_cast<double>(range::max());
    if ((all > most || all < -most) && all != range::infinity() && all != -range::infinity())
      return in.fail("a number in it is too large for its type");
    value = static_cast<T>(all);
  } else if constexpr (std::is_signed_v<T>) {
    std::int64_t all = 0;
    if (!in.integer(range::min(), range::max(), all)) return false;
    value = static_cast<T>(all);
  } else {
    std::uint64_t all = 0;
    if (!in.natural(range::max(), all)) return false;
    value = static_cast<T>(all);
  }
  return true;
}

template <class T>
bool read_value(wire_reader& in, T& value) {
  constexpr wire_kind kind = wire_kind_of<T>();
  const char* data = nullptr;
  std::size_t size = 0;
  if constexpr (kind == wire_kind::boolean) {
    return in.boolean(value);
  } else if constexpr (std::is_arithmetic_v<T>) {
    return read_number(in, value);
  } else if constexpr (kind == wire_kind::enumeration) {
    std::underlying_type_t<T> number{};
    if (!read_value(in, number)) return false;
    value = static_cast<T>(number);
    return true;
  } else if constexpr (kind == wire_kind::duration) {
    typename T::rep count{};
    if (!read_value(in, count)) return false;
    value = T(count);
    return true;
  } else if constexpr (kind == wire_kind::time_point) {
    typename T::duration since{};
    if (!read_value(in, since)) return false;
    value = T(since);
    return true;
  } else if constexpr (kind == wire_kind::text) {
    if (!in.text(data, size)) return false;
    value.assign(data, size);
    return true;
  } else if constexpr (kind == wire_kind::bytes) {
    if (!in.bytes(data, size)) return false;
    value.resize(size);
    if (size != 0) __builtin_memcpy(value.data(), data, size);
    return true;
  } else if constexpr (kind == wire_kind::byte_row) {
    if (!in.bytes(data, size)) return false;
    if (size != sizeof(T)) return in.fail("a row of bytes in it has another length");
    __builtin_memcpy(&value, data, size);
    return true;
  } else if constexpr (kind == wire_kind::optional) {
    value.reset();
    if (in.take_nil()) return true;
    return in.array_of(1) && read_value(in, value.emplace());
  } else {
    return read_compound(in, value);
  }
}

}  // namespace greenroom::detail
