// SPDX-License-Identifier: Apache-2.0
// Permits under the lock: the line, and handing over. Z1 to Z3 stand in detail/permits.hpp.
#include <greenroom/detail/permits.hpp>

namespace greenroom::detail {

// Hands out what there is, in order. Under the lock, and while `waiters` is set, the word is ours.
void permits::serve(to_resume& woken) noexcept {
  std::uint64_t w = word_.load(sync::memory_order_relaxed);
  if ((w & waiters) == 0) return;
  while (auto* first = static_cast<permit_waiter*>(waiting_.first())) {
    const std::int64_t want = first->want;  // its record is its own again once it is decided
    if (count_in(w) < want) break;
    waiting_.remove(*first);
    if (woken.decide(*first)) w -= in_word(want);  // Z2
  }
  if (waiting_.empty()) w &= ~waiters;
  // release: as in give().
  word_.store(w, sync::memory_order_release);
}

permits::state permits::give_to_waiters(std::int64_t n) noexcept {
  to_resume woken;
  state after{};
  {
    const spin_guard guard(lock_);
    after = state_in(word_.fetch_add(in_word(n), sync::memory_order_acq_rel) + in_word(n));
    serve(woken);
  }
  woken.resume_all();
  return after;
}

permits::taken permits::locked_try_take(std::int64_t n) noexcept {
  const spin_guard guard(lock_);
  return try_take(n);
}

bool permits::locked_give(std::int64_t n) noexcept {
  to_resume woken;
  {
    const spin_guard guard(lock_);
    std::uint64_t w = word_.load(sync::memory_order_relaxed);
    if (n > permits_max - count_in(w)) return false;
    word_.store(w + in_word(n), sync::memory_order_release);  // nobody changes it without the lock
    serve(woken);
  }
  woken.resume_all();
  return true;
}

std::int64_t permits::locked_count() noexcept {
  const spin_guard guard(lock_);
  return look().count;
}

permits::taken permits::take_or_enlist(permit_waiter& w) noexcept {
  const spin_guard guard(lock_);
  std::uint64_t seen = word_.load(sync::memory_order_relaxed);
  for (;;) {
    if ((seen & closed_bit) != 0) return taken::closed;
    if ((seen & waiters) != 0) break;
    const bool enough = count_in(seen) >= w.want;
    const std::uint64_t next = enough ? seen - in_word(w.want) : seen | waiters;
    // acq_rel: as in try_take().
    if (!word_.compare_exchange_weak(seen, next, sync::memory_order_acq_rel,
                                     sync::memory_order_relaxed))
      continue;
    if (enough) return taken::yes;
    break;
  }
  waiting_.add(w);
  return taken::not_now;
}

bool permits::enlist(permit_waiter& w) noexcept {
  const spin_guard guard(lock_);
  std::uint64_t seen = word_.load(sync::memory_order_relaxed);
  do {
    if ((seen & closed_bit) != 0) return false;
    if ((seen & waiters) != 0) break;
    if (count_in(seen) >= w.want) return false;
  } while (!word_.compare_exchange_weak(seen, seen | waiters, sync::memory_order_acq_rel,
                                        sync::memory_order_relaxed));
  w.refused = false;
  waiting_.add(w);
  return true;
}

void permits::leave(permit_waiter& w) noexcept {
  to_resume woken;
  {
    const spin_guard guard(lock_);
    if (w.linked) {
      waiting_.remove(w);
      serve(woken);  // Z2
    }
  }
  woken.resume_all();
}

permits::state permits::close() noexcept {
  to_resume woken;
  state then{};
  {
    const spin_guard guard(lock_);
    then = state_in(word_.fetch_or(closed_bit, sync::memory_order_acq_rel) | closed_bit);
    while (auto* first = static_cast<permit_waiter*>(waiting_.take())) {
      first->refused = true;  // before the decision, after which the record is not ours
      woken.decide(*first);
    }
    word_.fetch_and(~waiters, sync::memory_order_release);
  }
  woken.resume_all();
  return then;
}

}  // namespace greenroom::detail
