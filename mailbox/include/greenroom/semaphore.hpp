// SPDX-License-Identifier: Apache-2.0
// A semaphore: at most so many at once. Who finds too few permits waits without spinning, first
// come first served. Any thread, green threads and OS threads alike.
//
// To bound work that is sent somewhere, prefer a bounded mailbox or channel, where the bound lies
// with the receiver and senders feel it. A semaphore bounds what has no receiver: connections that
// are open at once, requests under way.
#pragma once

#include <greenroom/clock.hpp>
#include <greenroom/detail/permits.hpp>
#include <greenroom/detail/source_case.hpp>
#include <greenroom/error.hpp>

#include <cstdint>
#include <expected>
#include <utility>

namespace greenroom {

class semaphore;

// Permits that go back when this ends. Move it to whoever finishes the work. The semaphore must
// outlive it.
class permit {
 public:
  permit() noexcept = default;
  permit(permit&& other) noexcept : from_(std::exchange(other.from_, nullptr)), n_(other.n_) {}
  permit& operator=(permit&& other) noexcept {
    if (this != &other) {
      release();
      from_ = std::exchange(other.from_, nullptr);
      n_ = other.n_;
    }
    return *this;
  }
  ~permit() { release(); }

  // True while it holds any.
  explicit operator bool() const noexcept { return from_ != nullptr; }
  [[nodiscard]] std::int64_t count() const noexcept { return from_ == nullptr ? 0 : n_; }
  // Gives them back now. Never parks.
  void release() noexcept;

 private:
  friend class semaphore;
  permit(semaphore* from, std::int64_t n) noexcept : from_(from), n_(n) {}

  semaphore* from_ = nullptr;
  std::int64_t n_ = 0;
};

class semaphore {
 public:
  // Throws std::invalid_argument for a count below 0 or above 2^60.
  explicit semaphore(std::int64_t count);
  semaphore(const semaphore&) = delete;
  semaphore& operator=(const semaphore&) = delete;

  // All of these take n permits at once or none, and throw std::invalid_argument for an n below 0
  // or above 2^60. Nobody passes who waits, so while one waits for many, one permit is not to be
  // had.

  // Parks until they are there; throws `cancelled`, and has taken none then.
  void acquire(std::int64_t n = 1);
  // Never parks. False: too few, or others wait.
  [[nodiscard]] bool try_acquire(std::int64_t n = 1);
  // Parks until then at most. Errors, with none taken: timeout, cancelled.
  [[nodiscard]] status acquire_until(time_point deadline, std::int64_t n = 1);
  [[nodiscard]] status acquire_for(duration d, std::int64_t n = 1) {
    return acquire_until(deadline_after(d), n);
  }
  // Never parks. Throws std::invalid_argument, and gives none, when there would be more than 2^60.
  void release(std::int64_t n = 1);

  // The same, held by an object that gives them back.
  [[nodiscard]] permit hold(std::int64_t n = 1) {
    acquire(n);
    return {this, n};
  }
  // Empty: too few, or others wait.
  [[nodiscard]] permit try_hold(std::int64_t n = 1) {
    return try_acquire(n) ? permit{this, n} : permit{};
  }
  [[nodiscard]] std::expected<permit, error> hold_until(time_point deadline, std::int64_t n = 1) {
    status got = acquire_until(deadline, n);
    if (!got) return std::unexpected(got.error());
    return permit{this, n};
  }
  [[nodiscard]] std::expected<permit, error> hold_for(duration d, std::int64_t n = 1) {
    return hold_until(deadline_after(d), n);
  }

  // A case of a select: takes n permits, then calls f(permit). While it waits it stands in line.
  template <class F>
  [[nodiscard]] auto on(std::int64_t n, F&& f);
  template <class F>
  [[nodiscard]] auto on(F&& f) {
    return on(1, std::forward<F>(f));
  }

  // How many are there now; a moment old when you look at it.
  [[nodiscard]] std::int64_t available() const noexcept { return core_.locked_count(); }

 private:
  struct operation;

  mutable detail::permits core_;
};

struct semaphore::operation {
  semaphore* from;
  detail::permit_waiter waiter;

  detail::attempt try_now() {
    return from->try_acquire(waiter.want) ? detail::attempt::happened : detail::attempt::not_now;
  }
  bool enlist() { return from->core_.enlist(waiter); }
  void leave() noexcept { from->core_.leave(waiter); }
  detail::attempt complete() { return detail::attempt::happened; }
  template <class F>
  void run(F& f) {
    f(permit(from, waiter.want));
  }
};

template <class F>
auto semaphore::on(std::int64_t n, F&& f) {
  static_assert(std::is_invocable_v<std::decay_t<F>&, permit>,
                "greenroom: the function of a case that takes permits takes a gr::permit");
  if constexpr (std::is_invocable_v<std::decay_t<F>&, permit>) {
    operation o{this, {}};
    o.waiter.want = n;
    return detail::source_case<operation, std::decay_t<F>>(std::move(o), std::forward<F>(f));
  } else {
    return detail::mistaken_case();
  }
}

inline void permit::release() noexcept {
  if (from_ != nullptr) std::exchange(from_, nullptr)->release(n_);
}

}  // namespace greenroom
