// SPDX-License-Identifier: Apache-2.0
// Many producers, many workers, one inbox: jobs of which each goes to one worker, whichever has
// time. ORDER IS NOT PROMISED, not even that of one producer as it is seen by several workers; a
// gr::channel promises it, for a lock at each step, where this has none while nobody waits. What
// lies below is moodycamel::ConcurrentQueue, with a token in each end.
#pragma once

#include <greenroom/address.hpp>
#include <greenroom/detail/permits.hpp>
#include <greenroom/detail/sent_value.hpp>
#include <greenroom/detail/source_case.hpp>

#include <cstdint>
#include <expected>
#include <utility>

namespace greenroom {

namespace detail {

// The queue without its type, and an end of it with its token. Words: see channel_value.hpp;
// `destroy` is null where they need none. K1 to K4 stand in README.md.
struct work_core;
struct work_producer;
struct work_consumer;

// capacity 0 is no room at all, which makes no sense here; or unbounded. Throws
// std::invalid_argument, std::bad_alloc.
work_producer* make_work_queue(std::uint32_t capacity, void (*destroy)(std::uint64_t word));
// Ends; they throw std::bad_alloc.
work_consumer* add_consumer(work_core* c);
work_producer* copy_end(const work_producer* p);
work_consumer* copy_end(const work_consumer* p);
// The last producer closes it; the last consumer closes it, too, and destroys what is left.
void drop_end(work_producer* p) noexcept;
void drop_end(work_consumer* p) noexcept;

// Not ok: the word is the caller's again. Errors: closed, timeout, cancelled, no_memory.
status work_send(work_producer* p, std::uint64_t word, time_point deadline);
status work_try_send(work_producer* p, std::uint64_t word) noexcept;  // and full
// Errors: closed, timeout, cancelled.
status work_receive(work_consumer* q, std::uint64_t& word, time_point deadline);
status work_try_receive(work_consumer* q, std::uint64_t& word) noexcept;  // and empty
// False: there is something to try, and it does not stand in line.
bool work_enlist(work_consumer* q, permit_waiter& w) noexcept;
void work_leave(work_consumer* q, permit_waiter& w) noexcept;
// Its wait was decided; false: by the end.
bool work_served(work_consumer* q, const permit_waiter& w, std::uint64_t& word) noexcept;
void work_close(work_core* c) noexcept;
work_core* core_of(const work_producer* p) noexcept;
work_core* core_of(const work_consumer* q) noexcept;
std::size_t work_size(const work_core* c) noexcept;
std::uint32_t work_capacity(const work_core* c) noexcept;

template <class T>
struct work_operation {
  work_consumer* end;
  permit_waiter waiter;
  std::uint64_t word = 0;

  attempt try_now() {
    if (end == nullptr) return attempt::never;
    const status how = work_try_receive(end, word);
    if (how) return attempt::happened;
    return how.error() == error::closed ? attempt::never : attempt::not_now;
  }
  bool enlist() { return work_enlist(end, waiter); }
  void leave() noexcept { work_leave(end, waiter); }
  attempt complete() { return work_served(end, waiter, word) ? attempt::happened : attempt::never; }
  template <class F>
  void run(F& f) {
    f(value_word<T>::unwrap(word));
  }
};

}  // namespace detail

// A producer's end. Copyable; a copy for each producer is fastest, one for several works.
template <class T>
class work_sender {
 public:
  work_sender() noexcept = default;
  explicit work_sender(detail::work_producer* end) noexcept : end_(end) {}
  // Throws std::bad_alloc, for each end has a token of its own.
  work_sender(const work_sender& other)
      : end_(other.end_ == nullptr ? nullptr : detail::copy_end(other.end_)) {}
  work_sender(work_sender&& other) noexcept : end_(std::exchange(other.end_, nullptr)) {}
  work_sender& operator=(work_sender other) noexcept {
    std::swap(end_, other.end_);
    return *this;
  }
  ~work_sender() {
    if (end_ != nullptr) detail::drop_end(end_);
  }

  // Parks while the queue is full; who waits is let in first come first served. Gives the value
  // back on error: closed (by close(), or no worker is left), cancelled, no_memory.
  std::expected<void, unsent<T>> send(T value) const { return send_until(never, std::move(value)); }
  // Parks until then at most. Errors: as send, and timeout.
  std::expected<void, unsent<T>> send_until(time_point deadline, T value) const {
    return hand_in(std::move(value), [deadline](detail::work_producer* p, std::uint64_t word) {
      return detail::work_send(p, word, deadline);
    });
  }
  std::expected<void, unsent<T>> send_for(duration d, T value) const {
    return send_until(deadline_after(d), std::move(value));
  }
  // Never parks. Errors: full (also when others wait), closed, no_memory.
  [[nodiscard]] std::expected<void, unsent<T>> try_send(T value) const {
    return hand_in(std::move(value), detail::work_try_send);
  }
  // For all producers: workers get what is left, then the end.
  void close() const noexcept {
    if (end_ != nullptr) detail::work_close(detail::core_of(end_));
  }
  // Values sent and not received; a moment old when you look at it.
  [[nodiscard]] std::size_t size() const noexcept {
    return end_ == nullptr ? 0 : detail::work_size(detail::core_of(end_));
  }
  [[nodiscard]] std::uint32_t capacity() const noexcept {
    return end_ == nullptr ? 0 : detail::work_capacity(detail::core_of(end_));
  }
  explicit operator bool() const noexcept { return end_ != nullptr; }

