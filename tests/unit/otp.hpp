// SPDX-License-Identifier: Apache-2.0
// What the tests that mirror OTP's supervisor documentation share: children that end as they are
// told to, and a diary in which each start (`+a`) and end (`-a`) of one stands.
#pragma once

#include "unit_test.hpp"

#include <greenroom/detail/keeper.hpp>

#include <algorithm>
#include <stdexcept>
#include <string>

namespace otp {

class diary {
 public:
  void add(char what, char who) {
    const gr::detail::spin_guard guard(lock_);
    text_ += what;
    text_ += who;
  }
  [[nodiscard]] std::string text() const {
    const gr::detail::spin_guard guard(lock_);
    return text_;
  }
  // How often that one was started.
  [[nodiscard]] int lives(char who) const {
    const std::string all = text();
    int n = 0;
    for (std::size_t i = 0; i + 1 < all.size(); i += 2)
      n += all[i] == '+' && all[i + 1] == who ? 1 : 0;
    return n;
  }

 private:
  mutable gr::detail::spin_lock lock_;
  std::string text_;
};

struct leave {
  gr::exit_kind how = gr::exit_kind::failed;
};
struct which_life {
  using reply = int;
};

// Stands in the diary from its construction to its destruction.
class entry {
 public:
  entry(diary* d, char who) : diary_(d), who_(who) { diary_->add('+', who_); }
  entry(const entry&) = delete;
  entry& operator=(const entry&) = delete;
  ~entry() { diary_->add('-', who_); }
  [[nodiscard]] int life() const { return diary_->lives(who_); }

 private:
  diary* diary_;
  char who_;
};

struct part {
  using messages = gr::messages<leave, which_life>;
  part(diary* d, char who) : mine(d, who), life(mine.life()) {}
  void on(leave m) {
    switch (m.how) {
      case gr::exit_kind::normal:
        throw gr::detail::ended_with{m.how};  // as a function that returns
      case gr::exit_kind::linked: {
        auto other = gr::spawn([](gr::mailbox<which_life>&) { throw std::runtime_error("other"); });
        gr::link(other);
        return;
      }
      default: throw std::runtime_error("told to");
    }
  }
  int on(which_life) { return life; }

  entry mine;
  int life;
};
using part_address = gr::address<leave, which_life>;

inline void end_it(const part_address& a, gr::exit_kind how) {
  if (how == gr::exit_kind::stopped)
    gr::stop(a);
  else if (how == gr::exit_kind::killed)
    gr::kill(a);
  else
    a.send(leave{how});
}

inline int life_of(const part_address& a) {
  const auto life = a.ask(which_life{}, unit::long_time);
  return life ? *life : -1;
}

inline bool is_closed(const part_address& a) {
  const auto life = a.ask(which_life{}, unit::long_time);
  return !life && life.error() == gr::error::closed;
}

// False: it did not become true for so long that it never will.
template <class Condition>
bool soon(Condition&& holds) {
  const gr::time_point end = gr::now() + unit::long_time;
  while (!holds()) {
    if (gr::now() > end) return false;
    gr::yield();
  }
  return true;
}

inline constexpr gr::exit_kind all_ends[] = {gr::exit_kind::normal, gr::exit_kind::stopped,
                                             gr::exit_kind::killed, gr::exit_kind::failed,
                                             gr::exit_kind::linked};

inline bool is_restarted(gr::restarts when, gr::exit_kind how) {
  return when == gr::permanent || (when == gr::transient && how > gr::exit_kind::stopped);
}

}  // namespace otp
