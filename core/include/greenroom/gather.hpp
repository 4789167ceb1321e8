// SPDX-License-Identifier: Apache-2.0
// Several things at once, each in a green thread of its own: all of their results, or the first.
#pragma once

#include <greenroom/blocking.hpp>
#include <greenroom/scope.hpp>

#include <expected>
#include <tuple>
#include <type_traits>
#include <utility>

namespace greenroom {

namespace detail {

// What a result is told as: an expected, whatever the function returns.
template <class R>
struct gathered_result {
  using type = std::expected<R, error>;
};
template <>
struct gathered_result<status> {
  using type = std::expected<void, error>;
};
template <class T>
struct gathered_result<std::expected<T, error>> {
  using type = std::expected<T, error>;
};
template <class F>
using gathered = typename gathered_result<std::invoke_result_t<std::decay_t<F>&>>::type;

// Results are made where they stay and taken by a call: where g++ 12 sees an error move and go, it
// warns of a free that cannot happen.
template <class F>
GREENROOM_NOINLINE gathered<F> gather_one(F& f) {
  using returned = std::invoke_result_t<F&>;
  try {
    if constexpr (std::is_void_v<returned>) {
      f();
      return {};
    } else if constexpr (std::is_same_v<returned, status>) {
      if (status s = f(); !s) return std::unexpected(s.error());
      return {};
    } else {
      return f();
    }
  } catch (const past_deadline&) { return std::unexpected(error(error::timeout)); }
}

// Where children run: in the caller's runtime; on an OS thread in that of who is asked first.
template <class F>
home* home_asked(const F&) noexcept {
  return nullptr;
}
template <class M>
home* home_asked(const deferred_ask<M>& ask) noexcept {
  cell* c = access::cell_of(ask.to());
  return c == nullptr ? nullptr : home_of(c);
}
template <class F>
inline constexpr bool is_deferred_ask = false;
template <class M>
inline constexpr bool is_deferred_ask<deferred_ask<M>> = true;
// Asks on a plain OS thread, through empty addresses all of them: nobody says where they could run.
template <class... Fs>
bool lead_nowhere(home* h) noexcept {
  return h == nullptr && (is_deferred_ask<std::remove_cvref_t<Fs>> && ...);
}
template <class... Fs>
home* home_for(const Fs&... fs) noexcept {
  home* h = current_home();
  (void)((h != nullptr) || ... || ((h = home_asked(fs)) != nullptr));
  return h;
}

inline limits limits_until(time_point deadline) noexcept {
  limits l = limits_here();
  const std::int64_t ns = deadline.time_since_epoch().count();
  if (ns < l.bound_ns) l.bound_ns = ns;
  return l;
}

// Several run until one succeeds.
template <class R>
struct race_result {
  sync::atomic<bool> is_won{false};
  result_place<R> won;
  sync::atomic<bool> is_lost{false};
  result_place<R> lost;  // what the first that failed has returned
  scope_core children;   // the first to be destroyed

