// SPDX-License-Identifier: Apache-2.0
// socket_stream, and connecting.
#include "net_socket.hpp"

#include "net_address.hpp"

#include <greenroom/detail/adopt_socket.hpp>

#include <algorithm>
#include <cerrno>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <unistd.h>

namespace greenroom::detail {

namespace {

constexpr std::size_t pieces_max = 64;  // of one system call

GREENROOM_NOINLINE int connect_now(int fd, const sockaddr* to, socklen_t size) noexcept {
  return ::connect(fd, to, size) == 0 ? 0 : errno;
}

}  // namespace

// ---- socket_stream

GREENROOM_COLD error socket_stream::refused_entry(const descriptor::visit& visit,
                                                  const char* doing) const {
  if (visit.is_closed()) return error::closed;
  return {error::invalid,
          std::string(doing) + ' ' + peer_ + ": another green thread is inside the same call"};
}

GREENROOM_COLD error socket_stream::failed(std::string_view doing, int number) const {
  return system_error(doing, peer_, number);
}

std::expected<std::size_t, error> socket_stream::bytes_read(
    const std::expected<io_count, error>& count) const {
  if (!count) return std::unexpected(count.error());
  if (*count > 0) return static_cast<std::size_t>(*count);
  if (*count == 0) return std::unexpected(error::end_of_stream);
  return std::unexpected(failed("read from", static_cast<int>(-*count)));
}

std::expected<std::size_t, error> socket_stream::read_some(std::span<char> into) {
  if (into.empty()) return 0u;
  const descriptor::visit visit(*d_, descriptor::reading);
  if (!visit) return std::unexpected(refused_entry(visit, "read from"));
  return bytes_read(d_->read(into, due()));
}

std::expected<std::size_t, error> socket_stream::try_read_some(std::span<char> into) {
  if (into.empty()) return 0u;
  const descriptor::visit visit(*d_, descriptor::reading);
  if (!visit) return std::unexpected(refused_entry(visit, "read from"));
  return bytes_read(d_->try_read(into, due()));
}

std::expected<std::size_t, error> socket_stream::write_some(
    std::span<const std::span<const char>> pieces) {
  iovec parts[pieces_max];
  std::size_t used = 0;
  for (const auto& piece : pieces) {
    if (piece.empty()) continue;
    if (used == pieces_max) break;
    parts[used++] = {const_cast<char*>(piece.data()), piece.size()};
  }
  if (used == 0) return 0u;
  const descriptor::visit visit(*d_, descriptor::writing);
  if (!visit) return std::unexpected(refused_entry(visit, "write to"));
  const auto count = d_->write(std::span(parts, used), due());
  if (!count) return std::unexpected(count.error());
  if (*count >= 0) return static_cast<std::size_t>(*count);
  if (*count == -EPIPE && write_is_shut_.load(sync::memory_order_relaxed))
    return std::unexpected(error::closed);
  return std::unexpected(failed("write to", static_cast<int>(-*count)));
}

void socket_stream::shutdown_write() {
  const descriptor::visit visit(*d_, descriptor::control);
  if (!visit) return;
  write_is_shut_.store(true, sync::memory_order_relaxed);
  ::shutdown(d_->fd(), SHUT_WR);
}

void socket_stream::close() { d_->close(); }

void socket_stream::deadline(time_point when) {
  deadline_ns_.store(when.time_since_epoch().count(), sync::memory_order_relaxed);
}

// ---- making sockets

GREENROOM_NOINLINE int make_socket(int family) noexcept {
  const int fd = ::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  return fd >= 0 ? fd : -errno;
}

void set_no_delay(int fd) noexcept {
  const int on = 1;
  // Fails only when the connection is gone already, which the first read reports.
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

std::expected<std::unique_ptr<stream>, error> stream_of(int fd, bool is_tcp, std::string_view doing,
                                                        std::string peer) {
  if (is_tcp) set_no_delay(fd);
  const auto d = descriptor::open(fd, is_tcp, false);
  if (!d) return std::unexpected(system_error(doing, peer, d.error()));
  return make_owner<socket_stream>(*d, std::move(peer));
}

std::expected<std::unique_ptr<stream>, error> adopt_socket(int fd, std::string peer) {
  return stream_of(fd, false, "talk to", std::move(peer));
}

std::expected<std::unique_ptr<stream>, error> connect_socket(int fd, const sockaddr* to,
                                                             socklen_t size, bool is_tcp,
                                                             std::string peer,
                                                             time_point deadline) {
  const int failed = connect_now(fd, to, size);
  if (failed == 0) return stream_of(fd, is_tcp, "connect to", std::move(peer));
  if (failed != EINPROGRESS && failed != EINTR) {
    ::close(fd);
    return std::unexpected(system_error("connect to", peer, failed));
  }
  if (is_tcp) set_no_delay(fd);
  const auto d = descriptor::open(fd, is_tcp, true);
  if (!d) return std::unexpected(system_error("connect to", peer, d.error()));
  auto made = make_owner<socket_stream>(*d, peer);
  const descriptor::visit visit(**d, descriptor::writing);
  const auto result = (*d)->finish_connect(deadline);
  if (!result) {
    if (result.error() == error::timeout)
      return std::unexpected(error(error::timeout, "connect to " + peer + ": no answer in time"));
    return std::unexpected(result.error());
  }
  if (*result < 0)
    return std::unexpected(system_error("connect to", peer, static_cast<int>(-*result)));
  return made;
}

}  // namespace greenroom::detail
