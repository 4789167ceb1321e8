// SPDX-License-Identifier: Apache-2.0
// Calls that block or need a deep stack, inside an actor.
#pragma once

#include <new>
#include <utility>

namespace greenroom {

namespace detail {

// While one lives, the calling worker is known to be away from its queues.
class blocking_section {
 public:
  blocking_section() noexcept;
  ~blocking_section();
  blocking_section(const blocking_section&) = delete;
  blocking_section& operator=(const blocking_section&) = delete;
};

void run_on_os_stack(void (*call)(void*), void* argument);

template <class R>
class result_place {
 public:
  result_place() noexcept {}
  ~result_place() {
    if (full_) value_.~R();
  }
  result_place(const result_place&) = delete;
  result_place& operator=(const result_place&) = delete;
  template <class F>
  void fill(F& f) {
    ::new (static_cast<void*>(&value_)) R(f());
    full_ = true;
  }
  [[nodiscard]] bool full() const noexcept { return full_; }
  R take() { return static_cast<R&&>(value_); }

 private:
  bool full_ = false;
  union {
    R value_;
  };
};

}  // namespace detail

// Runs f() and returns what it returns, and lets others have the worker meanwhile: for calls that
// block the OS thread (files, locks, a library that does its own network I/O) or compute for long.
// Such calls stall nobody without it either, but are noticed only after a millisecond, and are
// reported. f runs where it was called, and may wait as well. On a plain OS thread: just f().
// Idea: spawn_blocking of Tokio, without the change of threads.
template <class F>
decltype(auto) blocking(F&& f) {
  const detail::blocking_section here;
  return std::forward<F>(f)();
}

// Runs f() on the worker's OS thread stack of 8 MiB and returns what it returns (an object must be
// movable): for code that needs a deep stack, as std::regex or recursion in a C library does. f is
// outside of the actor there: what waits blocks the OS thread, as on any other thread (which stalls
// nobody, see blocking); gr::self() and cancels do not reach in. What f throws comes out.
template <class F>
decltype(auto) on_os_stack(F&& f) {
  using result = decltype(f());
  if constexpr (std::is_void_v<result>) {
    detail::run_on_os_stack([](void* call) { (*static_cast<std::remove_reference_t<F>*>(call))(); },
                            const_cast<void*>(static_cast<const void*>(&f)));
  } else if constexpr (std::is_reference_v<result>) {
    std::remove_reference_t<result>* at = nullptr;
    auto call = [&] { at = &f(); };
    detail::run_on_os_stack([](void* c) { (*static_cast<decltype(call)*>(c))(); }, &call);
    return static_cast<result>(*at);
  } else {
    detail::result_place<result> place;
    auto call = [&] { place.fill(f); };
    detail::run_on_os_stack([](void* c) { (*static_cast<decltype(call)*>(c))(); }, &call);
    return place.take();
  }
}

}  // namespace greenroom
