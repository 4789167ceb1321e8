// SPDX-License-Identifier: Apache-2.0
//
// `greenroom::sendable<T>`: may a T be sent to another actor? A message is moved to its receiver
// and shared with nobody, so a T that holds a way to reach into the sender is refused: a raw
// pointer, a reference, a reference_wrapper, a string_view or span, a shared_ptr or weak_ptr to
// what can be changed. Pointers to functions are harmless, and so is a shared_ptr to const.
//
// The default looks through aggregates (up to 32 fields), arrays, and the standard's containers,
// optional, expected, pair, tuple and variant. A type it cannot look into, such as a class with
// private members, is accepted. Who knows better says so, before the first use of the type:
//
//   template <> inline constexpr bool greenroom::sendable<shared_table*> = true;   // it has locks
//   template <> inline constexpr bool greenroom::sendable<session_handle> = false;
#pragma once

#include <greenroom/detail/field_walk.hpp>

namespace greenroom {

// In a constraint: `template <greenroom::sendable_type T>`.
template <class T>
concept sendable_type = static_cast<bool>(sendable<T>);

namespace detail {

// A compile error that says in one sentence what is wrong with the message, or none. True in both
// cases, so that `static_assert(check_sendable<M>())`, in what a user instantiates, adds none.
template <class Message>
consteval bool check_sendable() {
  constexpr flaw why = flaw_of<Message>();
  static_assert(why != flaw::pointer,
                "greenroom: a message must not hold a raw pointer: own what it points to, or "
                "send an id or an address");
  static_assert(why != flaw::reference,
                "greenroom: a message must not hold a reference: hold the value itself");
  static_assert(why != flaw::reference_wrapper,
                "greenroom: a message must not hold a reference_wrapper: hold the value itself");
  static_assert(why != flaw::string_view,
                "greenroom: a message must not hold a string_view: hold a string");
  static_assert(why != flaw::span,
                "greenroom: a message must not hold a span: hold a container that owns its "
                "elements");
  static_assert(why != flaw::shared_ptr,
                "greenroom: a message must not hold a shared_ptr to non-const: share only what "
                "is const, or move a unique_ptr");
  static_assert(why != flaw::opted_out,
                "greenroom: a message must not hold a type for which greenroom::sendable is false");
  return true;
}

}  // namespace detail
}  // namespace greenroom
