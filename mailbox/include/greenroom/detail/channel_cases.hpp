// SPDX-License-Identifier: Apache-2.0
// Cases of a select on a channel's ends.
#pragma once

#include <greenroom/channel.hpp>
#include <greenroom/select.hpp>

#include <new>
#include <type_traits>
#include <utility>

namespace greenroom::detail {

bool channel_may_take(channel_core* c) noexcept;  // channel.cpp

template <class T, class F>
class receive_case : public select_case {
 public:
  receive_case(receiver<T> from, channel_core* c, F f)
      : from_(std::move(from)), core_(c), f_(std::move(f)) {
    ops = &operations;
  }
  // REQUIRES: it stands in no line.
  receive_case(receive_case&& other) noexcept
      : select_case(other),
        from_(std::move(other.from_)),
        core_(other.core_),
        f_(std::move(other.f_)) {}
  ~receive_case() {
    if (has_) value_word<T>::discard(waiter_.word);
  }
  // One that may outlive the caller's receiver.
  receive_case kept() && {
    return {channel_access::shared<receiver<T>>(core_), core_, std::move(f_)};
  }

 private:
  static receive_case& of(select_case* c) { return *static_cast<receive_case*>(c); }
  static attempt got(receive_case& me, flow how) {
    me.has_ = how == flow::done;
    if (me.has_) return attempt::happened;
    return how == flow::closed ? attempt::never : attempt::not_now;
  }
  static attempt try_now(select_case* c) {
    receive_case& me = of(c);
    if (me.core_ == nullptr) return attempt::never;
    return got(me, channel_try_receive(me.core_, me.waiter_.word));
  }
  static bool enlist(select_case* c, const wait_ticket& ticket, std::uint64_t value) {
    channel_waiter& w = of(c).waiter_;
    w.ticket = ticket;
    w.value = value;
    w.how = flow::not_now;
    return channel_line_up(of(c).core_, w, false);
  }
  static void withdraw(select_case* c) noexcept {
    channel_step_back(of(c).core_, of(c).waiter_, false);
  }
  static attempt complete(select_case* c) { return got(of(c), of(c).waiter_.how); }
  static bool run(select_case* c) {
    of(c).has_ = false;
    of(c).f_(value_word<T>::unwrap(of(c).waiter_.word));
    return true;
  }
  static constexpr select_ops operations{try_now, enlist, withdraw, complete, nullptr, run};

  receiver<T> from_;  // kept by sets; else empty, since the caller's lives longer
  channel_core* core_;
  channel_waiter waiter_;
  bool has_ = false;
  F f_;
};

// What a case gives away, in the form in which the core hands it over. Held: `T&&` (the caller's
// object, moved from when it is packed, and moved back if it was not taken), `const T&` (copied),
// or `T`. Not of the case's function, so that cases with different ones may share an object.
template <class T, class Held>
class send_value : public select_case {
 public:
  static constexpr bool refers = !std::is_same_v<Held, T>;
  static constexpr bool moves = !std::is_same_v<Held, const T&>;

  explicit send_value(Held value) : value_(static_cast<Held&&>(value)) {
    if constexpr (refers && moves && !value_word<T>::is_small) {
      gives = __builtin_addressof(value_);
      gives_kind = &kind_mark;
    }
  }
  // REQUIRES: it stands in no line, and nothing is packed.
  send_value(send_value&& other) noexcept
      : select_case(other), value_(static_cast<Held&&>(other.value_)) {}
  ~send_value() { give_back(); }

