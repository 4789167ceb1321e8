// SPDX-License-Identifier: Apache-2.0
// The netpoller's engine: an epoll instance for our own sockets, and at most one guest loop.
//
// Thread rules: poll() by one worker at a time; everything else from any thread.
//
// N1  A socket is registered once, edge-triggered, for its whole life (once more when it first has
//     to wait for room to write): no system call per wait.
// N2  interrupt() is never lost: state_ goes idle -> blocked -> idle around a blocking poll, and
//     an interrupt leaves `notified` there, which the next attempt to block finds.
// N3  An operation is counted before the count is looked at: has_work() turning true calls the
//     wake-up hook, and a guest operation started while a worker blocks on epoll alone
//     interrupts it, so that it goes on to block on both.
// N4  Hubs are recycled, never freed: a socket may outlive its runtime, and is served again by
//     the next one that takes the hub.
//
// Why not Asio for our own sockets as well (measured, 2-core VM, echo with 1,000 connections,
// CPU of the server per request): epoll used like this 6.2 us, the same with one more recv that
// fails before each wait, which is what Asio's reactor does, 7.2, Asio callbacks 7.4. An Asio
// wait also is an allocation, a mutex and an epoll_ctl, and has to be cancelled and waited for
// at every deadline; a stale wake-up ticket costs nothing.
#pragma once

#include <greenroom/clock.hpp>
#include <greenroom/detail/guest_loop.hpp>
#include <greenroom/detail/sync.hpp>

#include <cstdint>
#include <mutex>
#include <sys/epoll.h>

namespace greenroom::detail {

class descriptor;
struct worker;

class event_hub {
 public:
  static constexpr int events_max = 256;  // taken in one poll

  static event_hub* acquire();
  // REQUIRES: nobody is inside poll(), nor will be.
  static void release(event_hub* hub);

  // The scheduler's side, see netpoller.hpp.
  [[nodiscard]] bool has_work() const noexcept {
    return under_way_.load(sync::memory_order_relaxed) != 0;
  }
  int poll(duration max_wait);
  void interrupt() noexcept;
  void set_wakeup(void (*call)(void*), void* argument) noexcept;

  // Events of fd go to `to` until fd is closed; 0 or an errno value. Counts as an operation.
  [[nodiscard]] int watch(int fd, descriptor* to, bool writes) noexcept;
  // From now on writability too; an fd that is writable already gives an event.
  [[nodiscard]] int watch_writes(int fd, descriptor* to) noexcept;
  // After the close of a watched fd.
  void forget() noexcept { operation_ended(); }

  guest_loop& guest(guest_loop* (*make)(int poll_fd));
  void guest_started() noexcept;
  void guest_ended() noexcept;

  // True on the thread that is inside poll(): a completion handler must not wait.
  [[nodiscard]] bool polls_here() const noexcept;

 private:
  enum : std::uint32_t { idle, blocked, notified };

  event_hub() = default;
  void operation_started() noexcept;
  void operation_ended() noexcept;
  int open() noexcept;
  int wait(duration max_wait) noexcept;
  int dispatch(int count) noexcept;
  int collect();
  int block(duration max_wait);

  // Any thread.
  sync::atomic<std::uint32_t> under_way_{0};
  sync::atomic<std::uint32_t> guest_under_way_{0};
  sync::atomic<std::uint32_t> state_{idle};
  sync::atomic<int> epoll_{-1};  // opened by the first to need it
  sync::atomic<int> wake_{-1};   // an eventfd in epoll_, edge-triggered
  sync::atomic<guest_loop*> guest_{nullptr};
  sync::atomic<void (*)(void*)> wakeup_{nullptr};
  sync::atomic<void*> wakeup_argument_{nullptr};
  std::mutex opening_;

  // Whoever is inside poll().
  sync::atomic<worker*> polled_by_{nullptr};
  epoll_event events_[events_max];

  event_hub* next_ = nullptr;  // in the list of recycled ones
};

}  // namespace greenroom::detail
