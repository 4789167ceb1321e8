// SPDX-License-Identifier: Apache-2.0
// Every receiver sees every value sent after it subscribed: rooms, prices, events. What happens
// when one of them is slow is chosen when the broadcast is made. Idea: Rust's broadcast channels;
// the ring with a position for each reader is the LMAX Disruptor's.
#pragma once

#include <greenroom/address.hpp>
#include <greenroom/detail/sent_value.hpp>
#include <greenroom/detail/source_case.hpp>

#include <cstdint>
#include <expected>
#include <utility>

namespace greenroom {

// What becomes of a receiver that has `capacity` values to read and does not.
enum class slow : std::uint8_t {
  wait,         // the sender waits for it
  drop_oldest,  // it misses values: its next receive says error::lagged, the one after goes on
  disconnect,   // its next receive says error::lagged, and all later ones error::closed
};

namespace detail {

struct broadcast_core;
struct subscription;

inline constexpr std::uint32_t broadcast_capacity_max = 1u << 20;

// One sender is counted. Throws std::invalid_argument for the capacity, std::bad_alloc.
broadcast_core* make_broadcast(std::uint32_t capacity, slow policy,
                               void (*destroy)(node*) noexcept);
void broadcast_add_sender(broadcast_core* c) noexcept;
void broadcast_drop_sender(broadcast_core* c) noexcept;
void broadcast_close(broadcast_core* c) noexcept;
// Not ok: the node is the caller's again. Errors: closed, timeout, cancelled.
status broadcast_send(broadcast_core* c, node* n, time_point deadline);
status broadcast_try_send(broadcast_core* c, node* n) noexcept;  // and full
std::size_t broadcast_receivers(broadcast_core* c) noexcept;

// From the next value on. Throws std::bad_alloc.
subscription* subscribe(broadcast_core* c);
subscription* subscribe(const subscription* other);
void unsubscribe(subscription* s) noexcept;
// The next value, which stays where it is until broadcast_next. Errors: closed, lagged, empty.
std::expected<node*, error> broadcast_look(subscription* s);
// Waits for it. Errors: closed, lagged, timeout, cancelled.
std::expected<node*, error> broadcast_receive(subscription* s, time_point deadline);
// The value was copied (done), or its copy threw and is to be had again.
void broadcast_next(subscription* s, node* n, bool done) noexcept;
std::uint64_t broadcast_missed(const subscription* s) noexcept;
// False: there is something to look at, and it does not stand in line.
bool broadcast_enlist(subscription* s, numbered_waiter& w) noexcept;
void broadcast_leave(subscription* s, numbered_waiter& w) noexcept;

// Copies without a lock.
template <class T>
std::expected<T, error> copied_from(subscription* s, std::expected<node*, error> got) {
  if (!got) return std::unexpected(std::move(got).error());
  struct in_use {
    subscription* s;
    node* n;
    bool done = false;
    ~in_use() { broadcast_next(s, n, done); }
  } value{s, *got};
  std::expected<T, error> out(static_cast<const T&>(*body_of<T>(*got)));
  value.done = true;
  return out;
}

// `tells`: that values were missed is a result, too.
template <class T, bool tells>
struct broadcast_operation {
  subscription* at;
  numbered_waiter waiter;
  std::expected<node*, error> got = std::unexpected(error(error::empty));

  attempt try_now() {
    if (at == nullptr) return attempt::never;
    do got = broadcast_look(at);
    while (!tells && !got && got.error() == error::lagged);
    if (got || got.error() == error::lagged) return attempt::happened;
    return got.error() == error::closed ? attempt::never : attempt::not_now;
  }
  bool enlist() { return broadcast_enlist(at, waiter); }
  void leave() noexcept { broadcast_leave(at, waiter); }
  attempt complete() { return try_now(); }
  template <class F>
  void run(F& f) {
    call_with<T>(f, copied_from<T>(at, std::move(got)));
  }
};

}  // namespace detail

template <class T>
class broadcast_sender;

// A subscription; move-only, one thread at a time. It holds the sender up, or misses values, if it
// is not read (see slow).
template <class T>
class broadcast_receiver {
 public:
  broadcast_receiver() noexcept = default;
  broadcast_receiver(broadcast_receiver&& other) noexcept
      : at_(std::exchange(other.at_, nullptr)) {}
  broadcast_receiver& operator=(broadcast_receiver&& other) noexcept {
    broadcast_receiver gone(std::move(*this));
    at_ = std::exchange(other.at_, nullptr);
    return *this;
  }
  ~broadcast_receiver() {
    if (at_ != nullptr) detail::unsubscribe(at_);
  }

  // Parks until there is a value that it has not seen; returns a copy. Errors: closed (no sender is
  // left, and everything was seen), lagged (the text says how many were missed), cancelled.
  // What the copy throws, this throws, and the value can be received again.
  [[nodiscard]] std::expected<T, error> receive() { return receive_until(never); }
  // Parks until then at most. Errors: as receive, and timeout.
  [[nodiscard]] std::expected<T, error> receive_until(time_point deadline) {
    if (at_ == nullptr) return std::unexpected(error(error::closed));
    return detail::copied_from<T>(at_, detail::broadcast_receive(at_, deadline));
  }
  [[nodiscard]] std::expected<T, error> receive_for(duration d) {
    return receive_until(deadline_after(d));
  }
  // Never parks. Errors: empty, closed, lagged.
  [[nodiscard]] std::expected<T, error> try_receive() {
    if (at_ == nullptr) return std::unexpected(error(error::closed));
    return detail::copied_from<T>(at_, detail::broadcast_look(at_));
  }
  // Values missed, all together; each error::lagged adds what its text says.
  [[nodiscard]] std::uint64_t missed() const noexcept {
    return at_ == nullptr ? 0 : detail::broadcast_missed(at_);
  }
  // A further subscription, from the next value on. Empty of an empty one.
  [[nodiscard]] broadcast_receiver subscribe() const {
    return at_ == nullptr ? broadcast_receiver() : broadcast_receiver(detail::subscribe(at_));
  }
  explicit operator bool() const noexcept { return at_ != nullptr; }

