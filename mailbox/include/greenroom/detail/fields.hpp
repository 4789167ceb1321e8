// SPDX-License-Identifier: Apache-2.0
//
// Sees the fields of an aggregate without the author's help: how many there are, of which types,
// and what a field can be made from. `detail/field_walk.hpp` decides with it what a message holds.
//
// How: an aggregate is tried with more and more initialisers, `{}` for each field, until one is
// too many; `{}` takes a whole field, arrays too. Where a field cannot be made from `{}` (a
// reference, a class without a default), initialisers that convert to anything are counted
// instead, and those that went to elements of one array are put together again. The types come
// from structured bindings, whose decltype keeps the `&` of a reference.
//
// F1  A shape that cannot be seen gives `unseen`; nothing here is ever a hard error. A structured
//     binding with a wrong number of names is one, as is a binding to an aggregate with bases or
//     anonymous unions. So bindings are only formed when the count is sure and those are absent.
//     Known limits: an array of more than `half_filled_max` elements that have no default, but are
//     given in the class; a field that cannot be destroyed here, as a unique_ptr to an incomplete
//     type, for which clang complains of its destructor, as it would at the send.
// F2  Everything is unevaluated: no field is ever made.
#pragma once

#include <greenroom/detail/field_table.hpp>

#include <cstddef>
#include <initializer_list>
#include <type_traits>
#include <utility>

