// SPDX-License-Identifier: Apache-2.0
// Select: of several cases exactly one happens.
//
// - X1 All cases share one ticket, each with a value of its own, so one of them decides the wait
// and
//   the rest cannot (S2). A timer is the wait's deadline.
// - X2 Before the chosen case's function runs, every case has left its line: nothing refers to the
//   waiting stack, and what a losing case would have given away is its owner's again.
// - X6 An object that several cases would give away is packed once; who is chosen gives it.
// - X3 A case that was told to look and found nothing changes nothing: the wait begins anew.
// Fair: the cases are tried in an order drawn at random, so among those that are ready each is as
// likely; only as much of the order is drawn as is needed (Fisher and Yates, step by step).
#include <greenroom/detail/scheduler_access.hpp>
#include <greenroom/detail/select_case.hpp>

#include <stdexcept>
#include <utility>

namespace greenroom::detail {

namespace {

constexpr wait_reason selecting{"select"};
constexpr std::size_t nobody = SIZE_MAX;

class one_select {
 public:
  one_select(select_case* const* cases, std::uint32_t* order, std::size_t n, bool in_order)
      : cases_(cases), order_(order), n_(n), in_order_(in_order) {
    for (std::size_t i = 0; i < n; ++i)
      if (cases[i]->is == select_case::kind::otherwise) otherwise_ = i;
  }

  // The case that has happened; or nobody, if none ever can.
  std::size_t choose() {
    for (;;) {
      std::size_t chosen = try_all();
      if (chosen != nobody || over_ == n_) return chosen;
      if (GREENROOM_UNLIKELY(forked())) return nobody;  // nobody lives here to wake it
      chosen = wait();
      if (chosen != nobody || gave_up_) return chosen;
    }
  }

  void settle() noexcept {
    for (std::size_t i = 0; i < n_; ++i)
      if (is_source(cases_[i]) && cases_[i]->ops->settle != nullptr)
        cases_[i]->ops->settle(cases_[i]);
  }

 private:
  static bool is_source(const select_case* c) { return c->is == select_case::kind::source; }

  attempt note(std::size_t i, attempt how) {
    if (how == attempt::never) cases_[i]->is_over = true;
    return how;
  }

  // The i-th case to be tried: the order is drawn as far as it is asked for.
  std::size_t drawn(std::size_t i, std::uint32_t& random) {
    if (in_order_) return i;
    random = random * 1664525u + 1013904223u;
    const std::size_t k = i + ((std::uint64_t{random} * (n_ - i)) >> 32);
    std::swap(order_[i], order_[k]);
    return order_[i];
  }

  std::size_t try_all() {
    over_ = 0;
    due_ = never;
    std::uint32_t random = in_order_ ? 0 : random_seed();
    if (!in_order_)
      for (std::size_t i = 0; i < n_; ++i) order_[i] = static_cast<std::uint32_t>(i);
    for (std::size_t i = 0; i < n_; ++i) {
      const std::size_t k = drawn(i, random);
      select_case* c = cases_[k];
      if (c->only_bounds) ++over_;
      if (c->is_over) {
        if (!c->only_bounds) ++over_;
      } else if (is_source(c)) {
        const attempt how = note(k, c->ops->try_now(c));
        if (how == attempt::happened) return k;
        if (how == attempt::never)
          ++over_;
        else
          bound_by(k);
      } else if (c->is == select_case::kind::timer) {
        // In its turn, like the others: a channel that always has values must not keep it waiting.
        if (!c->only_bounds && c->due != never && now() >= c->due) return k;
        if (!c->only_bounds && c->due == never) ++over_;
        bound_by(k);
      }
    }
    if (over_ == n_) return nobody;
    if (otherwise_ != nobody) return otherwise_;
    // Timers have no part in a wait that is over already.
    return when_due();
  }

  void bound_by(std::size_t k) {
    if (cases_[k]->due >= due_) return;
    due_ = cases_[k]->due;
    first_due_ = k;
  }

  // The timer that has gone off. A source that is due wants to be looked at, like all the others.
  std::size_t when_due() const {
    if (due_ == never || now() < due_ || is_source(cases_[first_due_])) return nobody;
    return first_due_;
  }

  // Stands in all lines, in the order drawn: of two cases of one channel either may stand first.
  // False: one of them has something to try; those before it were left again.
  bool stand_in_all(const wait_ticket& ticket) {
    for (std::size_t i = 0; i < n_; ++i) {
      const std::size_t k = in_order_ ? i : order_[i];
      select_case* c = cases_[k];
      if (!is_source(c) || c->is_over) continue;
      is_twice_ = c->in_line;
      if (is_twice_) return false;
      c->in_line = c->ops->enlist(c, ticket, value_of_case(k));
      if (!c->in_line) return false;
    }
    return true;
  }

  void leave_all() noexcept {
    for (std::size_t i = 0; i < n_; ++i) {
      select_case* c = cases_[i];
      if (!c->in_line) continue;
      c->in_line = false;
      c->ops->withdraw(c);
    }
  }

  std::size_t wait() {
    const wait_ticket ticket = begin_wait(selecting);
    std::uint64_t outcome = outcome_woken;
    bool decided = true;
    if (stand_in_all(ticket))
      outcome = park(due_);
    else if (!abandon())
      outcome = park();
    else
      decided = false;
    leave_all();
    if (is_twice_ && !decided)
      throw std::logic_error("greenroom: one case stands twice in one select");
    if (!decided) return nobody;
    if (is_case(outcome)) {
      const std::size_t i = case_of(outcome);
      return note(i, cases_[i]->ops->complete(cases_[i])) == attempt::happened ? i : nobody;
    }
    if (outcome == outcome_timeout)
      if (const std::size_t gone_off = when_due(); gone_off != nobody) return gone_off;
    throw_if_cancelled();
    // A wait in clean-up was cut short (cleanup_wait_max).
    gave_up_ = outcome == outcome_timeout && (due_ == never || now() < due_);
    return nobody;
  }

  select_case* const* cases_;
  std::uint32_t* order_;
  std::size_t n_;
  bool in_order_;
  std::size_t otherwise_ = nobody;
  bool gave_up_ = false;
  bool is_twice_ = false;
  std::size_t over_ = 0;  // cases that cannot happen any more
  time_point due_ = never;
  std::size_t first_due_ = nobody;
};

}  // namespace

// X6: an object that several cases would give away is packed once, by the first of them.
static void find_twins(select_case* const* cases, std::size_t n) noexcept {
  for (std::size_t i = 1; i < n; ++i) {
    if (cases[i]->gives == nullptr) continue;
    for (std::size_t k = 0; k < i; ++k)
      if (cases[k] != cases[i] && cases[k]->gives == cases[i]->gives &&
          cases[k]->gives_kind == cases[i]->gives_kind && cases[k]->twin == nullptr) {
        cases[i]->twin = cases[k];
        break;
      }
  }
}

bool select(select_case* const* cases, std::uint32_t* order, std::size_t n, bool in_order) {
  throw_if_cancelled();
  find_twins(cases, n);
  for (;;) {
    one_select now(cases, order, n, in_order);
    const std::size_t chosen = now.choose();
    now.settle();
    if (chosen == nobody) return false;
    if (cases[chosen]->ops->run(cases[chosen])) return true;
  }
}

}  // namespace greenroom::detail
