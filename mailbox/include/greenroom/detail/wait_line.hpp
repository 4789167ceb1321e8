// SPDX-License-Identifier: Apache-2.0
// A line of those who wait for one thing, first come first served. It has no lock of its own: what
// it belongs to has one. Records lie on the waiting stacks; who is decided is taken from the line
// first, so a record is in a line only while its owner cannot go on without leaving it.
#pragma once

#include <greenroom/park.hpp>

#include <cstdint>

namespace greenroom::detail {

struct line_waiter {
  wait_ticket ticket;
  std::uint64_t value = outcome_woken;  // to decide its wait with
  line_waiter* next = nullptr;
  line_waiter* before = nullptr;
  bool linked = false;
};

class wait_line {
 public:
  [[nodiscard]] bool empty() const noexcept { return first_ == nullptr; }
  [[nodiscard]] line_waiter* first() const noexcept { return first_; }

  void add(line_waiter& w) noexcept {
    w.linked = true;
    w.next = nullptr;
    w.before = last_;
    (last_ == nullptr ? first_ : last_->next) = &w;
    last_ = &w;
  }
  void remove(line_waiter& w) noexcept {
    (w.before == nullptr ? first_ : w.before->next) = w.next;
    (w.next == nullptr ? last_ : w.next->before) = w.before;
    w.linked = false;
  }
  line_waiter* take() noexcept {
    line_waiter* w = first_;
    if (w != nullptr) remove(*w);
    return w;
  }

 private:
  line_waiter* first_ = nullptr;
  line_waiter* last_ = nullptr;
};

// Who was decided under a lock and must be made runnable after it: those that stay parked until
// then, linked through their records, which they therefore still own.
class to_resume {
 public:
  // REQUIRES: w is in no line. True: its wait was decided by this call.
  bool decide(line_waiter& w) noexcept {
    switch (try_claim(w.ticket, w.value)) {
      case claim::lost: return false;
      case claim::won: return true;
      case claim::waiting: break;
    }
    w.next = nullptr;
    (last_ == nullptr ? first_ : last_->next) = &w;
    last_ = &w;
    return true;
  }
  void resume_all() noexcept {
    while (line_waiter* w = first_) {
      first_ = w->next;
      resume(wait_ticket(w->ticket));
    }
    last_ = nullptr;
  }

 private:
  line_waiter* first_ = nullptr;
  line_waiter* last_ = nullptr;
};

}  // namespace greenroom::detail
