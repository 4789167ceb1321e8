// SPDX-License-Identifier: Apache-2.0
// Circles of waits: who waits for whom, as everybody's wait tells it, and what becomes of those
// that lead back. Used by whoever makes a wait that may be an edge: asks, sends, joins, locks.
//
// How: announce the wait with wait_on(), make it so that it can be decided (stand in line, put the
// request in), a full fence, then may_close(target); if so, closes_circle().
#pragma once

#include "cold.hpp"

#include <string>

namespace greenroom {
class mutex;
}

namespace greenroom::detail {

// Who may wait: an actor or green thread, or the record of an OS thread.
struct party {
  std::uintptr_t bits = 0;

  [[nodiscard]] bool is_cell() const noexcept { return bits != 0 && (bits & 1) == 0; }
  [[nodiscard]] cell* as_cell() const noexcept {
    return is_cell() ? reinterpret_cast<cell*>(bits) : nullptr;
  }
  [[nodiscard]] fiber* as_os_thread() const noexcept {
    return (bits & 1) == 0 ? nullptr : reinterpret_cast<fiber*>(bits - 1);
  }
  explicit operator bool() const noexcept { return bits != 0; }
  friend bool operator==(party, party) noexcept = default;
};
inline party party_of(const cell* c) noexcept { return {reinterpret_cast<std::uintptr_t>(c)}; }
party calling_party() noexcept;

// After a locked step of the caller's (a push): it is a full fence already on x86-64.
inline void fence_after_step() noexcept {
#if defined(__x86_64__) && !defined(GREENROOM_TSAN)
  sync::fence_light();
#else
  sync::fence_seq_cst();
#endif
}

// A cheap look: does the party wait for somebody, too?
inline bool may_close(party target) noexcept {
  const fiber* f = target.as_os_thread();
  // acquire: pairs with its begin_wait.
  if (const cell* c = target.as_cell()) f = c->parked.load(sync::memory_order_acquire);
  return GREENROOM_UNLIKELY(f != nullptr && wait_word_of(f) != 0);
}

// The caller has announced the wait `mine`, and not parked. True: it would close a circle; the wait
// has been taken back, must not be parked, and the caller fails with the text. Where an ask is
// among the others, that is failed instead, and the caller's wait goes on.
bool closes_circle(const wait_ticket& mine, std::string& text);

// ---- mutexes, which are no cells: one may be gone as soon as nobody waits for it

// Whoever has waited for a mutex and told so calls this before it goes on: nobody reads the mutex
// on its behalf any more.
void let_lookers_pass() noexcept;
// Who holds the mutex that `who` waits for on `f`, with this wait; none: that wait is over.
party holder_of(const fiber* f, const task* who, const told_wait& wait) noexcept;
// mutex.cpp: under its lock.
party holder_of(mutex& m) noexcept;

// ask.cpp: the outcome that stands for an error; 0: no memory for its text.
std::uint64_t as_outcome(const error& why);
void drop_outcome(std::uint64_t value) noexcept;

}  // namespace greenroom::detail
