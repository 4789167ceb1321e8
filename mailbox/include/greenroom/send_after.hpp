// SPDX-License-Identifier: Apache-2.0
// Messages to come: once after a time, or again and again. They hold the actor weakly, have room
// of their own in its mailbox (never dropped for a full one), and keep no order with other sends.
#pragma once

#include <greenroom/address.hpp>

#include <utility>

namespace greenroom {

namespace detail {

struct delayed;
delayed* start_delayed(cell* to, node* n, std::uint32_t tag, time_point when, duration period,
                       node* (*copy)(const node*));
void add_delayed(delayed* d) noexcept;
void drop_delayed(delayed* d) noexcept;
bool cancel_delayed(delayed* d) noexcept;

template <class M>
node* copy_node(const node* n) {
  return make_node(M(*body_of<M>(const_cast<node*>(n))));
}

}  // namespace detail

// Cancels a message to come. Dropping it cancels nothing.
class timer_handle {
 public:
  timer_handle() noexcept = default;
  explicit timer_handle(detail::delayed* d) noexcept : what_(d) {}
  timer_handle(const timer_handle& other) noexcept : what_(other.what_) {
    if (what_ != nullptr) detail::add_delayed(what_);
  }
  timer_handle(timer_handle&& other) noexcept : what_(std::exchange(other.what_, nullptr)) {}
  timer_handle& operator=(timer_handle other) noexcept {
    std::swap(what_, other.what_);
    return *this;
  }
  ~timer_handle() {
    if (what_ != nullptr) detail::drop_delayed(what_);
  }
  // True: it will not be sent (again). False: it was, or is just now. Any thread; never parks.
  bool cancel() noexcept { return what_ != nullptr && detail::cancel_delayed(what_); }

 private:
  detail::delayed* what_ = nullptr;
};

// Sends the message once, at that time. Any thread; never parks. An empty handle: the actor has
// ended, or memory is out.
template <class... Ms, class M>
  requires detail::one_of<M, Ms...>
timer_handle send_at(time_point when, const address<Ms...>& to, M message) {
  static_assert(detail::check_posted<M>());
  if (!to) return {};
  detail::node* n = detail::make_node(std::move(message));
  if (n == nullptr) return {};
  return timer_handle(detail::start_delayed(detail::access::cell_of(to), n,
                                            detail::access::tag_in<M>(to), when, duration::zero(),
                                            nullptr));
}
template <class... Ms, class M>
  requires detail::one_of<M, Ms...>
timer_handle send_after(duration d, const address<Ms...>& to, M message) {
  return send_at(deadline_after(d), to, std::move(message));
}
// Sends a copy every `period` (at least 1 ms), first after one, until cancelled or the actor has
// ended. When the program lags, beats are skipped, not sent in a burst.
template <class... Ms, class M>
  requires detail::one_of<M, Ms...>
timer_handle send_every(duration period, const address<Ms...>& to, M message) {
  static_assert(detail::check_posted<M>());
  static_assert(std::is_copy_constructible_v<M>,
                "greenroom: a message sent at intervals is copied each time");
  if (!to) return {};
  detail::node* n = detail::make_node(std::move(message));
  if (n == nullptr) return {};
  return timer_handle(detail::start_delayed(
      detail::access::cell_of(to), n, detail::access::tag_in<M>(to), deadline_after(period),
      period < std::chrono::milliseconds(1) ? std::chrono::milliseconds(1) : period,
      &detail::copy_node<M>));
}

// Mistakes, refused at the user's own line; the sentence is seen because it stands on these.
// clang-format off
template <class... Ms, class M>
timer_handle send_at(  // greenroom: this address does not accept this message
    time_point, const address<Ms...>&, M) = delete;
template <class... Ms, class M>
timer_handle send_after(  // greenroom: this address does not accept this message
    duration, const address<Ms...>&, M) = delete;
template <class... Ms, class M>
timer_handle send_every(  // greenroom: this address does not accept this message
    duration, const address<Ms...>&, M) = delete;
// clang-format on

}  // namespace greenroom
