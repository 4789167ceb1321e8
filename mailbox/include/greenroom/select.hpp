// SPDX-License-Identifier: Apache-2.0
// Select: waits for whichever of several things comes first, as in Go.
//
//   gr::select(rx.on([&](job j) { ... }),
//              tx.on(result, [&] { ... }),
//              in.on([&](stop) { ... }),                       // the actor's own mailbox
//              gr::after(1s, [&] { ... }));
//
// Exactly one case happens, and its function runs when all others have left their lines: a value
// is never taken and dropped, and what a losing case would have sent is still there. The function
// may wait, select again, throw.
#pragma once

#include <greenroom/clock.hpp>
#include <greenroom/detail/select_case.hpp>

#include <concepts>
#include <type_traits>
#include <utility>

namespace greenroom {

namespace detail {

template <class F>
class timer_case : public select_case {
 public:
  timer_case(time_point when, F f) : f_(std::move(f)) {
    ops = &operations;
    due = when;
    is = kind::timer;
  }
  timer_case kept() && { return std::move(*this); }

 private:
  static bool run(select_case* c) {
    c->is_over = true;  // a set runs it once
    static_cast<timer_case*>(c)->f_();
    return true;
  }
  static constexpr select_ops operations{nullptr, nullptr, nullptr, nullptr, nullptr, run};
  F f_;
};

template <class F>
class otherwise_case : public select_case {
 public:
  explicit otherwise_case(F f) : f_(std::move(f)) {
    ops = &operations;
    is = kind::otherwise;
  }

 private:
  static bool run(select_case* c) {
    static_cast<otherwise_case*>(c)->f_();
    return true;
  }
  static constexpr select_ops operations{nullptr, nullptr, nullptr, nullptr, nullptr, run};
  F f_;
};

struct nothing_to_do {
  void operator()() const noexcept {}
};

// What on() returns where it has said what the mistake is, so that nothing more is said.
inline auto mistaken_case() { return otherwise_case<nothing_to_do>(nothing_to_do{}); }

// Of the function of a case that has nothing to hand over.
template <class F>
consteval bool takes_nothing() {
  static_assert(std::is_invocable_v<std::decay_t<F>&>,
                "greenroom: the function of this case takes no argument");
  return std::is_invocable_v<std::decay_t<F>&>;
}

// A case that refers to its value is to be made in the call itself: kept in a variable, it may
// outlive that.
template <class C>
consteval bool refers_to_value() {
  if constexpr (requires { std::remove_cvref_t<C>::refers; })
    return std::is_lvalue_reference_v<C> && std::remove_cvref_t<C>::refers;
  else
    return false;
}

template <class C>
concept is_select_case = std::derived_from<std::remove_cvref_t<C>, select_case>;

template <class... Cs>
bool select_among(bool in_order, Cs&... cases) {
  static_assert((is_select_case<Cs> && ...),
                "greenroom: a case of a select is what on(), after(), at() or otherwise() returns");
  if constexpr ((is_select_case<Cs> && ...)) {
    select_case* const all[sizeof...(Cs) + 1] = {&cases..., nullptr};
    std::uint32_t order[sizeof...(Cs) + 1];
    return select(all, order, sizeof...(Cs), in_order);
  } else {
    return false;
  }
}

}  // namespace detail

// A case that happens when that much time has passed (since this call).
template <class F = detail::nothing_to_do>
[[nodiscard]] auto at(time_point when, F&& f = {}) {
  static_assert(detail::takes_nothing<F>());
  return detail::timer_case<std::decay_t<F>>(when, std::forward<F>(f));
}
template <class F = detail::nothing_to_do>
[[nodiscard]] auto after(duration d, F&& f = {}) {
  static_assert(detail::takes_nothing<F>());
  return detail::timer_case<std::decay_t<F>>(deadline_after(d), std::forward<F>(f));
}
// The case that happens when no other can at once: with it a select never waits.
template <class F = detail::nothing_to_do>
[[nodiscard]] auto otherwise(F&& f = {}) {
  static_assert(detail::takes_nothing<F>());
  return detail::otherwise_case<std::decay_t<F>>(std::forward<F>(f));
}

// As the first argument of a select: of the cases that are ready, the first happens.
struct prioritized_t {};
inline constexpr prioritized_t prioritized{};

// Waits until one of the cases happens, and runs its function; true. Of several that are ready
// any may be taken, each as likely. False: none can ever happen, since all their sources have ended
// (a closed channel without values, a closed mailbox) or the handles are empty; and in the clean-up
// of a cancelled green thread (see shield) after 5 s. Parks, unless there is an otherwise() (a
// plain OS thread blocks); throws `cancelled`, what the function throws, and std::bad_alloc.
template <class... Cs>
  requires(!(std::same_as<std::remove_cvref_t<Cs>, prioritized_t> || ...))
bool select(Cs&&... cases) {
  static_assert(!(detail::refers_to_value<Cs>() || ...),
                "greenroom: a case that sends is made in the call: it refers to its value");
  return detail::select_among(false, cases...);
}
template <class... Cs>
bool select(prioritized_t, Cs&&... cases) {
  static_assert(!(detail::refers_to_value<Cs>() || ...),
                "greenroom: a case that sends is made in the call: it refers to its value");
  return detail::select_among(true, cases...);
}

}  // namespace greenroom
