// SPDX-License-Identifier: Apache-2.0
// Channels, as in Go: values travel from whoever holds a sender to whoever holds a receiver, in
// order, each to one receiver. The ends are counted values: copy them, move them, send them along.
//
//   auto [tx, rx] = gr::channel<int>(16);    // 0: sender and receiver meet; gr::unbounded
//
// - The channel closes when its last sender goes: receivers get what is left, then error::closed.
//   When its last receiver goes, senders get error::closed and their value back; what was still in
//   the channel is destroyed.
// - Values of one sender arrive in the order it sent them; waiting senders and waiting receivers
//   are served first come, first served.
// - Green threads park, plain OS threads block; all calls may come from anywhere.
// - An end that was moved from, closed or default-constructed is empty: it reports closed, and in a
//   select its case never happens, like Go's nil channel. One object of an end is not to be closed
//   or assigned to while another thread uses that very object; copies are independent.
#pragma once

#include <greenroom/address.hpp>
#include <greenroom/detail/channel_core.hpp>
#include <greenroom/detail/channel_value.hpp>

#include <cstddef>
#include <cstdint>
#include <expected>
#include <utility>

namespace greenroom {

template <class T>
class sender;
template <class T>
class receiver;

namespace detail {

// What a send that did not happen gives back.
template <class T>
std::expected<void, unsent<T>> sent_or_back(status s, value_word<T>& word) {
  if (GREENROOM_LIKELY(s.ok())) {
    word.release();
    return {};
  }
  return std::unexpected(unsent<T>{word.take(), s.error()});
}

inline status status_of(flow how, error::code_type not_now) noexcept {
  switch (how) {
    case flow::done: return {};
    case flow::not_now: return not_now;
    case flow::closed: return error::closed;
    case flow::no_memory: break;
  }
  return error::no_memory;
}

struct channel_access {
  template <class T>
  static std::pair<sender<T>, receiver<T>> make(std::uint32_t capacity);
  // One more end of a channel of which the caller has an end of that kind.
  template <class End>
  static End shared(channel_core* c) noexcept {
    if (c != nullptr) End::add(c);
    return End(c);
  }
};

}  // namespace detail

// The end that sends.
template <class T>
class sender {
 public:
  sender() noexcept = default;
  sender(const sender& other) noexcept : core_(other.core_) {
    if (core_ != nullptr) detail::add_sender(core_);
  }
  sender(sender&& other) noexcept : core_(std::exchange(other.core_, nullptr)) {}
  sender& operator=(sender other) noexcept {
    std::swap(core_, other.core_);
    return *this;
  }
  ~sender() { close(); }

  // Waits until the value is in the channel (capacity 0: until a receiver has it). Parks; throws
  // `cancelled` when that was reported before. Errors, with the value: closed, cancelled, timeout
  // (of a with_deadline), no_memory. A result that is not looked at destroys it.
  std::expected<void, unsent<T>> send(T value) const { return put(std::move(value), never); }
  [[nodiscard]] std::expected<void, unsent<T>> send_until(time_point deadline, T value) const {
    return put(std::move(value), deadline);
  }
  [[nodiscard]] std::expected<void, unsent<T>> send_for(duration d, T value) const {
    return put(std::move(value), deadline_after(d));
  }
  // Never waits. Errors, with the value: full (nobody waits to receive, for capacity 0), closed,
  // no_memory.
  [[nodiscard]] std::expected<void, unsent<T>> try_send(T value) const {
    if (core_ == nullptr) return std::unexpected(unsent<T>{std::move(value), error::closed});
    detail::value_word<T> word(std::move(value));
    if (!word) return std::unexpected(unsent<T>{std::move(value), error::no_memory});
    return detail::sent_or_back<T>(
        detail::status_of(detail::channel_try_send(core_, word.get()), error::full), word);
  }

  // Gives this end up.
  void close() noexcept {
    if (core_ != nullptr) detail::drop_sender(std::exchange(core_, nullptr));
  }
  // Values in the channel now.
  [[nodiscard]] std::size_t size() const noexcept {
    return core_ == nullptr ? 0 : detail::channel_size(core_);
  }
  [[nodiscard]] std::size_t capacity() const noexcept {
    return core_ == nullptr ? 0 : detail::channel_capacity(core_);
  }
  // True when it leads to a channel (whose receivers may be gone).
  explicit operator bool() const noexcept { return core_ != nullptr; }
  bool operator==(const sender& other) const noexcept { return core_ == other.core_; }

  // A case of a select: sends the value, then calls f(). An lvalue is copied, an rvalue is moved
  // from, if the case is the one that happens; else it is left as it was.
  template <class V, class F>
  [[nodiscard]] auto on(V&& value, F&& f) const;
  // A case that happens when no receiver is left.
  template <class F>
  [[nodiscard]] auto on_end(F&& f) const;

 private:
  friend struct detail::channel_access;
  explicit sender(detail::channel_core* c) noexcept : core_(c) {}
  static void add(detail::channel_core* c) noexcept { detail::add_sender(c); }

