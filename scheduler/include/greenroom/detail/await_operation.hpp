// SPDX-License-Identifier: Apache-2.0
// One asynchronous operation that a green (or OS) thread waits for: the part of
// <greenroom/asio.hpp> and <greenroom/pending.hpp> that needs no template.
//
// The object lives on the waiter's stack, and so may the operation's buffers: wait() and finish()
// return only when nobody else holds the object (A1). Its holders are the completion handler and
// the requests posted to the operation's executor that ask it to end. Each calls release() once, as
// the last thing it does with the object. One thread at a time waits.
#pragma once

#include <greenroom/clock.hpp>
#include <greenroom/detail/guest_loop.hpp>
#include <greenroom/detail/spin_lock.hpp>
#include <greenroom/park.hpp>

#include <cstdint>

namespace greenroom::detail {

enum class await_end { completed, timeout, cancelled };

class await_operation {
 public:
  // `guest`: the loop that must be polled for the operation to complete; null when others run it.
  explicit await_operation(guest_loop* guest) noexcept;
  ~await_operation() = default;
  await_operation(const await_operation&) = delete;
  await_operation& operator=(const await_operation&) = delete;

  // The handler has run, or was destroyed without running; the request has run. Any thread.
  void release() noexcept;

  // Waits until the handler ran (A1). If the deadline passes or a cancel comes first, calls
  // `request_cancel(argument)`, which must see to it that release() is called once more, and says
  // so. Never throws.
  await_end wait(time_point deadline, void (*request_cancel)(void*), void* argument);

  // Asks the operation to end, as wait() does, but does not wait for that; nothing if it is over.
  // Any thread for which the object lives.
  void request(void (*request_cancel)(void*), void* argument);
  // Waits until nobody holds the object, whatever comes. Never throws.
  void finish();

  // Nobody holds the object: the handler's result may be taken. Any thread.
  [[nodiscard]] bool is_over() noexcept;
  // As one of several things that a wait is for. False: it is over.
  bool line_up(wait_ticket ticket, std::uint64_t value) noexcept;
  void step_back() noexcept;

 private:
  bool leave_ticket(wait_ticket ticket);
  void check_may_wait() const;

  guest_loop* guest_;
  spin_lock lock_;
  int holders_ GREENROOM_GUARDED_BY(lock_) = 1;
  wait_ticket waiter_ GREENROOM_GUARDED_BY(lock_);
  std::uint64_t value_ GREENROOM_GUARDED_BY(lock_) = outcome_woken;
};

}  // namespace greenroom::detail