 protected:
  // Whose value it is (X6).
  send_value& holder() noexcept {
    return twin == nullptr ? *this : *static_cast<send_value*>(twin);
  }
  [[nodiscard]] bool is_packed() noexcept { return holder().has_; }
  [[nodiscard]] std::uint64_t word() noexcept { return holder().word_; }
  void was_taken() noexcept { holder().has_ = false; }
  // False: no memory. A copy may throw.
  bool pack() {
    send_value& mine = holder();
    if (mine.has_) return true;
    if constexpr (moves) {
      value_word<T> word(std::move(mine.value_));
      return mine.keep(word);
    } else {
      T copy(mine.value_);
      value_word<T> word(std::move(copy));
      return mine.keep(word);
    }
  }
  void give_back() noexcept {
    if (!has_) return;
    has_ = false;
    if constexpr (moves) {
      T* at = __builtin_addressof(value_);
      at->~T();
      ::new (static_cast<void*>(at)) T(value_word<T>::unwrap(word_));
    } else {
      value_word<T>::discard(word_);
    }
  }

  Held value_;

 private:
  static constexpr char kind_mark = 0;
  bool keep(value_word<T>& word) noexcept {
    has_ = static_cast<bool>(word);
    word_ = word.get();
    word.release();
    return has_;
  }

  std::uint64_t word_ = 0;
  bool has_ = false;
};

template <class T, class Held, class F>
class send_case : public send_value<T, Held> {
  using base = send_value<T, Held>;

 public:
  send_case(sender<T> to, channel_core* c, Held value, F f)
      : base(static_cast<Held&&>(value)), to_(std::move(to)), core_(c), f_(std::move(f)) {
    this->ops = &operations;
  }
  send_case(send_case&& other) noexcept
      : base(std::move(other)),
        to_(std::move(other.to_)),
        core_(other.core_),
        f_(std::move(other.f_)) {}
  // One that may outlive the caller's sender and value.
  send_case<T, T, F> kept() && {
    return {channel_access::shared<sender<T>>(core_), core_, T(static_cast<Held&&>(this->value_)),
            std::move(f_)};
  }

 private:
  static send_case& of(select_case* c) { return *static_cast<send_case*>(c); }

  attempt gave(flow how) {
    if (how == flow::done) this->was_taken();
    if (how == flow::done) return attempt::happened;
    return how == flow::closed ? attempt::never : attempt::not_now;
  }
  static attempt try_now(select_case* c) {
    send_case& me = of(c);
    if (me.core_ == nullptr || channel_closed_for_senders(me.core_)) return attempt::never;
    // Not moved to and fro for nothing; but a copy may throw, so it is made before any line.
    if (base::moves && !me.is_packed() && !channel_may_take(me.core_)) return attempt::not_now;
    if (!me.pack()) throw std::bad_alloc();
    return me.gave(channel_try_send(me.core_, me.word()));
  }
  static bool enlist(select_case* c, const wait_ticket& ticket, std::uint64_t value) {
    send_case& me = of(c);
    if constexpr (base::moves)
      if (!me.pack()) return false;  // the next try says so
    me.waiter_.word = me.word();
    me.waiter_.ticket = ticket;
    me.waiter_.value = value;
    me.waiter_.how = flow::not_now;
    return channel_line_up(me.core_, me.waiter_, true);
  }
  static void withdraw(select_case* c) noexcept {
    channel_step_back(of(c).core_, of(c).waiter_, true);
  }
  static attempt complete(select_case* c) { return of(c).gave(of(c).waiter_.how); }
  static void settle(select_case* c) noexcept { of(c).give_back(); }
  static bool run(select_case* c) {
    if constexpr (!base::refers) c->is_over = true;  // what a set owns is sent once
    of(c).f_();
    return true;
  }
  static constexpr select_ops operations{try_now, enlist, withdraw, complete, settle, run};

  sender<T> to_;  // kept by sets; else empty, since the caller's lives longer
  channel_core* core_;
  channel_waiter waiter_;
  F f_;
};

// The end of a channel, seen from a sender (no receiver is left) or a receiver (no sender is left,
// nor a value).
template <class End, class F>
class end_case : public select_case {
  template <class T>
  static constexpr bool sends(const sender<T>*) {
    return true;
  }
  template <class T>
  static constexpr bool sends(const receiver<T>*) {
    return false;
  }
  static constexpr bool is_sender = sends(static_cast<const End*>(nullptr));

