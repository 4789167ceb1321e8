// SPDX-License-Identifier: Apache-2.0
// descriptor: its life, and the loop of try and wait that all operations share.
#include "descriptor.hpp"

#include "event_hub.hpp"
#include "netpoller.hpp"
#include "scheduler.hpp"

#include <greenroom/detail/netpoller_access.hpp>

#include <cerrno>
#include <new>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace greenroom::detail {

namespace {

constexpr wait_reason reading_stream{"read on a stream"};
constexpr wait_reason writing_stream{"write on a stream"};
constexpr wait_reason accepting{"accept on a listener"};
constexpr wait_reason connecting{"connect"};

// A connection whose peer is always faster than we are must not keep the others from running.
constexpr std::uint32_t turns_max = 8;

constexpr int records_per_block = 64;

spin_lock free_lock;
descriptor* free_records = nullptr;

// The system calls stand in functions of their own, which contain no wait: inside one function
// the address of errno is computed once, and after a wait it may be another thread's.
GREENROOM_NOINLINE io_count receive_now(int fd, std::span<char> into) noexcept {
  const ssize_t n = ::recv(fd, into.data(), into.size(), MSG_DONTWAIT);
  return n >= 0 ? n : -errno;
}

GREENROOM_NOINLINE io_count send_now(int fd, std::span<const iovec> from) noexcept {
  msghdr message{};
  message.msg_iov = const_cast<iovec*>(from.data());
  message.msg_iovlen = from.size();
  const ssize_t n = ::sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
  return n >= 0 ? n : -errno;
}

GREENROOM_NOINLINE io_count accept_now(int fd, void* from, unsigned& from_size) noexcept {
  socklen_t size = from_size;
  const int made = ::accept4(fd, static_cast<sockaddr*>(from), &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
  from_size = size;
  return made >= 0 ? made : -errno;
}

// 1 when a read or an accept would not have to wait.
GREENROOM_NOINLINE io_count poll_now(int fd) noexcept {
  pollfd what{fd, POLLIN, 0};
  const int ready = ::poll(&what, 1, 0);
  return ready > 0 ? 1 : ready == 0 ? -EAGAIN : -errno;
}

// From a listening socket.
io_count accept_next(int fd, void* from, unsigned& from_size) noexcept {
  const unsigned room = from_size;
  for (;;) {
    from_size = room;
    const io_count made = accept_now(fd, from, from_size);
    // The peer gave up while it stood in the queue; accept(2) wants these tried again.
    if (made != -ECONNABORTED && made != -EPROTO && made != -ENETDOWN && made != -ENOPROTOOPT &&
        made != -EHOSTDOWN && made != -EHOSTUNREACH && made != -ENETUNREACH)
      return made;
  }
}

GREENROOM_NOINLINE io_count connect_result(int fd) noexcept {
  int failed = 0;
  socklen_t size = sizeof failed;
  if (::getsockopt(fd, SOL_SOCKET, SO_ERROR, &failed, &size) != 0) return -errno;
  if (failed != 0) return -failed;
  sockaddr_storage peer;
  size = sizeof peer;
  if (::getpeername(fd, reinterpret_cast<sockaddr*>(&peer), &size) == 0) return 0;
  return errno == ENOTCONN ? -EAGAIN : -errno;  // a spurious event: still under way
}

bool would_block(io_count result) noexcept { return result == -EAGAIN || result == -EWOULDBLOCK; }

}  // namespace

// ---- life

std::expected<descriptor*, int> descriptor::open(int fd, bool is_tcp, bool watch_writes) {
  netpoller* const poller = current_netpoller();
  if (poller == nullptr) {
    ::close(fd);
    return std::unexpected(no_runtime);
  }
  descriptor* d = nullptr;
  {
    const spin_guard guard(free_lock);
    d = free_records;
    if (d != nullptr) free_records = d->next_;
  }
  if (d == nullptr) {
    auto* block = new (std::nothrow) descriptor[records_per_block];
    if (block == nullptr) {
      ::close(fd);
      return std::unexpected(ENOMEM);
    }
    d = block;
    const spin_guard guard(free_lock);
    for (int i = 1; i < records_per_block; ++i) {
      block[i].next_ = free_records;
      free_records = &block[i];
    }
  }
  d->hub_ = &poller->hub();
  d->fd_ = fd;
  d->is_tcp_ = is_tcp;
  d->drained_ = false;
  d->watches_writes_ = watch_writes;
  d->sticky_.store(false, sync::memory_order_relaxed);
  d->readable_.reset();
  d->writable_.reset();
  d->state_.store(0, sync::memory_order_release);
  if (const int failed = d->hub_->watch(fd, d, watch_writes)) {
    ::close(fd);
    d->state_.store(closed | released, sync::memory_order_release);
    dispose(d);
    return std::unexpected(failed);
  }
  return d;
}

void descriptor::dispose(descriptor* d) {
  d->close();
  const spin_guard guard(free_lock);
  d->next_ = free_records;
  free_records = d;
}

void descriptor::close_fd() noexcept {
  if ((state_.fetch_or(released, sync::memory_order_acq_rel) & released) != 0) return;
  ::close(fd_);
  hub_->forget();
}

void descriptor::close() {
  // acq_rel: whoever leaves after this sees `closed`; we see that those who left have left.
  const std::uint32_t before = state_.fetch_or(closed, sync::memory_order_acq_rel);
  if ((before & closed) != 0) return;
  if ((before & inside_mask) == 0) {
    close_fd();
    return;
  }
  readable_.signal();
  writable_.signal();
}

descriptor::visit::result descriptor::enter(side s) noexcept {
  if (GREENROOM_UNLIKELY(forked())) return visit::was_closed;
  // acquire: sees what the last one on this side left in its fields.
  const std::uint32_t before = state_.fetch_or(s, sync::memory_order_acquire);
  if ((before & s) != 0) return visit::occupied;
  if ((before & closed) == 0) return visit::entered;
  leave(s);
  return visit::was_closed;
}

void descriptor::leave(side s) noexcept {
  const std::uint32_t after = state_.fetch_and(~s, sync::memory_order_acq_rel) & ~s;
  if (GREENROOM_UNLIKELY((after & closed) != 0) && (after & inside_mask) == 0) close_fd();  // D1
}

// ---- events

void descriptor::on_events(std::uint32_t events) {
  constexpr std::uint32_t ends = EPOLLERR | EPOLLHUP;
  // Before the signal, so that the reader it wakes sees it (D3).
  if ((events & (ends | EPOLLRDHUP | EPOLLPRI)) != 0)
    sticky_.store(true, sync::memory_order_relaxed);
  if ((events & (ends | EPOLLRDHUP | EPOLLPRI | EPOLLIN)) != 0) readable_.signal();
  if ((events & (ends | EPOLLOUT)) != 0) writable_.signal();
}

// ---- operations

GREENROOM_WORKER_CODE void descriptor::take_turns(std::uint32_t s) {
  worker* w = this_worker();
  if (w == nullptr) return;
  auto& mine = turns_[s == writing];
  const std::uint64_t wait = current_fiber()->seq;
  if (mine.wait != wait) {
    mine.wait = wait;
    mine.count = 0;
  } else if (++mine.count == turns_max) {
    mine.count = 0;
    let_others_run(w);  // a cancel is looked at by the next wait
  }
}

template <class Try>
std::expected<io_count, error> descriptor::attempt(side s, const wait_reason& reason,
                                                   time_point deadline, Try attempt_once) {
  readiness& side_ready = s == reading ? readable_ : writable_;
  if (report_cancel()) return std::unexpected(error::cancelled);
  deadline = bounded(deadline);
  if (deadline != never && now() >= deadline) return std::unexpected(error::timeout);
  take_turns(s);
  for (;;) {
    if (s != reading || !drained_ || side_ready.is_set() ||
        sticky_.load(sync::memory_order_relaxed)) {
      side_ready.clear();
      // After the clear: close() sets the bit, then signals (R1).
      if (is_closed()) return std::unexpected(error::closed);
      if (s == reading) drained_ = false;
      const io_count result = attempt_once();
      if (result == -EINTR) continue;
      if (!would_block(result)) return result;
      if (s == reading) drained_ = true;
      if (s == writing && !watches_writes_) {
        watches_writes_ = true;
        if (const int failed = hub_->watch_writes(fd_, this)) return -failed;
      }
    }
    switch (side_ready.wait(reason, deadline)) {
      case wait_end::ready: break;
      case wait_end::timeout: return std::unexpected(is_closed() ? error::closed : error::timeout);
      case wait_end::cancelled:
        if (report_cancel()) return std::unexpected(error::cancelled);
        break;
    }
  }
}

template <class Try>
std::expected<io_count, error> descriptor::attempt_now(time_point deadline, Try attempt_once) {
  if (deadline != never && now() >= deadline) return std::unexpected(error::timeout);
  if (drained_ && !readable_.is_set() && !sticky_.load(sync::memory_order_relaxed))
    return std::unexpected(error::empty);
  take_turns(reading);
  for (;;) {
    readable_.clear();
    if (is_closed()) return std::unexpected(error::closed);  // after the clear, as above
    drained_ = false;
    const io_count result = attempt_once();
    if (result == -EINTR) continue;
    if (!would_block(result)) return result;
    drained_ = true;
    return std::unexpected(error::empty);
  }
}

io_count descriptor::receive(std::span<char> into) noexcept {
  const io_count n = receive_now(fd_, into);
  drained_ = is_tcp_ && n > 0 && static_cast<std::size_t>(n) < into.size();
  return n;
}

std::expected<io_count, error> descriptor::read(std::span<char> into, time_point deadline) {
  return attempt(reading, reading_stream, deadline, [this, into] { return receive(into); });
}

std::expected<io_count, error> descriptor::try_read(std::span<char> into, time_point deadline) {
  return attempt_now(deadline, [this, into] { return receive(into); });
}

std::expected<io_count, error> descriptor::write(std::span<const iovec> from, time_point deadline) {
  return attempt(writing, writing_stream, deadline, [this, from] { return send_now(fd_, from); });
}

std::expected<io_count, error> descriptor::accept(void* from, unsigned& from_size) {
  return attempt(reading, accepting, never,
                 [this, from, &from_size] { return accept_next(fd_, from, from_size); });
}

std::expected<io_count, error> descriptor::try_accept(void* from, unsigned& from_size) {
  return attempt_now(never, [this, from, &from_size] { return accept_next(fd_, from, from_size); });
}

std::expected<io_count, error> descriptor::finish_connect(time_point deadline) {
  return attempt(writing, connecting, deadline, [this] { return connect_result(fd_); });
}

// ---- select

bool descriptor::is_readable(time_point deadline) {
  const visit inside(*this, reading);
  if (!inside) return true;
  const auto ready = attempt_now(deadline, [this] { return poll_now(fd_); });
  return ready || ready.error() != error::empty;
}

selectable::line descriptor::line_up_reader(const wait_ticket& ticket, std::uint64_t value) {
  const visit::result how = enter(reading);
  if (how == visit::occupied) return selectable::line::occupied;
  if (how == visit::was_closed) return selectable::line::look_again;
  // Drained: who looked found nothing, and clears the flag before each look. A close that comes
  // now finds us inside, and signals.
  if (drained_ && readable_.line_up(ticket, value)) return selectable::line::waits;
  leave(reading);
  return selectable::line::look_again;
}

void descriptor::step_back_reader() noexcept {
  readable_.step_back();
  leave(reading);
}

}  // namespace greenroom::detail