  explicit race_result(home* h) : children(h) {}
  GREENROOM_NOINLINE void finish(R&& r) {
    // relaxed: the owner reads after the children's end, which orders it.
    const bool succeeds = r.has_value();
    if ((succeeds ? is_won : is_lost).exchange(true, sync::memory_order_relaxed)) return;
    auto moved = [&r] { return R(std::move(r)); };
    (succeeds ? won : lost).fill(moved);
    if (!succeeds) return;
    children.decide();
    children.cancel();
  }
};

template <class F>
struct gather_child {
  std::decay_t<F> function;
  result_place<gathered<F>>* result;
  void operator()() {
    auto run = [this] { return gather_one(function); };
    result->fill(run);
  }
};
template <class F>
struct shown_as<scope_child<gather_child<F>>> {
  using type = std::decay_t<F>;
};
template <class F, class R>
struct race_child {
  std::decay_t<F> function;
  race_result<R>* all;
  void operator()() { all->finish(gather_one(function)); }
};
template <class F, class R>
struct shown_as<scope_child<race_child<F, R>>> {
  using type = std::decay_t<F>;
};

template <class R>
GREENROOM_NOINLINE R taken(result_place<R>& result, const error& none) {
  return result.full() ? result.take() : R(std::unexpected(none));
}

template <class F, class...>
struct first_type {
  using type = F;
};

}  // namespace detail

// Runs each function in a green thread of its own, all at once, and waits for all of them. What
// address::request() gives is such a function. Returns a tuple of std::expected, in their order:
//
//   auto [who, ads] = gr::gather(users.request(get{id}), ads.request(pick{id}));
//
// Functions may return T, void, a status or a std::expected<T, error>. In a with_deadline, or with
// gather_for, what has no result when the time is over is error::timeout, and gather itself
// returns: it does not unwind then (a second one would). An exception in one of them cancels the
// others and comes out of gather when all have ended. Requests need a deadline: else they are
// error::invalid. Parks; throws `cancelled`, after the others were cancelled and have ended. From a
// plain OS thread if one of them is a request. Ideas: Python's asyncio.gather, Trio.
template <class... Fs>
[[nodiscard]] std::tuple<detail::gathered<Fs>...> gather_until(time_point deadline, Fs&&... fs) {
  detail::home* const h = detail::home_for(fs...);
  if (GREENROOM_UNLIKELY(detail::lead_nowhere<Fs...>(h)))
    return std::tuple<detail::gathered<Fs>...>(
        detail::gathered<Fs>(std::unexpected(error(error::closed)))...);
  std::tuple<detail::result_place<detail::gathered<Fs>>...> results;
  detail::scope_core children(h);
  children.gathers = true;
  if (detail::report_cancel()) children.cancel();
  const detail::limits given = detail::limits_until(deadline);
  std::apply(
      [&](auto&... result) {
        (detail::spawn_child(children, given, {},
                             detail::gather_child<Fs>{std::forward<Fs>(fs), &result}),
         ...);
      },
      results);
  children.join_all();
  const error none = children.was_cancelled() ? error::cancelled : error::timeout;
  return std::apply(
      [&](auto&... result) {
        return std::tuple<detail::gathered<Fs>...>(detail::taken(result, none)...);
      },
      results);
}
template <class... Fs>
[[nodiscard]] auto gather_for(duration d, Fs&&... fs) {
  return gather_until(deadline_after(d), std::forward<Fs>(fs)...);
}
template <class... Fs>
  requires(std::is_invocable_v<std::decay_t<Fs>&> && ...)
[[nodiscard]] auto gather(Fs&&... fs) {
  return gather_until(never, std::forward<Fs>(fs)...);
}

// Runs each function in a green thread of its own and returns the first success; the others are
// cancelled and waited for. If none succeeds, the error of the first that failed. All else is as
// with gather; what losers throw after the success is logged.
template <class... Fs>
[[nodiscard]] auto race_until(time_point deadline, Fs&&... fs) {
  using result = detail::gathered<typename detail::first_type<Fs...>::type>;
  constexpr bool is_one_type = (std::is_same_v<detail::gathered<Fs>, result> && ...);
  static_assert(is_one_type, "greenroom: what runs in one race must return one type");
  if constexpr (is_one_type) {
    detail::home* const h = detail::home_for(fs...);
    if (GREENROOM_UNLIKELY(detail::lead_nowhere<Fs...>(h)))
      return result(std::unexpected(error(error::closed)));
    detail::race_result<result> all(h);
    all.children.gathers = true;
    if (detail::report_cancel()) all.children.cancel();
    const detail::limits given = detail::limits_until(deadline);
    (detail::spawn_child(all.children, given, {},
                         detail::race_child<Fs, result>{std::forward<Fs>(fs), &all}),
     ...);
    all.children.join_all();
    const error none = all.children.was_cancelled() ? error::cancelled : error::timeout;
    return detail::taken(all.won.full() ? all.won : all.lost, none);
  }
}
template <class... Fs>
[[nodiscard]] auto race_for(duration d, Fs&&... fs) {
  return race_until(deadline_after(d), std::forward<Fs>(fs)...);
}
template <class... Fs>
  requires(std::is_invocable_v<std::decay_t<Fs>&> && ...)
[[nodiscard]] auto race(Fs&&... fs) {
  return race_until(never, std::forward<Fs>(fs)...);
}

}  // namespace greenroom
