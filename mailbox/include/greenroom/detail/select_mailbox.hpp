// SPDX-License-Identifier: Apache-2.0
// An actor's own mailbox as a case of a select.
#pragma once

#include <greenroom/mailbox.hpp>
#include <greenroom/select.hpp>

#include <tuple>
#include <type_traits>
#include <utility>

namespace greenroom::detail {

// select_mailbox.cpp; only the actor itself. Ready: a message waits. Never: closed and empty.
attempt try_mailbox(mailbox_base& box);
// False: there is something to try. `lined`: it must step back. Two cases of one mailbox share what
// the first has set up, for whoever looks finds what there is for both; and where nobody receives,
// messages that wait keep the end from coming, so there is nothing to line up for.
bool line_up_mailbox(mailbox_base& box, const wait_ticket& ticket, std::uint64_t value,
                     bool for_end, bool& lined);
void step_back_mailbox(mailbox_base& box) noexcept;

template <class Box, class... Hs>
class mailbox_case : public select_case {
 public:
  mailbox_case(Box& box, mailbox_base& base, Hs... hs)
      : box_(box), base_(base), handlers_(std::move(hs)...) {
    ops = &operations;
  }
  mailbox_case kept() && { return std::move(*this); }

 private:
  static mailbox_case& of(select_case* c) { return *static_cast<mailbox_case*>(c); }
  static attempt try_now(select_case* c) { return try_mailbox(of(c).base_); }
  static bool enlist(select_case* c, const wait_ticket& ticket, std::uint64_t value) {
    return line_up_mailbox(of(c).base_, ticket, value, false, of(c).lined_);
  }
  static void withdraw(select_case* c) noexcept {
    if (of(c).lined_) step_back_mailbox(of(c).base_);
  }
  // False: it was a request whose asker has given up.
  static bool run(select_case* c) {
    mailbox_case& me = of(c);
    return std::apply([&](Hs&... hs) { return me.box_.try_receive(hs...) == received::message; },
                      me.handlers_);
  }
  static constexpr select_ops operations{try_now, enlist, withdraw, try_now, nullptr, run};

  Box& box_;
  mailbox_base& base_;
  bool lined_ = false;
  std::tuple<Hs...> handlers_;
};

// The mailbox is closed and empty.
template <class F>
class mailbox_end_case : public select_case {
 public:
  mailbox_end_case(mailbox_base& base, F f) : base_(base), f_(std::move(f)) { ops = &operations; }
  mailbox_end_case kept() && { return std::move(*this); }

 private:
  static mailbox_end_case& of(select_case* c) { return *static_cast<mailbox_end_case*>(c); }
  static attempt try_now(select_case* c) {
    return try_mailbox(of(c).base_) == attempt::never ? attempt::happened : attempt::not_now;
  }
  static bool enlist(select_case* c, const wait_ticket& ticket, std::uint64_t value) {
    return line_up_mailbox(of(c).base_, ticket, value, true, of(c).lined_);
  }
  static void withdraw(select_case* c) noexcept {
    if (of(c).lined_) step_back_mailbox(of(c).base_);
  }
  static bool run(select_case* c) {
    c->is_over = true;  // a set tells it once
    of(c).f_();
    return true;
  }
  static constexpr select_ops operations{try_now, enlist, withdraw, try_now, nullptr, run};

  mailbox_base& base_;
  bool lined_ = false;
  F f_;
};

}  // namespace greenroom::detail

namespace greenroom {

template <class... Ms>
template <class... Hs>
auto mailbox<Ms...>::on(Hs&&... handlers) {
  if constexpr (detail::for_messages<Ms...>::template check<std::decay_t<Hs>...>())
    return detail::mailbox_case<mailbox, std::decay_t<Hs>...>(*this, *this,
                                                              std::forward<Hs>(handlers)...);
  else
    return detail::mistaken_case();
}
template <class... Ms>
template <class F>
auto mailbox<Ms...>::on_end(F&& f) {
  return detail::mailbox_end_case<std::decay_t<F>>(*this, std::forward<F>(f));
}

}  // namespace greenroom
