// SPDX-License-Identifier: Apache-2.0
// The mutex that parks. Y1 and Y2 stand in mutex.hpp.
#include <greenroom/mutex.hpp>

#include "circles.hpp"
#include "waiting.hpp"

#include <greenroom/detail/place.hpp>

#include <string>
#include <system_error>

namespace greenroom {

namespace detail {

struct owning_waiter : line_waiter {
  mutex::claimant who;
  party holder;  // when it came to stand in line
};

}  // namespace detail

namespace {

// Of a wait that would close a circle.
constexpr std::uint64_t outcome_circle = detail::outcome_first_free;

std::string held_already(std::uint64_t place) {
  char at[320];
  detail::describe_place(place, at, sizeof at);
  const detail::cell* c = detail::current_cell();
  return std::string(c == nullptr ? "an OS thread" : detail::name_of(c)) + " locks a mutex" + at +
         " that it holds already";
}

}  // namespace

// The actor, for it may run on another stack with its next message; or the OS thread's record. With
// its id, for a cell is used again: who comes after an owner that ended does not own the mutex.
mutex::claimant mutex::caller() noexcept {
  constexpr std::uint64_t spread = 0x9e37'79b9'7f4a'7c15u;
  const std::uintptr_t seat = detail::calling_party().bits;
  const detail::cell* c = detail::party{seat}.as_cell();
  if (c == nullptr) return {seat, seat};
  return {(seat ^ (c->id * spread)) & ~std::uintptr_t{1}, seat};
}

detail::party detail::holder_of(mutex& m) noexcept {
  const spin_guard guard(m.inner_);
  return {m.owner_.seat};
}

mutex::taken mutex::take(const claimant& who) noexcept {
  const detail::spin_guard guard(inner_);
  if (owner_.who == who.who) return taken::twice;
  if (owner_.who != 0) return taken::not_now;
  owner_ = who;
  return taken::yes;
}

bool mutex::enlist(detail::owning_waiter& w) noexcept {
  const detail::spin_guard guard(inner_);
  if (owner_.who == 0) return false;
  w.holder = {owner_.seat};
  waiting_.add(w);
  return true;
}

void mutex::leave(detail::owning_waiter& w) noexcept {
  const detail::spin_guard guard(inner_);
  if (w.linked) waiting_.remove(w);
}

bool mutex::try_lock() noexcept { return take(caller()) == taken::yes; }

// As wait_in_line(), and tells whom it waits for. w.value, again, timeout, cancelled or circle.
std::uint64_t mutex::wait(detail::owning_waiter& w, time_point deadline, bool bounded,
                          std::uint64_t place, error& circle) {
  const bool edge = !bounded || detail::bounded(deadline) == never;
  w.ticket = begin_wait(detail::wait_on(this, detail::wait_kind::lock, 0, !edge), place);
  std::uint64_t outcome = detail::outcome_again;
  std::string text;
  if (!enlist(w)) {
    if (!detail::abandon()) detail::park();
  } else {
    detail::sync::fence_seq_cst();
    if (edge && detail::may_close(w.holder) && closes_circle(w.ticket, text))
      outcome = outcome_circle;
    else
      outcome = bounded ? detail::park(deadline) : detail::park();
    leave(w);
  }
  detail::let_lookers_pass();
  if (outcome == outcome_circle) circle = error(error::deadlock, text);
  return outcome;
}

void mutex::lock(std::source_location at) {
  const claimant who = caller();
  bool bounded = true;
  for (;;) {
    const taken how = take(who);
    if (how == taken::yes) return;
    const std::uint64_t place = detail::place_number(at, __builtin_return_address(0));
    if (how == taken::twice)
      throw std::system_error(std::make_error_code(std::errc::resource_deadlock_would_occur),
                              "greenroom: deadlock: " + held_already(place));
    detail::throw_if_cancelled();
    detail::owning_waiter w;
    w.who = who;
    error circle = error::deadlock;
    const std::uint64_t outcome = wait(w, never, bounded, place, circle);
    if (outcome == w.value) return;
    if (outcome == outcome_circle)
      throw std::system_error(std::make_error_code(std::errc::resource_deadlock_would_occur),
                              std::string("greenroom: ") + circle.text());
    if (outcome == detail::outcome_timeout) detail::after_timeout(bounded);
  }
}

status mutex::lock_until(time_point deadline, std::source_location at) {
  const claimant who = caller();
  for (;;) {
    const taken how = take(who);
    if (how == taken::yes) return {};
    const std::uint64_t place = detail::place_number(at, __builtin_return_address(0));
    if (how == taken::twice) return error(error::deadlock, "deadlock: " + held_already(place));
    if (detail::report_cancel()) return error::cancelled;
    detail::owning_waiter w;
    w.who = who;
    error circle = error::deadlock;
    const std::uint64_t outcome = wait(w, deadline, true, place, circle);
    if (outcome == w.value) return {};
    if (outcome == outcome_circle) return circle;
    if (outcome == detail::outcome_timeout) return error::timeout;
  }
}

void mutex::unlock() noexcept {
  detail::to_resume woken;
  bool ours = false;
  const claimant who = caller();
  {
    const detail::spin_guard guard(inner_);
    ours = owner_.who == who.who;
    if (ours) {
      owner_ = {};
      while (auto* first = static_cast<detail::owning_waiter*>(waiting_.take())) {
        const claimant next = first->who;  // before the decision: Y1
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
