// SPDX-License-Identifier: Apache-2.0
// One asynchronous operation that a green (or OS) thread waits for: the part of
// <greenroom/asio.hpp> that needs no template.
//
// The object lives on the waiter's stack, and so may the operation's buffers: wait() returns only
// when nobody else holds the object (A1). Its holders are the completion handler and, after a
// deadline or a cancel, the request posted to the operation's executor that asks it to end. Each
// calls release() once, as the last thing it does with the object.
#pragma once

#include <greenroom/clock.hpp>
#include <greenroom/detail/guest_loop.hpp>
#include <greenroom/detail/spin_lock.hpp>
#include <greenroom/park.hpp>

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

 private:
  bool leave_ticket(wait_ticket ticket);

  guest_loop* guest_;
  spin_lock lock_;
  int holders_ GREENROOM_GUARDED_BY(lock_) = 1;
  wait_ticket waiter_ GREENROOM_GUARDED_BY(lock_);
};

}  // namespace greenroom::detail