  // A case of a select: receives a value, then calls f(value); values missed are only counted. An f
  // that takes a std::expected<T, error> hears error::lagged as well.
  template <class F>
  [[nodiscard]] auto on(F&& f) {
    using function = std::decay_t<F>;
    static_assert(detail::takes_value<function, T>,
                  "greenroom: the function of a case that receives takes the value");
    if constexpr (detail::takes_value<function, T>) {
      using operation = detail::broadcast_operation<T, detail::hears_errors<function, T>>;
      return detail::source_case<operation, function>(operation{at_, {}}, std::forward<F>(f));
    } else {
      return detail::mistaken_case();
    }
  }

  // for (auto value : receiver): until the end. Goes on behind values that were missed; missed()
  // tells of them. Parks; throws `cancelled`.
  [[nodiscard]] auto begin() { return detail::values_of<broadcast_receiver, T>(*this); }
  [[nodiscard]] detail::end_of_values end() const noexcept { return {}; }

 private:
  friend class broadcast_sender<T>;
  explicit broadcast_receiver(detail::subscription* s) noexcept : at_(s) {}

  detail::subscription* at_ = nullptr;
};

// A sending end. Copyable; each may be used by any number of threads.
template <class T>
class broadcast_sender {
 public:
  broadcast_sender() noexcept = default;
  explicit broadcast_sender(detail::broadcast_core* c) noexcept : core_(c) {}
  broadcast_sender(const broadcast_sender& other) noexcept : core_(other.core_) {
    if (core_ != nullptr) detail::broadcast_add_sender(core_);
  }
  broadcast_sender(broadcast_sender&& other) noexcept
      : core_(std::exchange(other.core_, nullptr)) {}
  broadcast_sender& operator=(broadcast_sender other) noexcept {
    std::swap(core_, other.core_);
    return *this;
  }
  ~broadcast_sender() {
    if (core_ != nullptr) detail::broadcast_drop_sender(core_);
  }

  // Sends to all who have subscribed by now; to nobody, when nobody has, which is no error. Under
  // slow::wait it parks while the slowest has `capacity` values to read; senders are then let in
  // first come first served. Gives the value back on error: closed, cancelled, no_memory.
  std::expected<void, unsent<T>> send(T value) const { return send_until(never, std::move(value)); }
  // Parks until then at most. Errors: as send, and timeout.
  std::expected<void, unsent<T>> send_until(time_point deadline, T value) const {
    detail::node* n = nullptr;
    if (status made = make(value, n); !made) return give_back(std::move(value), made);
    return sent(n, [&] { return detail::broadcast_send(core_, n, deadline); });
  }
  std::expected<void, unsent<T>> send_for(duration d, T value) const {
    return send_until(deadline_after(d), std::move(value));
  }
  // Never parks. Errors: full (slow::wait only), closed, no_memory.
  [[nodiscard]] std::expected<void, unsent<T>> try_send(T value) const {
    detail::node* n = nullptr;
    if (status made = make(value, n); !made) return give_back(std::move(value), made);
    return sent(n, [&] { return detail::broadcast_try_send(core_, n); });
  }

  // From the next value on. Throws std::bad_alloc. Empty of an empty sender.
  [[nodiscard]] broadcast_receiver<T> subscribe() const {
    return core_ == nullptr ? broadcast_receiver<T>()
                            : broadcast_receiver<T>(detail::subscribe(core_));
  }
  // For all senders: receivers see what is left, then the end.
  void close() const noexcept {
    if (core_ != nullptr) detail::broadcast_close(core_);
  }
  [[nodiscard]] std::size_t receivers() const noexcept {
    return core_ == nullptr ? 0 : detail::broadcast_receivers(core_);
  }
  explicit operator bool() const noexcept { return core_ != nullptr; }

 private:
  status make(T& value, detail::node*& n) const noexcept {
    if (core_ == nullptr) return error::closed;
    n = detail::make_node(std::move(value));
    return n == nullptr ? status(error::no_memory) : status();
  }
  static std::expected<void, unsent<T>> give_back(T&& value, const status& why) {
    return std::unexpected(unsent<T>{std::move(value), why.error()});
  }
  template <class Send>
  static std::expected<void, unsent<T>> sent(detail::node* n, Send&& send) {
    struct unsent_node {
      detail::node* n;
      ~unsent_node() {
        if (n != nullptr) detail::destroy_node<T>(n);
      }
    } ours{n};  // when the wait unwinds
    const status how = send();
    ours.n = nullptr;
    if (how) return {};
    return detail::given_back<T>(n, how);
  }

  detail::broadcast_core* core_ = nullptr;
};

// auto prices = gr::broadcast<price>(64, gr::slow::drop_oldest). Capacity: how many values the
// slowest receiver may have to read, 1 to 2^20; as many are kept until others take their place.
// Throws std::invalid_argument for another capacity, std::bad_alloc.
template <class T>
[[nodiscard]] broadcast_sender<T> broadcast(std::uint32_t capacity, slow policy) {
  if constexpr (detail::check_copied<T>())
    return broadcast_sender<T>(detail::make_broadcast(
        capacity, policy, [](detail::node* n) noexcept { detail::destroy_node<T>(n); }));
  else
    return {};
}

}  // namespace greenroom