namespace greenroom::detail {

// Initialisers tried on an aggregate some of whose fields cannot be made from `{}`.
inline constexpr int flat_max = 40;
// The largest array of things without a default, but with initialisers in the class, that is seen.
inline constexpr int half_filled_max = 4;

// An initialiser for any field. Not for the aggregate itself, or one alone would be a copy of it.
template <class Aggregate>
struct anything {
  template <class T>
    requires(!std::is_same_v<T, Aggregate>)
  operator T&() const&;
  template <class T>
    requires(!std::is_same_v<T, Aggregate>)
  operator T&&() const&&;
};

// Whether it is the type of an anonymous struct, which is an extension, or might be: the name is
// all that tells, and a member that has a name may have a type that has none.
template <class T>
consteval bool has_no_name() {
  for (const char* name = __PRETTY_FUNCTION__; *name != '\0'; ++name) {
    if (*name != '<' && *name != '(') continue;
    for (const char* mark :
         {"unnamed struct", "unnamed class", "anonymous struct", "anonymous class"}) {
      const char* at = name + 1;
      while (*mark != '\0' && *at == *mark) ++at, ++mark;
      if (*mark == '\0') return true;
    }
  }
  return false;
}

// Neither a base nor a member without a name of its own can be told from a field by counting. A
// field of a union type is taken for an anonymous union.
template <class T, class Aggregate>
consteval bool hides_fields() {
  if constexpr (std::is_same_v<T, Aggregate> || !(std::is_class_v<T> || std::is_union_v<T>)) {
    return false;
  } else if constexpr (std::is_union_v<T> || std::is_base_of_v<T, Aggregate>) {
    return true;
  } else if constexpr (std::is_aggregate_v<T>) {
    return has_no_name<T>();
  } else {
    return false;
  }
}

// By value: g++ 12 does not bind a reference to an anonymous union.
template <class Aggregate>
struct base_or_nameless {
  template <class T>
    requires(hides_fields<T, Aggregate>())
  operator T() const;
};

// The slow way, for aggregates with fields that cannot be made from `{}`.
template <class T, std::size_t>
using repeated = T;
template <int Count>
using places = std::make_index_sequence<static_cast<std::size_t>(Count)>;

template <class T, bool Braced, class... Probes, std::size_t... Before, std::size_t... After>
consteval bool takes_among(std::index_sequence<Before...>, std::index_sequence<After...>) {
  if constexpr (Braced) {
    return requires {
      T{repeated<anything<T>, Before>{}..., {Probes{}...}, repeated<anything<T>, After>{}...};
    };
  } else {
    return requires {
      T{repeated<anything<T>, Before>{}..., Probes{}..., repeated<anything<T>, After>{}...};
    };
  }
}

template <class T, int Before, int After, std::size_t... Inner>
consteval bool takes_nested(std::index_sequence<Inner...>) {
  return takes_among<T, true, repeated<anything<T>, Inner>...>(places<Before>{}, places<After>{});
}

template <class T, int Count>
inline constexpr bool takes_flat = takes_among<T, false>(places<Count>{}, places<0>{});
template <class T, int Before, int Inner, int After>
inline constexpr bool takes_nest = takes_nested<T, Before, After>(places<Inner>{});

// The largest number of initialisers of any kind that the aggregate takes; `unseen` for none, and
// for more than `flat_max`. After a number that is taken, some may not be that leave an array with
// a default of its own half filled.
template <class T, int Count = 0, int Best = unseen>
consteval int flat_taken() {
  if constexpr (Best != unseen && Count > Best + half_filled_max) {
    return Best;
  } else if constexpr (Count > flat_max) {
    return unseen;
  } else if constexpr (takes_flat<T, Count>) {
    return flat_taken<T, Count + 1, Count>();
  } else {
    return flat_taken<T, Count + 1, Best>();
  }
}

// How many of Total initialisers go to the field that the one at At begins. An array of n is one
// where n can be put in braces with as many after them as before, and not one more.
template <class T, int At, int Total, int Inner = 2>
consteval int flat_span() {
  if constexpr (At + Inner > Total) {
    return 1;
  } else if constexpr (Inner == 2 && takes_nest<T, At, 0, Total - At - 1>) {
    return 1;
  } else if constexpr (takes_nest<T, At, Inner, Total - At - Inner> &&
                       !takes_nest<T, At, Inner, Total - At - Inner + 1>) {
    return Inner;
  } else {
    return flat_span<T, At, Total, Inner + 1>();
  }
}

template <class T, int Total, int At = 0>
consteval int flat_fields() {
  if constexpr (At >= Total) {
    return 0;
  } else {
    return 1 + flat_fields<T, Total, At + flat_span<T, At, Total>()>();
  }
}

// What is known of an aggregate. `places` are where initialisers may be tried: fields and bases,
// or, in the slow way, also each element of an array.
struct shape {
  int fields = unseen;
  int places = unseen;
  bool braces = false;
};

// Whether no field is left after that many. One with a default of its own need not take `{}`, and
// ends the count early: then anything else goes there, or, in an array, as many as it has elements.
template <class T, int Count>
consteval bool is_whole() {
  if constexpr (Count == unseen) {
    return false;
  } else if constexpr (std::is_trivially_default_constructible_v<T>) {
    return true;
  } else {
    using any = anything<T>;
    return !takes_after_braces<T, false, Count, any>() &&
           !takes_after_braces<T, false, Count, any, any>() &&
           !takes_after_braces<T, false, Count, any, any, any>() &&
           !takes_after_braces<T, false, Count, any, any, any, any>();
  }
}

template <class T>
consteval shape shape_of() {
  constexpr int taken = braces_taken<T>();
  if constexpr (is_whole<T, taken>()) {
    return {taken, taken, true};
  } else {
    constexpr int total = flat_taken<T>();
    if constexpr (total == unseen) {
      return {};
    } else if constexpr (takes_nest<T, total, 0, 0>) {
      return {};  // More is there, which nothing converts to.
    } else {
      return {flat_fields<T, total>(), total, false};
    }
  }
}

template <class T, class Probe, int At, bool Braced = false>
consteval bool takes_at() {
  constexpr shape seen = shape_of<T>();
  if constexpr (seen.braces) {
    return takes_after_braces<T, Braced, At, Probe>();
  } else {
    return takes_among<T, Braced, Probe>(places<At>{}, places<seen.places - At - 1>{});
  }
}

template <class T, class Probe, int At = 0>
consteval bool takes_anywhere() {
  constexpr shape seen = shape_of<T>();
  if constexpr (seen.braces) {
    return takes_anywhere_in_braces<T, Probe, seen.places>();
  } else if constexpr (At >= seen.places) {
    return false;
  } else if constexpr (takes_at<T, Probe, At>()) {
    return true;
  } else {
    return takes_anywhere<T, Probe, At + 1>();
  }
}

// Whether structured bindings may be formed (F1).
template <class T>
consteval bool can_bind() {
  constexpr shape seen = shape_of<T>();
  if constexpr (seen.fields < 0 || seen.fields > fields_max || has_no_name<T>()) {
    return false;
  } else {
    return !takes_anywhere<T, base_or_nameless<T>>();
  }
}

// REQUIRES: can_bind<T>(). References stay references.
template <class T>
using fields_of = decltype(bind_fields<shape_of<T>().fields>(std::declval<T&>()));

}  // namespace greenroom::detail
