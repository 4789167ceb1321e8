// SPDX-License-Identifier: Apache-2.0
// event_hub: opening, polling, interrupting; and the netpoller on top of it.
#include "event_hub.hpp"

#include "descriptor.hpp"
#include "netpoller.hpp"
#include "worker.hpp"

#include <greenroom/detail/netpoller_access.hpp>

#include <cerrno>
#include <memory>
#include <sys/eventfd.h>
#include <unistd.h>

namespace greenroom::detail {

namespace {

std::mutex recycled_mutex;
event_hub* recycled = nullptr;

constexpr std::uint32_t read_events = EPOLLIN | EPOLLPRI | EPOLLRDHUP | EPOLLET;

}  // namespace

event_hub* event_hub::acquire() {
  const std::lock_guard guard(recycled_mutex);
  if (event_hub* hub = recycled) {
    recycled = hub->next_;
    return hub;
  }
  return new event_hub;
}

void event_hub::release(event_hub* hub) {
  hub->set_wakeup(nullptr, nullptr);
  const std::lock_guard guard(recycled_mutex);
  hub->next_ = recycled;
  recycled = hub;
}

// ---- operations

void event_hub::set_wakeup(void (*call)(void*), void* argument) noexcept {
  wakeup_.store(nullptr, sync::memory_order_release);
  wakeup_argument_.store(argument, sync::memory_order_relaxed);
  wakeup_.store(call, sync::memory_order_release);
}

void event_hub::operation_started() noexcept {
  // seq_cst: N3; ordered before the hook's look at who sleeps.
  if (under_way_.fetch_add(1, sync::memory_order_seq_cst) != 0) return;
  if (auto* call = wakeup_.load(sync::memory_order_acquire))
    call(wakeup_argument_.load(sync::memory_order_relaxed));
}

void event_hub::operation_ended() noexcept {
  // relaxed: a worker that still sees the old count polls once for nothing.
  under_way_.fetch_sub(1, sync::memory_order_relaxed);
}

void event_hub::guest_started() noexcept {
  // seq_cst: N3, against the look at the count in block().
  if (guest_under_way_.fetch_add(1, sync::memory_order_seq_cst) == 0) interrupt();
  operation_started();
}

void event_hub::guest_ended() noexcept {
  guest_under_way_.fetch_sub(1, sync::memory_order_relaxed);
  operation_ended();
}

// ---- opening

// Makes the epoll instance when it is first needed, so that a runtime without I/O holds no
// descriptors. 0 or an errno value.
GREENROOM_NOINLINE int event_hub::open() noexcept {
  if (epoll_.load(sync::memory_order_acquire) >= 0) return 0;
  const std::lock_guard guard(opening_);
  if (epoll_.load(sync::memory_order_relaxed) >= 0) return 0;
  const int poller = epoll_create1(EPOLL_CLOEXEC);
  if (poller < 0) return errno;
  const int wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  epoll_event event{};
  event.events = EPOLLIN | EPOLLET;
  event.data.ptr = nullptr;
  if (wake < 0 || epoll_ctl(poller, EPOLL_CTL_ADD, wake, &event) != 0) {
    const int failed = errno;
    if (wake >= 0) ::close(wake);
    ::close(poller);
    return failed;
  }
  wake_.store(wake, sync::memory_order_relaxed);
  epoll_.store(poller, sync::memory_order_release);
  return 0;
}

GREENROOM_NOINLINE int event_hub::watch(int fd, descriptor* to, bool writes) noexcept {
  if (const int failed = open()) return failed;
  epoll_event event{};
  event.events = read_events | (writes ? std::uint32_t{EPOLLOUT} : 0u);
  event.data.ptr = to;
  if (epoll_ctl(epoll_.load(sync::memory_order_relaxed), EPOLL_CTL_ADD, fd, &event) != 0)
    return errno;
  operation_started();
  return 0;
}

GREENROOM_NOINLINE int event_hub::watch_writes(int fd, descriptor* to) noexcept {
  epoll_event event{};
  event.events = read_events | EPOLLOUT;
  event.data.ptr = to;
  const int poller = epoll_.load(sync::memory_order_acquire);
  return epoll_ctl(poller, EPOLL_CTL_MOD, fd, &event) == 0 ? 0 : errno;
}

guest_loop& event_hub::guest(guest_loop* (*make)(int poll_fd)) {
  if (guest_loop* there = guest_.load(sync::memory_order_acquire)) return *there;
  if (open() != 0) fatal("no descriptors left for the netpoller (limit on open files)");
  const std::lock_guard guard(opening_);
  if (guest_loop* there = guest_.load(sync::memory_order_relaxed)) return *there;
  guest_loop* made = make(epoll_.load(sync::memory_order_relaxed));
  made->host = this;
  guest_.store(made, sync::memory_order_release);
  return *made;
}

// ---- polling

GREENROOM_WORKER_CODE bool event_hub::polls_here() const noexcept {
  const worker* mine = this_worker();
  return mine != nullptr && polled_by_.load(sync::memory_order_relaxed) == mine;
}

GREENROOM_NOINLINE GREENROOM_WORKER_CODE int event_hub::poll(duration max_wait) {
  polled_by_.store(this_worker(), sync::memory_order_relaxed);
  const int count = max_wait <= duration::zero() ? collect() : block(max_wait);
  polled_by_.store(nullptr, sync::memory_order_relaxed);
  return count;
}

int event_hub::collect() {
  int count = 0;
  if (epoll_.load(sync::memory_order_acquire) >= 0) count = dispatch(wait(duration::zero()));
  if (guest_under_way_.load(sync::memory_order_relaxed) != 0)
    count += guest_.load(sync::memory_order_acquire)->poll();
  return count;
}

int event_hub::block(duration max_wait) {
  std::uint32_t expected = idle;
  // seq_cst: N3, before the look at the guest's count.
  if (epoll_.load(sync::memory_order_acquire) < 0 ||
      !state_.compare_exchange_strong(expected, blocked, sync::memory_order_seq_cst)) {
    state_.store(idle, sync::memory_order_release);
    return collect();
  }
  int count = 0;
  if (guest_under_way_.load(sync::memory_order_seq_cst) != 0) {
    count = guest_.load(sync::memory_order_acquire)->run(max_wait);
    count += dispatch(wait(duration::zero()));
  } else {
    count = dispatch(wait(max_wait));
  }
  state_.store(idle, sync::memory_order_release);
  return count;
}

void event_hub::interrupt() noexcept {
  if (state_.exchange(notified, sync::memory_order_seq_cst) != blocked) return;
  // Nobody reads the counter: with an edge-triggered registration each write is an event.
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto written =
      ::write(wake_.load(sync::memory_order_acquire), &one, sizeof one);
}

// Fills events_; returns how many.
GREENROOM_NOINLINE int event_hub::wait(duration max_wait) noexcept {
  const int poller = epoll_.load(sync::memory_order_relaxed);
  if (max_wait <= duration::zero() || max_wait == duration::max())
    return epoll_wait(poller, events_, events_max, max_wait == duration::max() ? -1 : 0);
#if defined(__GLIBC__) && __GLIBC_PREREQ(2, 35)
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(max_wait);
  timespec limit{};
  limit.tv_sec = seconds.count();
  limit.tv_nsec = (max_wait - seconds).count();
  const int count = epoll_pwait2(poller, events_, events_max, &limit, nullptr);
  if (count >= 0 || (errno != ENOSYS && errno != EPERM)) return count;
#endif
  // Linux before 5.11: milliseconds, rounded up, lest we spin until the deadline.
  constexpr std::int64_t longest_ms = 1 << 30;
  const std::int64_t ms = std::chrono::ceil<std::chrono::milliseconds>(max_wait).count();
  return epoll_wait(poller, events_, events_max,
                    static_cast<int>(ms < longest_ms ? ms : longest_ms));
}

int event_hub::dispatch(int count) noexcept {
  for (int i = 0; i < count; ++i)
    if (auto* to = static_cast<descriptor*>(events_[i].data.ptr)) to->on_events(events_[i].events);
  return count > 0 ? count : 0;
}

// ---- the netpoller

namespace {

class hub_netpoller final : public netpoller {
 public:
  ~hub_netpoller() override { event_hub::release(hub_); }
  bool has_work() override { return hub_->has_work(); }
  int poll(duration max_wait) override { return hub_->poll(max_wait); }
  void interrupt() override { hub_->interrupt(); }
  void set_wakeup(void (*call)(void*), void* argument) override {
    hub_->set_wakeup(call, argument);
  }
  event_hub& hub() override { return *hub_; }

 private:
  event_hub* hub_ = event_hub::acquire();
};

}  // namespace

std::unique_ptr<netpoller> make_netpoller() { return std::make_unique<hub_netpoller>(); }

guest_loop& current_guest(guest_loop* (*make)(int poll_fd)) {
  netpoller* const p = current_netpoller();
  if (p == nullptr) fatal("Asio was used while no runtime runs in this process; make one first");
  return p->hub().guest(make);
}

void guest_operation_started(guest_loop& guest) noexcept { guest.host->guest_started(); }
void guest_operation_ended(guest_loop& guest) noexcept { guest.host->guest_ended(); }

}  // namespace greenroom::detail
