// SPDX-License-Identifier: Apache-2.0
// Who sleeps stands in a list; its record lies on its own stack, and leaves the list under the lock
// before the stack goes on. So a wake-up under the lock never finds a record that is gone.
#include <greenroom/manual_clock.hpp>

namespace greenroom {

time_point manual_clock::now() const noexcept {
  const detail::spin_guard guard(lock_);
  return now_;
}

void manual_clock::advance(duration d) noexcept {
  const detail::spin_guard guard(lock_);
  now_ += d;
  for (sleeper* s = first_; s != nullptr; s = s->next)
    if (s->until <= now_) detail::wake(s->ticket, detail::outcome_timeout);
}

std::size_t manual_clock::sleepers() const noexcept {
  const detail::spin_guard guard(lock_);
  std::size_t n = 0;
  for (const sleeper* s = first_; s != nullptr; s = s->next) ++n;
  return n;
}

time_point manual_clock::next() const noexcept {
  const detail::spin_guard guard(lock_);
  time_point earliest = never;
  for (const sleeper* s = first_; s != nullptr; s = s->next)
    if (s->until < earliest) earliest = s->until;
  return earliest;
}

std::uint64_t manual_clock::park(const detail::wait_ticket& ticket, time_point until) {
  sleeper mine{ticket, until, nullptr};
  const bool timed = until != never;
  if (timed) {
    const detail::spin_guard guard(lock_);
    mine.next = first_;
    first_ = &mine;
    if (until <= now_) detail::wake(ticket, detail::outcome_timeout);
  }
  const std::uint64_t outcome = detail::park();
  if (timed) {
    const detail::spin_guard guard(lock_);
    sleeper** at = &first_;
    while (*at != &mine) at = &(*at)->next;
    *at = mine.next;
  }
  return outcome;
}

}  // namespace greenroom
