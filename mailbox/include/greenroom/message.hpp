// SPDX-License-Identifier: Apache-2.0
// What a message is, seen by the type system: a plain struct; a request names its reply type.
#pragma once

#include <greenroom/config.hpp>
#include <greenroom/sendable.hpp>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace greenroom {

// The message types an object actor handles: `using messages = greenroom::messages<add, total>;`
template <class... Ms>
struct messages {};

// A request carries `using reply = R;` and is answered with an R.
template <class M>
concept request = requires { typename M::reply; };

// A message type with `using lane = greenroom::urgent;` is received before all others that wait, in
// order among its kind. It shares the room: a full mailbox is full for it as well.
struct urgent {};

// Nothing has come for the time that `.idle` names where the actor was spawned. An object actor
// with it among its `messages` has `void on(greenroom::idle)`. Only the library makes one.
class idle;

namespace detail {

struct make_idle;

inline constexpr std::size_t message_types_max = 64;

// The lane of what the library itself tells an actor: it has room of its own and comes before all
// else. Such a message is one pointer to a counted record (monitor.hpp).
struct system_lane {};

enum class lane_number : std::uint8_t { normal, urgent, system };

template <class M>
concept has_lane = requires { typename M::lane; };
template <class M>
consteval lane_number lane_of() {
  if constexpr (has_lane<M>) {
    if (std::is_same_v<typename M::lane, urgent>) return lane_number::urgent;
    if (std::is_same_v<typename M::lane, system_lane>) return lane_number::system;
  }
  return lane_number::normal;
}
template <class M>
consteval bool has_own_lane() {
  return lane_of<M>() != lane_number::normal;
}

// The place of M in Ms..., or -1.
template <class M, class... Ms>
consteval int index_of() {
  int at = -1;
  int i = 0;
  ((at = at < 0 && std::is_same_v<M, Ms> ? i : at, ++i), ...);
  return at;
}

template <class M, class... Ms>
inline constexpr bool one_of = index_of<M, Ms...>() >= 0;

// Converts to exactly M and to nothing that merely converts from M: finds the handler for M.
template <class M>
struct exactly {
  template <class U>
    requires std::same_as<U, M>
  operator U() const;
};

// M's own mistakes, told at the place where the message type is first used.
template <class M>
consteval bool check_message() {
  static_assert(!std::is_reference_v<M> && !std::is_pointer_v<M>,
                "greenroom: a message is a value, not a pointer or a reference");
  static_assert(std::is_object_v<M> && !std::is_const_v<M>,
                "greenroom: a message is a plain, non-const object type");
  static_assert(std::is_nothrow_move_constructible_v<M>,
                "greenroom: a message is moved to its receiver, and this one's move may throw");
  static_assert(!has_lane<M> || has_own_lane<M>(),
                "greenroom: a message's lane is greenroom::urgent, or it names none");
  return check_sendable<M>();
}

// The same of a message that user code sends.
template <class M>
consteval bool check_posted() {
  static_assert(lane_of<M>() != lane_number::system,
                "greenroom: only the library itself sends this message");
  return check_message<M>();
}

}  // namespace detail

class idle {
  friend struct detail::make_idle;
  idle() noexcept = default;
};
}  // namespace greenroom
