// SPDX-License-Identifier: Apache-2.0
// One value from one sender to one receiver: a result to come. Idea: Rust's oneshot channels.
//
// An actor that is asked answers by a promise (promise.hpp); this is for results that are not the
// answer to a message.
#pragma once

#include <greenroom/address.hpp>
#include <greenroom/detail/sent_value.hpp>
#include <greenroom/detail/source_case.hpp>

#include <expected>
#include <utility>

namespace greenroom {

namespace detail {

// The state that the two ends share, without its type.
//   O1: the value is the sender's until send succeeded, the state's until it is received, then the
//       receiver's. Who lets go of the state last frees what is in it.
struct oneshot_core;

// Null when memory is out. `destroy` frees a value that nobody received.
oneshot_core* make_oneshot(void (*destroy)(node*) noexcept) noexcept;
// False: the receiver is gone, or a value was sent; the node is still the caller's.
bool oneshot_send(oneshot_core* c, node* n) noexcept;
bool oneshot_wanted(oneshot_core* c) noexcept;
void oneshot_drop_sender(oneshot_core* c) noexcept;
void oneshot_drop_receiver(oneshot_core* c) noexcept;
// Errors: dropped, closed (it was received before), empty.
std::expected<node*, error> oneshot_try_receive(oneshot_core* c) noexcept;
// Waits. Errors: as above, timeout, cancelled.
std::expected<node*, error> oneshot_receive(oneshot_core* c, time_point deadline);
// False: there is something to try, and it does not wait.
bool oneshot_enlist(oneshot_core* c, line_waiter& w) noexcept;
void oneshot_leave(oneshot_core* c, line_waiter& w) noexcept;

// `tells`: what keeps the value from coming is a result, too.
template <class T, bool tells>
struct oneshot_operation {
  oneshot_core* core;
  line_waiter waiter;
  std::expected<node*, error> got = std::unexpected(error(error::empty));

  attempt try_now() {
    if (core == nullptr) return attempt::never;
    got = oneshot_try_receive(core);
    if (got) return attempt::happened;
    if (got.error() == error::empty) return attempt::not_now;
    return tells && got.error() == error::dropped ? attempt::happened : attempt::never;
  }
  bool enlist() { return oneshot_enlist(core, waiter); }
  void leave() noexcept { oneshot_leave(core, waiter); }
  attempt complete() { return try_now(); }
  template <class F>
  void run(F& f) {
    call_with<T>(f, taken_from<T>(std::move(got)));
  }
};

}  // namespace detail

// The sending end; move-only. One thread at a time. Dropped without a value, the receiver hears
// error::dropped.
template <class T>
class oneshot_sender {
 public:
  oneshot_sender() noexcept = default;
  explicit oneshot_sender(detail::oneshot_core* c) noexcept : core_(c) {}
  oneshot_sender(oneshot_sender&& other) noexcept : core_(std::exchange(other.core_, nullptr)) {}
  oneshot_sender& operator=(oneshot_sender&& other) noexcept {
    oneshot_sender gone(std::move(*this));
    core_ = std::exchange(other.core_, nullptr);
    return *this;
  }
  ~oneshot_sender() {
    if (core_ != nullptr) detail::oneshot_drop_sender(core_);
  }

  // Never parks. Gives the value back when nobody will receive it. Errors: closed (the receiver is
  // gone, or a value was sent before), no_memory.
  [[nodiscard]] std::expected<void, unsent<T>> send(T value) {
    if (core_ == nullptr) return std::unexpected(unsent<T>{std::move(value), error::closed});
    detail::node* n = detail::make_node(std::move(value));
    if (n == nullptr) return std::unexpected(unsent<T>{std::move(value), error::no_memory});
    if (detail::oneshot_send(core_, n)) return {};
    return detail::given_back<T>(n, error::closed);
  }
  // False: send() would fail. Lets a producer stop early.
  [[nodiscard]] bool wanted() const noexcept {
    return core_ != nullptr && detail::oneshot_wanted(core_);
  }
  explicit operator bool() const noexcept { return core_ != nullptr; }

 private:
  detail::oneshot_core* core_ = nullptr;
};

// The receiving end; move-only. One thread at a time.
template <class T>
class oneshot_receiver {
 public:
  oneshot_receiver() noexcept = default;
  explicit oneshot_receiver(detail::oneshot_core* c) noexcept : core_(c) {}
  oneshot_receiver(oneshot_receiver&& other) noexcept
      : core_(std::exchange(other.core_, nullptr)) {}
  oneshot_receiver& operator=(oneshot_receiver&& other) noexcept {
    oneshot_receiver gone(std::move(*this));
    core_ = std::exchange(other.core_, nullptr);
    return *this;
  }
  ~oneshot_receiver() {
    if (core_ != nullptr) detail::oneshot_drop_receiver(core_);
  }

  // Parks until the value is there. Errors: dropped (the sender went without), closed (it was
  // received before), cancelled.
  [[nodiscard]] std::expected<T, error> receive() { return receive_until(never); }
  // Parks until then at most. Errors: as receive, and timeout; then it may be called again.
  [[nodiscard]] std::expected<T, error> receive_until(time_point deadline) {
    if (core_ == nullptr) return std::unexpected(error(error::closed));
    return detail::taken_from<T>(detail::oneshot_receive(core_, deadline));
  }
  [[nodiscard]] std::expected<T, error> receive_for(duration d) {
    return receive_until(deadline_after(d));
  }
  // Never parks. Errors: empty (not there yet), dropped, closed.
  [[nodiscard]] std::expected<T, error> try_receive() noexcept {
    if (core_ == nullptr) return std::unexpected(error(error::closed));
    return detail::taken_from<T>(detail::oneshot_try_receive(core_));
  }
  // A case of a select: receives the value, then calls f(value); never happens when the sender went
  // without. With an f that takes a std::expected<T, error> it does, and f hears error::dropped.
  template <class F>
  [[nodiscard]] auto on(F&& f) {
    using function = std::decay_t<F>;
    static_assert(detail::takes_value<function, T>,
                  "greenroom: the function of a case that receives takes the value");
    if constexpr (detail::takes_value<function, T>) {
      using operation = detail::oneshot_operation<T, detail::hears_errors<function, T>>;
      return detail::source_case<operation, function>(operation{core_, {}}, std::forward<F>(f));
    } else {
      return detail::mistaken_case();
    }
  }
  explicit operator bool() const noexcept { return core_ != nullptr; }

 private:
  detail::oneshot_core* core_ = nullptr;
};

template <class T>
struct oneshot_ends {
  oneshot_sender<T> tx;
  oneshot_receiver<T> rx;
};

// Both ends: auto [tx, rx] = gr::oneshot<int>(). Throws std::bad_alloc.
template <class T>
[[nodiscard]] oneshot_ends<T> oneshot() {
  if constexpr (detail::check_sent<T>()) {
    detail::oneshot_core* c =
        detail::make_oneshot([](detail::node* n) noexcept { detail::destroy_node<T>(n); });
    if (c == nullptr) detail::throw_no_memory();
    return {oneshot_sender<T>(c), oneshot_receiver<T>(c)};
  } else {
    return {};
  }
}

}  // namespace greenroom
