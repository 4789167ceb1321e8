// SPDX-License-Identifier: Apache-2.0
//
// Looks for what a message must not hold: something that two actors would then both reach. Walks
// through aggregates, arrays, and the standard's containers, optional, expected, pair, tuple and
// variant. None of their headers is included: they are known by their shape, so that a message
// costs its users no compile time for types it does not use.
//
// W1  What cannot be seen (private members, unions, more than 32 fields, incomplete types) is
//     accepted. W2 A type that holds itself is walked once. W3 What `sendable` was told of a
//     type counts wherever the type is met, also deep inside another.
#pragma once

#include <greenroom/detail/fields.hpp>

namespace greenroom {
namespace detail {

template <class T>
struct default_sendable;

}  // namespace detail

// See <greenroom/sendable.hpp>. A reference here and a plain bool where a user decides: so the
// walk can tell a type that somebody decided on without asking about it, which would be a circle
// for types that hold themselves.
template <class T>
inline constexpr const bool& sendable = detail::default_sendable<T>::value;

namespace detail {

// Why a message is not sendable.
enum class flaw : unsigned char {
  none,
  pointer,
  reference,
  reference_wrapper,
  string_view,
  span,
  shared_ptr,
  opted_out,
};

template <class T, class... Seen>
consteval flaw flaw_of();

// The first flaw found in any of the types, in their order.
template <class... Seen, class... Types>
consteval flaw first_flaw(type_list<Types...>) {
  flaw found = flaw::none;
  (void)((found = flaw_of<Types, Seen...>(), found != flaw::none) || ...);
  return found;
}

template <class T>
concept views_characters = requires(T view) {
  typename T::traits_type;
  typename T::value_type;
  view.remove_prefix(0);
};

template <class T>
concept views_elements = requires(T view) {
  typename T::element_type;
  T::extent;
  view.subspan(0);
} || requires {
  typename T::element_type;
  typename T::extents_type;
  typename T::data_handle_type;
};

// std::initializer_list: begin, end and size, and nothing that could own.
template <class T>
inline constexpr bool is_initializer_list = false;
template <class T>
inline constexpr bool is_initializer_list<std::initializer_list<T>> = true;

// shared_ptr and weak_ptr. A pointer to const is a value that nobody can change.
template <class T>
concept shares_ownership = requires(const T pointer) {
  typename T::element_type;
  pointer.use_count();
  pointer.owner_before(pointer);
} && !std::is_const_v<typename T::element_type>;

template <class T>
inline constexpr bool is_variant = false;
template <template <class...> class Variant, class... Types>
inline constexpr bool is_variant<Variant<Types...>> = requires(const Variant<Types...> value) {
  value.valueless_by_exception();
  value.index();
};

template <class T>
struct arguments_of;
template <template <class...> class Template, class... Types>
struct arguments_of<Template<Types...>> {
  using list = type_list<Types...>;
};

template <class T, class... Seen, std::size_t... I>
consteval flaw flaw_of_elements(std::index_sequence<I...>) {
  return first_flaw<Seen...>(type_list<typename std::tuple_element<I, T>::type...>{});
}

// Converts to what is flawed, or to what is not.
template <class Aggregate, bool Flawed, class... Seen>
struct anything_flawed {
  template <class T>
    requires(!std::is_same_v<T, Aggregate> && (flaw_of<T, Seen...>() != flaw::none) == Flawed)
  operator T&() const&;
  template <class T>
    requires(!std::is_same_v<T, Aggregate> && (flaw_of<T, Seen...>() != flaw::none) == Flawed)
  operator T&&() const&&;
};

template <class Aggregate, flaw Flaw, class... Seen>
struct anything_with {
  template <class T>
    requires(!std::is_same_v<T, Aggregate> && flaw_of<T, Seen...>() == Flaw)
  operator T&() const&;
  template <class T>
    requires(!std::is_same_v<T, Aggregate> && flaw_of<T, Seen...>() == Flaw)
  operator T&&() const&&;
};

// An initialiser that does not convert to a struct goes to its first member. So where both kinds
// are taken, one of them went there: the one that is also taken in braces.
template <class T, int At, class... Seen>
consteval bool is_flawed_at() {
  using flawed = anything_flawed<T, true, Seen...>;
  using sound = anything_flawed<T, false, Seen...>;
  if constexpr (!takes_at<T, flawed, At>()) {
    return false;
  } else if constexpr (!takes_at<T, sound, At>()) {
    return true;
  } else {
    return takes_at<T, sound, At, true>() && !takes_at<T, flawed, At, true>();
  }
}

template <class T, int At, flaw Flaw, class... Seen>
consteval flaw name_flaw_at() {
  if constexpr (Flaw == flaw::opted_out || takes_at<T, anything_with<T, Flaw, Seen...>, At>()) {
    return Flaw;
  } else {
    return name_flaw_at<T, At, flaw{static_cast<unsigned char>(static_cast<int>(Flaw) + 1)},
                        Seen...>();
  }
}

// For aggregates that cannot be bound, as those with bases: tries each place with an initialiser
// that converts to flawed types only. References among their own fields are not seen.
template <class T, int At, class... Seen>
consteval flaw flaw_by_trying() {
  if constexpr (At >= shape_of<T>().places) {
    return flaw::none;
  } else if constexpr (is_flawed_at<T, At, Seen...>()) {
    return name_flaw_at<T, At, flaw::pointer, Seen...>();
  } else {
    return flaw_by_trying<T, At + 1, Seen...>();
  }
}

template <class T, class... Seen>
consteval flaw flaw_of_fields() {
  if constexpr (can_bind<T>()) {
    return first_flaw<Seen...>(fields_of<T>{});
  } else {
    return flaw_by_trying<T, 0, Seen...>();
  }
}

// Of a complete class that is none of the flawed kinds itself.
template <class T, class... Seen>
consteval flaw flaw_inside() {
  flaw found = flaw::none;
  if constexpr (requires { typename T::value_type; }) {
    found = flaw_of<typename T::value_type, Seen...>();
    if constexpr (requires { typename T::error_type; }) {
      if (found == flaw::none) found = flaw_of<typename T::error_type, Seen...>();
    }
  } else if constexpr (requires { std::tuple_size<T>::value; }) {
    return flaw_of_elements<T, Seen...>(std::make_index_sequence<std::tuple_size<T>::value>{});
  } else if constexpr (is_variant<T>) {
    return first_flaw<Seen...>(typename arguments_of<T>::list{});
  }
  if constexpr (std::is_aggregate_v<T> && !requires { std::tuple_size<T>::value; }) {
    if (found == flaw::none) found = flaw_of_fields<T, Seen...>();
  }
  return found;
}

// Of a type that nobody decided on. Seen are the types it was met inside of.
template <class T, class... Seen>
consteval flaw natural_flaw() {
  if constexpr (std::is_reference_v<T>) {
    return flaw::reference;
  } else if constexpr (std::is_pointer_v<T>) {
    return std::is_function_v<std::remove_pointer_t<T>> ? flaw::none : flaw::pointer;
  } else if constexpr (std::is_array_v<T>) {
    return flaw_of<std::remove_all_extents_t<T>, Seen...>();
  } else if constexpr (!std::is_class_v<T> || (std::is_same_v<T, Seen> || ...)) {
    return flaw::none;
  } else if constexpr (!requires { sizeof(T); }) {
    return flaw::none;
  } else if constexpr (!std::is_same_v<std::unwrap_reference_t<T>, T>) {
    return flaw::reference_wrapper;
  } else if constexpr (views_characters<T>) {
    return flaw::string_view;
  } else if constexpr (views_elements<T> || is_initializer_list<T>) {
    return flaw::span;
  } else if constexpr (shares_ownership<T>) {
    return flaw::shared_ptr;
  } else {
    return flaw_inside<T, T, Seen...>();
  }
}

template <class T, class... Seen>
consteval flaw flaw_of() {
  using plain = std::remove_cv_t<T>;
  // g++ asks for the default here although only its type is wanted: so that must not in turn ask
  // `flaw_of`, which is not yet defined while this is being worked out.
  if constexpr (std::is_reference_v<decltype(sendable<plain>)>) {
    return natural_flaw<plain, Seen...>();
  } else {
    return sendable<plain> ? flaw::none : flaw::opted_out;
  }
}

template <class T>
struct default_sendable {
  static constexpr bool value = natural_flaw<T>() == flaw::none;
};
template <class T>
  requires(!std::is_same_v<T, std::remove_cv_t<T>>)
struct default_sendable<T> {
  static constexpr bool value = sendable<std::remove_cv_t<T>>;
};

}  // namespace detail
}  // namespace greenroom
