// SPDX-License-Identifier: Apache-2.0
// The cases of a set. While a case's function runs it may change the set: what is removed then is
// destroyed when the wait is over, and what is added takes part in the next.
#include <greenroom/select_set.hpp>

#include <algorithm>
#include <stdexcept>
#include <vector>

namespace greenroom {

struct select_set::state {
  struct owned {
    detail::select_case* what;
    void (*destroy)(detail::select_case*);
    std::uint64_t number;
  };

  std::vector<owned> all;
  // Scratch of the wait under way: its cases, with room for one more that bounds it.
  std::vector<detail::select_case*> cases;
  std::vector<std::uint32_t> order;
  std::uint64_t last_number = 0;
  bool is_busy = false;

  // Without memory of its own, and one at a time: destructors are the user's, and may look at the
  // set.
  void forget_ended() noexcept {
    for (std::size_t i = 0; i < all.size();) {
      const owned o = all[i];
      if (!o.what->is_over) {
        ++i;
        continue;
      }
      all.erase(all.begin() + static_cast<std::ptrdiff_t>(i));
      o.destroy(o.what);
    }
  }
};

namespace {

// Ends a bounded wait.
struct limit_case : detail::select_case {
  bool went_off = false;

  explicit limit_case(time_point when) {
    ops = &operations;
    due = when;
    is = when == time_point::min() ? kind::otherwise : kind::timer;
    is_over = when == never;
    only_bounds = true;
  }
  static bool run(detail::select_case* c) {
    static_cast<limit_case*>(c)->went_off = true;
    return true;
  }
  static constexpr detail::select_ops operations{nullptr, nullptr, nullptr, nullptr, nullptr, run};
};

}  // namespace

select_set::~select_set() {
  if (state_ == nullptr) return;
  if (state_->is_busy)
    detail::fatal("a select_set was destroyed by a function of one of its cases");
  for (const state::owned& o : state_->all) o.destroy(o.what);
  delete state_;
}

std::uint64_t select_set::own(detail::select_case* c, void (*destroy)(detail::select_case*)) {
  try {
    if (state_ == nullptr) state_ = new state;
    if (state_->all.size() + 1 >= detail::cases_max)
      throw std::length_error("greenroom: a select_set holds a million cases at most");
    state_->all.push_back({c, destroy, state_->last_number + 1});
  } catch (...) {
    destroy(c);
    throw;
  }
  return ++state_->last_number;
}

bool select_set::remove(std::uint64_t number) {
  if (state_ == nullptr) return false;
  for (state::owned& o : state_->all)
    if (o.number == number && !o.what->is_over) {
      o.what->is_over = true;
      if (!state_->is_busy) state_->forget_ended();
      return true;
    }
  return false;
}

std::size_t select_set::size() const noexcept {
  if (state_ == nullptr) return 0;
  return static_cast<std::size_t>(
      std::count_if(state_->all.begin(), state_->all.end(),
                    [](const state::owned& o) { return !o.what->is_over; }));
}

selected select_set::try_now() { return until(time_point::min()); }

selected select_set::until(time_point deadline) {
  if (state_ == nullptr) return selected::ended;
  state& s = *state_;
  if (s.is_busy)
    throw std::logic_error(
        "greenroom: a select_set is waited for already, by one of its functions or another thread");
  limit_case limit(deadline);
  s.cases.clear();
  for (const state::owned& o : s.all) s.cases.push_back(o.what);
  s.cases.push_back(&limit);
  s.order.resize(s.cases.size());
  struct busy {
    state& s;
    explicit busy(state& which) : s(which) { s.is_busy = true; }
    ~busy() {
      s.is_busy = false;
      s.forget_ended();
    }
  };
  bool happened = false;
  {
    const busy now(s);
    happened = detail::select(s.cases.data(), s.order.data(), s.cases.size(), in_order_);
  }
  if (happened && !limit.went_off) return selected::happened;
  return s.all.empty() ? selected::ended : selected::nothing;
}

}  // namespace greenroom
