// SPDX-License-Identifier: Apache-2.0
// One deadline for all that a piece of code waits for. Works on green threads and OS threads.
#pragma once

#include <greenroom/clock.hpp>
#include <greenroom/error.hpp>

#include <cstdint>
#include <expected>
#include <type_traits>
#include <utility>

namespace greenroom {

namespace detail {

// Unwinds to the with_deadline whose time is over. As `cancelled`, it is no std::exception, and who
// swallows it meets it again at the next wait.
struct past_deadline {};

// What bounds the waits and the asks of the calling green thread (nanoseconds; INT64_MAX: nothing).
struct limits {
  std::int64_t bound_ns = INT64_MAX;
  std::int64_t inherited_ns = INT64_MAX;
};
limits limits_here() noexcept;

// While one lives, no wait of the calling stack lasts longer (U1).
class bound_scope {
 public:
  explicit bound_scope(time_point deadline) noexcept;
  // For a child: the limits that its parent had.
  explicit bound_scope(const limits& given) noexcept;
  ~bound_scope();
  bound_scope(const bound_scope&) = delete;
  bound_scope& operator=(const bound_scope&) = delete;

 private:
  limits before_;
  std::uint16_t told_before_;
};

// The time of a with_deadline around the caller is over, and may be obeyed here.
bool bound_has_passed() noexcept;

template <class R>
struct bounded_result {
  using type = std::expected<R, error>;
};
template <>
struct bounded_result<void> {
  using type = status;
};
template <>
struct bounded_result<status> {
  using type = status;
};
template <class T>
struct bounded_result<std::expected<T, error>> {
  using type = std::expected<T, error>;
};

// An error as one of those.
template <class Result>
Result failed_with(error why) {
  if constexpr (std::is_same_v<Result, status>)
    return why;
  else
    return std::unexpected(std::move(why));
}

}  // namespace detail

// Runs f() and bounds every wait inside it, whatever it calls: none lasts past t. Returns what f
// returns if that is a std::expected<T, error> or a status; else a std::expected<T, error> of it,
// or a status for void. A wait with a result (ask, send, join, read) that the time cuts short
// reports error::timeout to f. All others (receive, sleep, yield), and those that begin later (but
// for the first that can report it), unwind to here, so that destructors run, and error::timeout is
// what with_deadline returns. The unwinding is not swallowed by catch (const std::exception&), and
// who swallows it in a catch (...) meets it again at the next wait. It does not begin in code that
// does not wait, under a gr::shield, nor in a destructor while an exception unwinds.
// Inside another with_deadline the earlier one counts; unwinding passes the inner one when the
// outer one's time is over. Asks inside carry the time that is left, and are not run once it is
// over; what their handlers ask inherits it. Children of a scope inherit it as well. A time that is
// past already ends the first wait. Ideas: Trio's cancel scopes, Go's context.WithDeadline.
template <class F>
auto with_deadline_until(time_point t, F&& f) {
  using returned = std::invoke_result_t<F>;
  static_assert(!std::is_reference_v<returned>,
                "greenroom: with_deadline returns a value, so the function must not return a "
                "reference");
  if constexpr (!std::is_reference_v<returned>) {
    using result = typename detail::bounded_result<returned>::type;
    try {
      const detail::bound_scope within(t);
      if constexpr (std::is_void_v<returned>) {
        std::forward<F>(f)();
        return result();
      } else {
        return result(std::forward<F>(f)());
      }
    } catch (const detail::past_deadline&) {
      if (detail::bound_has_passed()) throw;  // the outer one's time is over, too
      return detail::failed_with<result>(error::timeout);
    }
  }
}

// The same with a duration: with_deadline(100ms, [&] { ... }).
template <class F>
auto with_deadline(duration d, F&& f) {
  return with_deadline_until(deadline_after(d), std::forward<F>(f));
}

}  // namespace greenroom