 public:
  end_case(End end, channel_core* c, F f) : end_(std::move(end)), core_(c), f_(std::move(f)) {
    ops = &operations;
  }
  end_case(end_case&& other) noexcept
      : select_case(other),
        end_(std::move(other.end_)),
        core_(other.core_),
        f_(std::move(other.f_)) {}
  end_case kept() && { return {channel_access::shared<End>(core_), core_, std::move(f_)}; }

 private:
  static end_case& of(select_case* c) { return *static_cast<end_case*>(c); }
  static attempt try_now(select_case* c) {
    channel_core* core = of(c).core_;
    if (core == nullptr) return attempt::never;
    return (is_sender ? channel_closed_for_senders(core) : channel_drained(core))
               ? attempt::happened
               : attempt::not_now;
  }
  static bool enlist(select_case* c, const wait_ticket& ticket, std::uint64_t value) {
    channel_waiter& w = of(c).waiter_;
    w.ticket = ticket;
    w.value = value;
    return channel_line_up_for_end(of(c).core_, w, is_sender);
  }
  static void withdraw(select_case* c) noexcept {
    channel_step_back_from_end(of(c).core_, of(c).waiter_);
  }
  static bool run(select_case* c) {
    c->is_over = true;  // a set tells it once
    of(c).f_();
    return true;
  }
  static constexpr select_ops operations{try_now, enlist, withdraw, try_now, nullptr, run};

  End end_;
  channel_core* core_;
  channel_waiter waiter_;
  F f_;
};

}  // namespace greenroom::detail

namespace greenroom {

template <class T>
template <class V, class F>
auto sender<T>::on(V&& value, F&& f) const {
  using function = std::decay_t<F>;
  constexpr bool is_value = std::is_same_v<std::remove_cvref_t<V>, T>;
  constexpr bool fits = is_value ? std::is_constructible_v<T, V&&> : std::is_convertible_v<V, T>;
  static_assert(fits || is_value, "greenroom: this channel carries values of another type");
  static_assert(
      fits || !is_value,
      "greenroom: this value cannot be copied: tx.on(std::move(value), ...) gives it away");
  static_assert(std::is_invocable_v<function&>,
                "greenroom: the function of a case that sends takes no argument");
  // A value of another type is converted here, and the case owns it.
  if constexpr (!fits || !std::is_invocable_v<function&>)
    return detail::mistaken_case();
  else if constexpr (std::is_same_v<V, T>)
    return detail::send_case<T, T&&, function>({}, core_, std::move(value), std::forward<F>(f));
  else if constexpr (std::is_same_v<std::remove_cvref_t<V>, T>)
    return detail::send_case<T, const T&, function>({}, core_, value, std::forward<F>(f));
  else
    return detail::send_case<T, T, function>({}, core_, T(std::forward<V>(value)),
                                             std::forward<F>(f));
}
template <class T>
template <class F>
auto sender<T>::on_end(F&& f) const {
  if constexpr (detail::takes_nothing<F>())
    return detail::end_case<sender<T>, std::decay_t<F>>({}, core_, std::forward<F>(f));
  else
    return detail::mistaken_case();
}
template <class T>
template <class F>
auto receiver<T>::on(F&& f) const {
  using function = std::decay_t<F>;
  static_assert(std::is_invocable_v<function&, T>,
                "greenroom: the function of a case that receives takes the channel's value");
  if constexpr (std::is_invocable_v<function&, T>)
    return detail::receive_case<T, function>({}, core_, std::forward<F>(f));
  else
    return detail::mistaken_case();
}
template <class T>
template <class F>
auto receiver<T>::on_end(F&& f) const {
  if constexpr (detail::takes_nothing<F>())
    return detail::end_case<receiver<T>, std::decay_t<F>>({}, core_, std::forward<F>(f));
  else
    return detail::mistaken_case();
}

}  // namespace greenroom
