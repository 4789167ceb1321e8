// SPDX-License-Identifier: Apache-2.0
// The latest value of something, for any number of receivers: settings, a state, a leader. Who is
// slow misses what lay between, never the last one. Idea: Rust's watch channels.
#pragma once

#include <greenroom/address.hpp>
#include <greenroom/detail/sent_value.hpp>
#include <greenroom/detail/source_case.hpp>

#include <expected>
#include <utility>

namespace greenroom {

namespace detail {

// The shared state without its type. A value lies in a node that is counted: by the state while it
// is the latest, and by each receiver that copies it, which it does without a lock.
//   G1: versions only grow; who waits is woken once the version is another than the one it has
//   seen. G2: nodes are counted up under the lock and down anywhere; user code runs under no lock.
struct watch_core;

// The state takes the node; one sender and one receiver are counted. Null when memory is out.
watch_core* make_watch(node* first, void (*destroy)(node*) noexcept) noexcept;
void watch_add_sender(watch_core* c) noexcept;
void watch_drop_sender(watch_core* c) noexcept;
void watch_add_receiver(watch_core* c) noexcept;
void watch_drop_receiver(watch_core* c) noexcept;
// False: it is closed; the node is the caller's again.
bool watch_send(watch_core* c, node* n) noexcept;
void watch_close(watch_core* c) noexcept;
// The latest, counted once for the caller, who lets go of it; and its version.
node* watch_get(watch_core* c, std::uint64_t& version) noexcept;
void watch_let_go(watch_core* c, node* n) noexcept;
std::uint64_t watch_version(watch_core* c) noexcept;
bool watch_closed(watch_core* c) noexcept;
// Waits for a version other than `seen`, which it then becomes. Errors: closed, timeout, cancelled.
status watch_changed(watch_core* c, std::uint64_t& seen, time_point deadline);
// Without a wait. Errors: closed, empty.
status watch_try_changed(watch_core* c, std::uint64_t& seen) noexcept;
std::size_t watch_receivers(watch_core* c) noexcept;
// False: there is something to try, and it does not stand in line.
bool watch_enlist(watch_core* c, numbered_waiter& w, std::uint64_t seen) noexcept;
void watch_leave(watch_core* c, numbered_waiter& w) noexcept;

}  // namespace detail

template <class T>
class watch_sender;

// A receiving end. Copies are receivers of their own; one thread at a time for each.
template <class T>
class watch_receiver {
 public:
  watch_receiver() noexcept = default;
  watch_receiver(const watch_receiver& other) noexcept : core_(other.core_), seen_(other.seen_) {
    if (core_ != nullptr) detail::watch_add_receiver(core_);
  }
  watch_receiver(watch_receiver&& other) noexcept
      : core_(std::exchange(other.core_, nullptr)), seen_(other.seen_) {}
  watch_receiver& operator=(watch_receiver other) noexcept {
    std::swap(core_, other.core_);
    std::swap(seen_, other.seen_);
    return *this;
  }
  ~watch_receiver() {
    if (core_ != nullptr) detail::watch_drop_receiver(core_);
  }

  // A copy of the latest value, which counts as seen. Never parks; works when it is closed, too.
  // REQUIRES: not empty (default-made or moved from).
  [[nodiscard]] T get() {
    struct counted {
      detail::watch_core* core;
      detail::node* n;
      ~counted() { detail::watch_let_go(core, n); }
    };
    std::uint64_t version = 0;
    const counted latest{core_, detail::watch_get(core_, version)};
    T copy(static_cast<const T&>(*detail::body_of<T>(latest.n)));
    seen_ = version;
    return copy;
  }
  // True when get() would return one that this receiver has not seen.
  [[nodiscard]] bool has_changed() const noexcept {
    return core_ != nullptr && detail::watch_version(core_) != seen_;
  }
  // Parks until there is a value that this receiver has not seen; it then counts as seen, and get()
  // copies it. Errors: closed (no sender is left, and the last value was seen), cancelled.
  [[nodiscard]] status changed() { return changed_until(never); }
  // Parks until then at most. Errors: as changed, and timeout.
  [[nodiscard]] status changed_until(time_point deadline) {
    if (core_ == nullptr) return error::closed;
    return detail::watch_changed(core_, seen_, deadline);
  }
  [[nodiscard]] status changed_for(duration d) { return changed_until(deadline_after(d)); }
  // A case of a select: happens when there is a value that this receiver has not seen; then calls
  // f(copy of the latest).
  template <class F>
  [[nodiscard]] auto on(F&& f) {
    using function = std::decay_t<F>;
    static_assert(std::is_invocable_v<function&, T>,
                  "greenroom: the function of a case that receives takes the value");
    if constexpr (std::is_invocable_v<function&, T>)
      return detail::source_case<operation, function>(operation{this, {}}, std::forward<F>(f));
    else
      return detail::mistaken_case();
  }
  // No sender is left: the value will not change any more.
  [[nodiscard]] bool is_closed() const noexcept {
    return core_ == nullptr || detail::watch_closed(core_);
  }
  explicit operator bool() const noexcept { return core_ != nullptr; }

