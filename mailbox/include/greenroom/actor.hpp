// SPDX-License-Identifier: Apache-2.0
// How a function or an object becomes an actor: the typed shell around the compiled core.
#pragma once

#include <greenroom/mailbox.hpp>

#include <tuple>
#include <utility>

namespace greenroom::detail {

// ---- what a callable's first parameter says

template <class... Ms>
struct message_list {};

template <class P>
struct mailbox_parameter {
  static constexpr bool is = false;
};
template <class... Ms>
struct mailbox_parameter<mailbox<Ms...>&> {
  static constexpr bool is = true;
  using list = message_list<Ms...>;
};

template <class F>
struct first_parameter {
  using type = void;
};
template <class R, class A, class... As>
struct first_parameter<R(A, As...)> {
  using type = A;
};
template <class R, class A, class... As>
struct first_parameter<R(A, As...) noexcept> {
  using type = A;
};
template <class R, class C, class A, class... As>
struct first_parameter<R (C::*)(A, As...)> {
  using type = A;
};
template <class R, class C, class A, class... As>
struct first_parameter<R (C::*)(A, As...) const> {
  using type = A;
};
template <class R, class C, class A, class... As>
struct first_parameter<R (C::*)(A, As...) noexcept> {
  using type = A;
};
template <class R, class C, class A, class... As>
struct first_parameter<R (C::*)(A, As...) const noexcept> {
  using type = A;
};

template <class F, class = void>
struct first_of {
  using type = typename first_parameter<std::remove_pointer_t<F>>::type;
};
template <class F>
struct first_of<F, std::void_t<decltype(&F::operator())>> {
  using type = typename first_parameter<decltype(&F::operator())>::type;
};

template <class F>
inline constexpr bool is_function_actor = mailbox_parameter<typename first_of<F>::type>::is;

template <class... Ms>
struct type_table {
  static constexpr const message_type* all[sizeof...(Ms) + 1] = {&type_of<Ms>..., nullptr};
};

template <class T>
consteval std::size_t stored_size() {
  return sizeof(T) <= payload_max && alignof(T) <= 16 ? sizeof(T) : sizeof(T*);
}
template <class T>
T& stored(cell* c) noexcept {
  if constexpr (stored_size<T>() == sizeof(T) && alignof(T) <= 16 && sizeof(T) <= payload_max)
    return *std::launder(static_cast<T*>(payload_of(c)));
  else
    return **static_cast<T**>(payload_of(c));
}
template <class T, class... As>
void store(cell* c, As&&... arguments) {
  if constexpr (sizeof(T) <= payload_max && alignof(T) <= 16)
    ::new (payload_of(c)) T(std::forward<As>(arguments)...);
  else
    *static_cast<T**>(payload_of(c)) = new T(std::forward<As>(arguments)...);
}
template <class T>
void unstore(cell* c) {
  if constexpr (sizeof(T) <= payload_max && alignof(T) <= 16)
    stored<T>(c).~T();
  else
    delete &stored<T>(c);
}

// ---- compiled: what the scheduler calls

void run_function(task* t);
void run_object(task* t);
void poke_cell(task* t);
void refuse_cell(task* t, const char* why);
std::size_t stack_size_of_cell(const task* t);
void describe_cell(const task* t, char* name, std::size_t size, std::uint64_t& id);
bool identify_cell(task* t, char* name, std::size_t size, std::uint64_t& id);

// ---- function actors

template <class F, class List, class... As>
struct function_actor;

template <class F, class... Ms, class... As>
struct function_actor<F, message_list<Ms...>, As...> {
  F function;
  std::tuple<As...> arguments;

  static void body(cell* c, mailbox_base& base) {
    if constexpr ((has_own_lane<Ms>() || ...)) use_lanes(c);
    auto& self = stored<function_actor>(c);
    mailbox<Ms...> in(base);
    std::apply([&](As&... as) { self.function(in, std::move(as)...); }, self.arguments);
  }
  static constexpr actor_ops ops{
      {run_function, poke_cell, refuse_cell, stack_size_of_cell, describe_cell, identify_cell},
      body,
      nullptr,
      unstore<function_actor>,
      type_table<Ms...>::all,
      sizeof...(Ms),
      &name_of_type<F>};
};

// Whose name reports show for a green thread that runs F.
template <class F>
struct shown_as {
  using type = F;
};

// A green thread: a function without a mailbox.
template <class F, class... As>
struct green_function {
  F function;
  std::tuple<As...> arguments;

  static void body(cell* c, mailbox_base&) {
    auto& self = stored<green_function>(c);
    std::apply([&](As&... as) { self.function(std::move(as)...); }, self.arguments);
  }
  static constexpr actor_ops ops{
      {run_function, poke_cell, refuse_cell, stack_size_of_cell, describe_cell, identify_cell},
      body,
      nullptr,
      unstore<green_function>,
      type_table<>::all,
      0,
      &name_of_type<typename shown_as<F>::type>};
};

// ---- object actors

template <class T>
struct calls_on {
  T& object;
  // The results are written out, so that asking for them needs no body: it would be one that
  // converts from `exactly`, whose conversions are declared only.
  template <class M>
  auto operator()(M&& m) -> decltype(object.on(std::forward<M>(m))) {
    return object.on(std::forward<M>(m));
  }
  template <class M, class P>
  auto operator()(M&& m, P&& p) -> decltype(object.on(std::forward<M>(m), std::forward<P>(p))) {
    return object.on(std::forward<M>(m), std::forward<P>(p));
  }
};

template <class T, class List>
struct object_actor;

template <class T, class... Ms>
struct object_actor<T, messages<Ms...>> {
  template <class M>
  static consteval bool check_one() {
    static_assert(handles<M, calls_on<T>>,
                  "greenroom: this actor has no `on` for one of its messages");
    return check_message<M>() && check_reply<M, calls_on<T>>() && handles<M, calls_on<T>>;
  }
  static consteval bool check() {
    static_assert(sizeof...(Ms) <= message_types_max, "greenroom: too many message types");
    return (check_one<Ms>() && ...);
  }

  static constexpr bool has_lanes = (has_own_lane<Ms>() || ...);
  static constexpr bool has_idle = one_of<idle, Ms...>;
  static constexpr auto tag_of_idle = static_cast<std::uint32_t>(index_of<idle, Ms...>());

  static void handle_one(cell* c, node* n, mailbox_base& box) {
    calls_on<T> on{stored<T>(c)};
    const std::uint32_t tag = inbox::tag_of(n);
    std::uint32_t i = 0;
    (void)((tag == i++ && (handle<Ms>(box, n, on), true)) || ...);
  }
  static constexpr actor_ops ops{
      {run_object, poke_cell, refuse_cell, stack_size_of_cell, describe_cell, identify_cell},
      nullptr,
      handle_one,
      unstore<T>,
      type_table<Ms...>::all,
      sizeof...(Ms),
      &name_of_type<T>};
};

}  // namespace greenroom::detail
