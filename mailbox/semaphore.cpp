// SPDX-License-Identifier: Apache-2.0
#include <greenroom/semaphore.hpp>

#include "waiting.hpp"

#include <stdexcept>
#include <string>

namespace greenroom {

using detail::permits;

namespace {

constexpr detail::wait_reason acquiring{"for permits of a semaphore"};

[[noreturn]] GREENROOM_COLD void refuse(const char* what, std::int64_t n) {
  throw std::invalid_argument(std::string("greenroom: semaphore: ") + what + " " +
                              std::to_string(n) + ": it must lie between 0 and 2^60");
}

void check(const char* what, std::int64_t n) {
  if (GREENROOM_UNLIKELY(n < 0 || n > detail::permits_max)) refuse(what, n);
}

// True: they are ours. `wait` waits in the line.
template <class Wait>
bool take_in_line(permits& core, std::int64_t n, std::uint64_t& outcome, Wait&& wait) {
  detail::permit_waiter w;
  w.want = n;
  bool at_once = false;
  outcome = wait(
      w,
      [&](detail::line_waiter&) {
        at_once = core.take_or_enlist(w) == permits::taken::yes;
        return !at_once;
      },
      [&](detail::line_waiter&) { core.leave(w); });
  return at_once || outcome == w.value;
}

}  // namespace

semaphore::semaphore(std::int64_t count) : core_((check("a count of", count), count)) {}

bool semaphore::try_acquire(std::int64_t n) {
  check("try_acquire of", n);
  return core_.locked_try_take(n) == permits::taken::yes;
}

void semaphore::acquire(std::int64_t n) {
  check("acquire of", n);
  bool bounded = true;
  while (core_.locked_try_take(n) != permits::taken::yes) {
    detail::throw_if_cancelled();
    std::uint64_t outcome = 0;
    const bool taken = take_in_line(core_, n, outcome, [&](auto& w, auto&& enlist, auto&& leave) {
      return detail::wait_in_line(acquiring, w, bounded, enlist, leave);
    });
    if (taken) return;
    if (outcome == detail::outcome_timeout) detail::after_timeout(bounded);
  }
}

status semaphore::acquire_until(time_point deadline, std::int64_t n) {
  check("acquire of", n);
  while (core_.locked_try_take(n) != permits::taken::yes) {
    if (detail::report_cancel()) return error::cancelled;
    std::uint64_t outcome = 0;
    const bool taken = take_in_line(core_, n, outcome, [&](auto& w, auto&& enlist, auto&& leave) {
      return detail::wait_in_line(acquiring, w, deadline, enlist, leave);
    });
    if (taken) return {};
    if (outcome == detail::outcome_timeout) return error::timeout;
  }
  return {};
}

void semaphore::release(std::int64_t n) {
  check("release of", n);
  if (GREENROOM_UNLIKELY(!core_.locked_give(n)))
    throw std::invalid_argument("greenroom: semaphore: release of " + std::to_string(n) +
                                ": there would be more than 2^60 permits");
}

}  // namespace greenroom
