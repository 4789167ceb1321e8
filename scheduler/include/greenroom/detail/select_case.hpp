// SPDX-License-Identifier: Apache-2.0
// What a select knows of one of its cases, and what a source of cases (a channel, a mailbox, a
// stream, a timer) must be able to do. The select itself is in mailbox/select.cpp.
//
// A source may do one of two things for a case that stands in line:
// - do it on the waiter's behalf, deciding its wait by the ticket and value it was given (a channel
//   hands a value over); then `complete` says that it has happened;
// - or merely say that a look is worth while, by the same means (a mailbox has a message); then
//   `complete` makes that look, and the select goes on waiting if it was in vain.
// Exactly one case of a select is decided, since its ticket can be decided once (S2).
#pragma once

#include <greenroom/clock.hpp>
#include <greenroom/park.hpp>

#include <cstddef>
#include <cstdint>

namespace greenroom::detail {

struct select_case;

enum class attempt : std::uint8_t {
  happened,  // the case is the one
  not_now,
  never,  // nor at any later time: its source has ended, or there is none
};

struct select_ops {
  // One try, without a wait. May throw; no case stands in line then.
  attempt (*try_now)(select_case*);
  // Stands in line, to be decided with try_claim(ticket, value) or wake(ticket, value). False: it
  // does not stand in line, since there is something to try now.
  bool (*enlist)(select_case*, const wait_ticket& ticket, std::uint64_t value);
  // Leaves the line. Called once for each enlist() that returned true, also for the case that the
  // wait was decided with.
  void (*withdraw)(select_case*) noexcept;
  // The wait was decided with this case's value, and it has left the line.
  attempt (*complete)(select_case*);
  // The select is over, and this case has happened or has not: what it would have given away is its
  // owner's again. Null: there is nothing.
  void (*settle)(select_case*) noexcept;
  // The user's function, when all other cases have left their lines. False: it turned out that
  // there was nothing to run it on; the select begins anew.
  bool (*run)(select_case*);
};

struct select_case {
  enum class kind : std::uint8_t { source, timer, otherwise };

  const select_ops* ops = nullptr;
  // A timer: when it goes off; it needs nothing but `run`. A source: when it is to be tried again
  // at the latest, as its last try left it; from then on it must not say not_now.
  time_point due = never;
  kind is = kind::source;
  bool is_over = false;      // the select's own note: it cannot happen any more
  bool only_bounds = false;  // ends the wait for others, and is none of what it waits for
  // What it gives away if it is the one, and of which kind that is: of several cases that name one
  // object the first packs it, and the others (`twin` leads to the first) give away what it packed.
  const void* gives = nullptr;
  const void* gives_kind = nullptr;
  select_case* twin = nullptr;
  bool in_line = false;  // the select's own note
};

// What a case's value says to park()'s caller. Above the outcomes, below any payload's address:
// at most cases_max cases.
inline constexpr std::size_t cases_max = 1u << 20;
inline constexpr std::uint64_t value_of_case(std::size_t i) noexcept {
  return (std::uint64_t{i} + 256) << 4;
}
inline constexpr bool is_case(std::uint64_t value) noexcept { return value >= value_of_case(0); }
inline constexpr std::size_t case_of(std::uint64_t value) noexcept {
  return static_cast<std::size_t>(value >> 4) - 256;
}

// Waits until one of the cases has happened and runs its function; true. False: none can ever
// happen (any more). `in_order`: the first that is ready, not any of those that are. `order` is
// scratch memory for n numbers. Parks; throws `cancelled`, and what the function throws.
bool select(select_case* const* cases, std::uint32_t* order, std::size_t n, bool in_order);

}  // namespace greenroom::detail
