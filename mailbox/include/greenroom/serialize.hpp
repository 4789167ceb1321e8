// SPDX-License-Identifier: Apache-2.0
// Plain values as bytes, without a line by their author: numbers, bool, enums with an underlying
// type, strings, the standard's containers, optional, pair, tuple, variant, durations, and structs
// of these, up to 32 fields. Spawned processes talk in them (<greenroom/process.hpp>).
//
//   auto bytes = gr::serialize(order{7, {"tea"}});
//   auto same = gr::deserialize<order>(*bytes);
//
// Both ends must have the same type: `schema_hash<T>` differs when fields, their order or their
// types do. The format is MessagePack, which msgpack-cxx reads and writes; a Greenroom that was
// built without it (-Dprocess=disabled) has none of this. Never parks.
#pragma once

#if defined(GREENROOM_NO_PROCESS)
#error "greenroom: built without msgpack-cxx (-Dprocess=disabled), so there is no serialize"
#endif

#include <greenroom/detail/wire_walk.hpp>
#include <greenroom/error.hpp>

#include <expected>
#include <string>
#include <string_view>
#include <utility>

namespace greenroom {

template <class T>
inline constexpr bool serializable = detail::wire_flaw_of<T>() == detail::wire_flaw::none;

template <class T>
inline constexpr std::uint64_t schema_hash = detail::schema_of<T>();

// Errors: invalid, with what is wrong: it is larger or deeper than the limits.
template <class T>
[[nodiscard]] std::expected<std::string, error> serialize(const T& value,
                                                          const unpack_limits& limits = {}) {
  if constexpr (detail::check_crossing<T>()) {
    detail::wire_writer out(limits);
    detail::write_value(out, value);
    if (!out.ok())
      return std::unexpected(detail::wire_error<T>("cannot be written", out.trouble()));
    return std::string(out.data(), out.size());
  } else {
    return {};
  }
}

// Of any bytes, also made-up ones: an error, never a crash, and no more memory than the bytes pay
// for (some tens of bytes for each). Errors: invalid, with what is wrong.
template <class T>
[[nodiscard]] std::expected<T, error> deserialize(std::string_view bytes,
                                                  const unpack_limits& limits = {}) {
  if constexpr (detail::check_crossing<T>()) {
    detail::wire_reader in(bytes.data(), bytes.size(), limits);
    std::expected<T, error> value;
    if (!detail::read_value(in, *value) || !in.at_end())
      return std::unexpected(detail::wire_error<T>("cannot be read", in.trouble()));
    return value;
  } else {
    return std::unexpected(error(error::invalid));
  }
}

}  // namespace greenroom
