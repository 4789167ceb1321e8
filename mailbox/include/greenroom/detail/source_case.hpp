// SPDX-License-Identifier: Apache-2.0
// Cases of a select on what is neither channel nor mailbox: an operation, without its function,
// does the steps; the case adds the function. Operations refer to the caller's object, which must
// live as long as the select, or the set that the case was given to.
#pragma once

#include <greenroom/detail/wait_line.hpp>
#include <greenroom/error.hpp>
#include <greenroom/select.hpp>

#include <expected>
#include <type_traits>
#include <utility>

namespace greenroom::detail {

// Those who wait for a number to be passed: of an event, a version, a value.
struct numbered_waiter : line_waiter {
  std::uint64_t at = 0;
};

template <class Operation, class F>
class source_case : public select_case {
 public:
  source_case(Operation operation, F f) : operation_(std::move(operation)), f_(std::move(f)) {
    ops = &operations;
  }
  source_case kept() && { return std::move(*this); }

 private:
  static source_case& of(select_case* c) { return *static_cast<source_case*>(c); }
  static attempt try_now(select_case* c) { return of(c).operation_.try_now(); }
  static bool enlist(select_case* c, const wait_ticket& ticket, std::uint64_t value) {
    auto& w = of(c).operation_.waiter;
    w.ticket = ticket;
    w.value = value;
    return of(c).operation_.enlist();
  }
  static void withdraw(select_case* c) noexcept { of(c).operation_.leave(); }
  static attempt complete(select_case* c) { return of(c).operation_.complete(); }
  static bool run(select_case* c) {
    of(c).operation_.run(of(c).f_);
    return true;
  }
  static constexpr select_ops operations{try_now, enlist, withdraw, complete, nullptr, run};

  Operation operation_;
  F f_;
};

// The function of a case takes a T, or a std::expected<T, error> to hear of errors as well.
template <class F, class T>
inline constexpr bool hears_errors = std::is_invocable_v<F&, std::expected<T, error>>;
template <class F, class T>
inline constexpr bool takes_value = hears_errors<F, T> || std::is_invocable_v<F&, T>;

template <class T, class F>
void call_with(F& f, std::expected<T, error> got) {
  if constexpr (hears_errors<F, T>)
    f(std::move(got));
  else
    f(std::move(*got));
}

}  // namespace greenroom::detail