 private:
  template <class Send>
  std::expected<void, unsent<T>> hand_in(T&& value, Send&& send) const {
    if (end_ == nullptr) return std::unexpected(unsent<T>{std::move(value), error::closed});
    detail::value_word<T> word(std::move(value));
    if (!word) return std::unexpected(unsent<T>{std::move(value), error::no_memory});
    const status how = send(end_, word.get());
    if (!how) return std::unexpected(unsent<T>{word.take(), how.error()});
    word.release();
    return {};
  }

  detail::work_producer* end_ = nullptr;
};

// A worker's end. Copyable; a copy for each worker is fastest, one for several works.
template <class T>
class work_receiver {
 public:
  work_receiver() noexcept = default;
  explicit work_receiver(detail::work_consumer* end) noexcept : end_(end) {}
  // Throws std::bad_alloc, for each end has a token of its own.
  work_receiver(const work_receiver& other)
      : end_(other.end_ == nullptr ? nullptr : detail::copy_end(other.end_)) {}
  work_receiver(work_receiver&& other) noexcept : end_(std::exchange(other.end_, nullptr)) {}
  work_receiver& operator=(work_receiver other) noexcept {
    std::swap(end_, other.end_);
    return *this;
  }
  ~work_receiver() {
    if (end_ != nullptr) detail::drop_end(end_);
  }

  // Parks until there is a value for it; who waits is served first come first served. Errors:
  // closed (nothing is left and no producer), cancelled.
  [[nodiscard]] std::expected<T, error> receive() const { return receive_until(never); }
  // Parks until then at most. Errors: as receive, and timeout.
  [[nodiscard]] std::expected<T, error> receive_until(time_point deadline) const {
    if (end_ == nullptr) return std::unexpected(error(error::closed));
    std::uint64_t w = 0;
    return taken(detail::work_receive(end_, w, deadline), w);
  }
  [[nodiscard]] std::expected<T, error> receive_for(duration d) const {
    return receive_until(deadline_after(d));
  }
  // Never parks. Errors: empty, closed.
  [[nodiscard]] std::expected<T, error> try_receive() const noexcept {
    if (end_ == nullptr) return std::unexpected(error(error::closed));
    std::uint64_t w = 0;
    return taken(detail::work_try_receive(end_, w), w);
  }
  // A case of a select: receives a value, then calls f(value).
  template <class F>
  [[nodiscard]] auto on(F&& f) const {
    using function = std::decay_t<F>;
    static_assert(std::is_invocable_v<function&, T>,
                  "greenroom: the function of a case that receives takes the value");
    if constexpr (std::is_invocable_v<function&, T>)
      return detail::source_case<detail::work_operation<T>, function>({end_, {}},
                                                                      std::forward<F>(f));
    else
      return detail::mistaken_case();
  }
  // As of the sender.
  void close() const noexcept {
    if (end_ != nullptr) detail::work_close(detail::core_of(end_));
  }
  [[nodiscard]] std::size_t size() const noexcept {
    return end_ == nullptr ? 0 : detail::work_size(detail::core_of(end_));
  }
  explicit operator bool() const noexcept { return end_ != nullptr; }

  // for (auto job : receiver): until the end. Parks; throws `cancelled`.
  [[nodiscard]] auto begin() const { return detail::values_of<const work_receiver, T>(*this); }
  [[nodiscard]] detail::end_of_values end() const noexcept { return {}; }

 private:
  static std::expected<T, error> taken(const status& how, std::uint64_t& w) {
    if (!how) return std::unexpected(how.error());
    return detail::value_word<T>::unwrap(w);
  }

  detail::work_consumer* end_ = nullptr;
};

template <class T>
struct work_ends {
  work_sender<T> tx;
  work_receiver<T> rx;
};

// Both ends: auto [tx, rx] = gr::work_queue<job>(64). Capacity: values sent and not received, at
// least 1; or gr::unbounded. Throws std::invalid_argument for 0, std::bad_alloc.
template <class T>
[[nodiscard]] work_ends<T> work_queue(std::uint32_t capacity) {
  if constexpr (detail::check_sent<T>()) {
    detail::work_producer* first =
        detail::make_work_queue(capacity, detail::value_word<T>::destroyer());
    work_sender<T> tx(first);
    work_receiver<T> rx(detail::add_consumer(detail::core_of(first)));
    return {std::move(tx), std::move(rx)};
  } else {
    return {};
  }
}

}  // namespace greenroom