 private:
  struct operation {
    watch_receiver* rx;
    detail::numbered_waiter waiter;

    detail::attempt try_now() {
      const status how = rx->changed_now();
      if (how) return detail::attempt::happened;
      return how.error() == error::closed ? detail::attempt::never : detail::attempt::not_now;
    }
    bool enlist() { return detail::watch_enlist(rx->core_, waiter, rx->seen_); }
    void leave() noexcept { detail::watch_leave(rx->core_, waiter); }
    detail::attempt complete() { return try_now(); }
    template <class F>
    void run(F& f) {
      f(rx->get());
    }
  };
  status changed_now() noexcept {
    return core_ == nullptr ? error::closed : detail::watch_try_changed(core_, seen_);
  }

  friend class watch_sender<T>;
  watch_receiver(detail::watch_core* c, std::uint64_t seen) noexcept : core_(c), seen_(seen) {}

  detail::watch_core* core_ = nullptr;
  std::uint64_t seen_ = 0;
};

// A sending end. Copyable; copies may be used by different threads, and this one by many.
template <class T>
class watch_sender {
 public:
  watch_sender() noexcept = default;
  explicit watch_sender(detail::watch_core* c) noexcept : core_(c) {}
  watch_sender(const watch_sender& other) noexcept : core_(other.core_) {
    if (core_ != nullptr) detail::watch_add_sender(core_);
  }
  watch_sender(watch_sender&& other) noexcept : core_(std::exchange(other.core_, nullptr)) {}
  watch_sender& operator=(watch_sender other) noexcept {
    std::swap(core_, other.core_);
    return *this;
  }
  ~watch_sender() {
    if (core_ != nullptr) detail::watch_drop_sender(core_);
  }

  // Makes it the latest, whether anybody receives or not, and wakes those who wait. Never parks;
  // gives the value back on error: closed (by close(), or an empty sender), no_memory.
  std::expected<void, unsent<T>> send(T value) const {
    if (core_ == nullptr) return std::unexpected(unsent<T>{std::move(value), error::closed});
    detail::node* n = detail::make_node(std::move(value));
    if (n == nullptr) return std::unexpected(unsent<T>{std::move(value), error::no_memory});
    if (detail::watch_send(core_, n)) return {};
    return detail::given_back<T>(n, error::closed);
  }
  // A receiver that has seen the present value. Empty of an empty sender.
  [[nodiscard]] watch_receiver<T> subscribe() const noexcept {
    if (core_ == nullptr) return {};
    detail::watch_add_receiver(core_);
    return {core_, detail::watch_version(core_)};
  }
  // For all senders: receivers see the last value, then the end.
  void close() const noexcept {
    if (core_ != nullptr) detail::watch_close(core_);
  }
  [[nodiscard]] std::size_t receivers() const noexcept {
    return core_ == nullptr ? 0 : detail::watch_receivers(core_);
  }
  explicit operator bool() const noexcept { return core_ != nullptr; }

 private:
  detail::watch_core* core_ = nullptr;
};

template <class T>
struct watch_ends {
  watch_sender<T> tx;
  watch_receiver<T> rx;
};

// Both ends: auto [tx, rx] = gr::watch(settings{}). The receiver has seen the first value. Throws
// std::bad_alloc.
template <class T>
[[nodiscard]] watch_ends<T> watch(T first) {
  if constexpr (detail::check_copied<T>()) {
    detail::node* n = detail::make_node(std::move(first));
    if (n == nullptr) detail::throw_no_memory();
    watch_sender<T> tx(
        detail::make_watch(n, [](detail::node* old) noexcept { detail::destroy_node<T>(old); }));
    if (!tx) {
      detail::destroy_node<T>(n);
      detail::throw_no_memory();
    }
    watch_receiver<T> rx = tx.subscribe();
    return {std::move(tx), std::move(rx)};
  } else {
    return {};
  }
}

}  // namespace greenroom
