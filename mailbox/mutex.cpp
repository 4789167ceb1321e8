// SPDX-License-Identifier: Apache-2.0
// The mutex that parks. Y1 and Y2 stand in mutex.hpp.
#include <greenroom/mutex.hpp>

#include "waiting.hpp"

#include <greenroom/detail/cell.hpp>

#include <system_error>

namespace greenroom {

namespace detail {

struct owning_waiter : line_waiter {
  std::uintptr_t who = 0;
};

}  // namespace detail

namespace {

constexpr detail::wait_reason locking{"for a mutex"};

// The actor, for it may run on another stack with its next message; or the OS thread's record. With
// its id, for a cell is used again: who comes after an owner that ended does not own the mutex.
std::uintptr_t caller() noexcept {
  constexpr std::uint64_t spread = 0x9e37'79b9'7f4a'7c15u;
  if (const detail::cell* c = detail::current_cell())
    return (reinterpret_cast<std::uintptr_t>(c) ^ (c->id * spread)) & ~std::uintptr_t{1};
  return reinterpret_cast<std::uintptr_t>(detail::current_fiber()) | 1;
}

}  // namespace

mutex::taken mutex::take(std::uintptr_t who) noexcept {
  const detail::spin_guard guard(inner_);
  if (owner_ == who) return taken::twice;
  if (owner_ != 0) return taken::not_now;
  owner_ = who;
  return taken::yes;
}

bool mutex::enlist(detail::owning_waiter& w) noexcept {
  const detail::spin_guard guard(inner_);
  if (owner_ == 0) return false;
  waiting_.add(w);
  return true;
}

void mutex::leave(detail::owning_waiter& w) noexcept {
  const detail::spin_guard guard(inner_);
  if (w.linked) waiting_.remove(w);
}

bool mutex::try_lock() noexcept { return take(caller()) == taken::yes; }

void mutex::lock() {
  const std::uintptr_t who = caller();
  bool bounded = true;
  for (;;) {
    const taken how = take(who);
    if (how == taken::yes) return;
    if (how == taken::twice)
      throw std::system_error(std::make_error_code(std::errc::resource_deadlock_would_occur),
                              "greenroom: mutex: the caller holds it already");
    detail::throw_if_cancelled();
    detail::owning_waiter w;
    w.who = who;
    const std::uint64_t outcome = detail::wait_in_line(
        locking, w, bounded, [&](detail::line_waiter&) { return enlist(w); },
        [&](detail::line_waiter&) { leave(w); });
    if (outcome == w.value) return;
    if (outcome == detail::outcome_timeout) detail::after_timeout(bounded);
  }
}

status mutex::lock_until(time_point deadline) {
  const std::uintptr_t who = caller();
  for (;;) {
    const taken how = take(who);
    if (how == taken::yes) return {};
    if (how == taken::twice)
      return error(error::deadlock, "deadlock: the caller holds this mutex already");
    if (detail::report_cancel()) return error::cancelled;
    detail::owning_waiter w;
    w.who = who;
    const std::uint64_t outcome = detail::wait_in_line(
        locking, w, deadline, [&](detail::line_waiter&) { return enlist(w); },
        [&](detail::line_waiter&) { leave(w); });
    if (outcome == w.value) return {};
    if (outcome == detail::outcome_timeout) return error::timeout;
  }
}

void mutex::unlock() noexcept {
  detail::to_resume woken;
  bool ours = false;
  const std::uintptr_t who = caller();
  {
    const detail::spin_guard guard(inner_);
    ours = owner_ == who;
    if (ours) {
      owner_ = 0;
      while (auto* first = static_cast<detail::owning_waiter*>(waiting_.take())) {
        const std::uintptr_t next = first->who;  // before the decision: Y1
        if (!woken.decide(*first)) continue;
        owner_ = next;
        break;
      }
    }
  }
  if (!ours)
    detail::fatal("mutex: unlocked by somebody who does not hold it; what it guards is broken");
  woken.resume_all();
}

}  // namespace greenroom