  std::expected<void, unsent<T>> put(T&& value, time_point deadline) const {
    if (core_ == nullptr) return std::unexpected(unsent<T>{std::move(value), error::closed});
    detail::value_word<T> word(std::move(value));
    if (GREENROOM_UNLIKELY(!word))
      return std::unexpected(unsent<T>{std::move(value), error::no_memory});
    return detail::sent_or_back<T>(detail::channel_send(core_, word.get(), deadline), word);
  }

  detail::channel_core* core_ = nullptr;
};

// The end that receives.
template <class T>
class receiver {
 public:
  receiver() noexcept = default;
  receiver(const receiver& other) noexcept : core_(other.core_) {
    if (core_ != nullptr) detail::add_receiver(core_);
  }
  receiver(receiver&& other) noexcept : core_(std::exchange(other.core_, nullptr)) {}
  receiver& operator=(receiver other) noexcept {
    std::swap(core_, other.core_);
    return *this;
  }
  ~receiver() { close(); }

  // Waits for a value. Parks; throws `cancelled` when that was reported before. Errors: closed (no
  // sender is left, nor a value), cancelled, timeout (of a with_deadline).
  [[nodiscard]] std::expected<T, error> receive() const { return get(never); }
  [[nodiscard]] std::expected<T, error> receive_until(time_point deadline) const {
    return get(deadline);
  }
  [[nodiscard]] std::expected<T, error> receive_for(duration d) const {
    return get(deadline_after(d));
  }
  // Never waits. Errors: empty, closed.
  [[nodiscard]] std::expected<T, error> try_receive() const {
    if (core_ == nullptr) return std::unexpected(error(error::closed));
    std::uint64_t word = 0;
    const detail::flow how = detail::channel_try_receive(core_, word);
    if (how == detail::flow::done) return detail::value_word<T>::unwrap(word);
    return std::unexpected(detail::status_of(how, error::empty).error());
  }

  // `for (T value : rx)`: until the channel is closed and empty. Parks at each step; throws
  // `cancelled`.
  struct at_end {};
  class iterator {
   public:
    explicit iterator(detail::channel_core* c) : core_(c) { ++*this; }
    iterator(const iterator&) = delete;
    iterator& operator=(const iterator&) = delete;
    ~iterator() { drop(); }
    T operator*() noexcept {
      has_value_ = false;
      return detail::value_word<T>::unwrap(word_);
    }
    iterator& operator++() {
      drop();
      has_value_ = core_ != nullptr && detail::channel_next(core_, word_);
      is_over_ = !has_value_;
      return *this;
    }
    bool operator==(at_end) const noexcept { return is_over_; }

   private:
    void drop() noexcept {
      if (has_value_) detail::value_word<T>::discard(word_);
      has_value_ = false;
    }
    detail::channel_core* core_;
    std::uint64_t word_ = 0;
    bool has_value_ = false;
    bool is_over_ = false;
  };
  [[nodiscard]] iterator begin() const { return iterator(core_); }
  [[nodiscard]] at_end end() const noexcept { return {}; }

  // Gives this end up.
  void close() noexcept {
    if (core_ != nullptr) detail::drop_receiver(std::exchange(core_, nullptr));
  }
  [[nodiscard]] std::size_t size() const noexcept {
    return core_ == nullptr ? 0 : detail::channel_size(core_);
  }
  [[nodiscard]] std::size_t capacity() const noexcept {
    return core_ == nullptr ? 0 : detail::channel_capacity(core_);
  }
  explicit operator bool() const noexcept { return core_ != nullptr; }
  bool operator==(const receiver& other) const noexcept { return core_ == other.core_; }

  // A case of a select: receives a value, then calls f(value).
  template <class F>
  [[nodiscard]] auto on(F&& f) const;
  // A case that happens when no sender is left, nor a value.
  template <class F>
  [[nodiscard]] auto on_end(F&& f) const;

 private:
  friend struct detail::channel_access;
  explicit receiver(detail::channel_core* c) noexcept : core_(c) {}
  static void add(detail::channel_core* c) noexcept { detail::add_receiver(c); }

  std::expected<T, error> get(time_point deadline) const {
    if (core_ == nullptr) return std::unexpected(error(error::closed));
    std::uint64_t word = 0;
    status s = detail::channel_receive(core_, word, deadline);
    if (GREENROOM_LIKELY(s.ok())) return detail::value_word<T>::unwrap(word);
    return std::unexpected(s.error());
  }

  detail::channel_core* core_ = nullptr;
};

template <class T>
std::pair<sender<T>, receiver<T>> detail::channel_access::make(std::uint32_t capacity) {
  channel_core* c = make_channel(capacity, value_word<T>::destroyer());
  if (c == nullptr) return {};
  return {sender<T>(c), receiver<T>(c)};
}

// A channel that holds `capacity` values: 0 (a send waits for its receiver), or `unbounded`. Both
// ends are empty when memory is out. T is moved and must not throw at that; see message.hpp for
// what may be sent.
template <class T>
[[nodiscard]] std::pair<sender<T>, receiver<T>> channel(std::uint32_t capacity) {
  if constexpr (detail::check_message<T>() && detail::check_alignment<T>())
    return detail::channel_access::make<T>(capacity);
  else
    return {};
}

}  // namespace greenroom

#include <greenroom/detail/channel_cases.hpp>
