// SPDX-License-Identifier: Apache-2.0
// Listening and connecting: TCP and Unix sockets.
#include "net_address.hpp"
#include "net_resolve.hpp"
#include "net_socket.hpp"

#include <greenroom/green_thread.hpp>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <new>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

namespace greenroom {

namespace {

using namespace detail;

using made_stream = std::expected<std::unique_ptr<stream>, error>;
using made_listener = std::expected<std::unique_ptr<listener>, error>;

// What a step returns, or that there was no memory for it. Nothing is left of it then.
template <class Step>
auto or_no_memory(Step&& step) -> decltype(step()) {
  try {
    return step();
  } catch (const std::bad_alloc&) { return std::unexpected(error::no_memory); }
}

// Binds and listens; 0 or an errno value.
GREENROOM_NOINLINE int bind_and_listen(int fd, const sockaddr* to, socklen_t size,
                                       int backlog) noexcept {
  if (::bind(fd, to, size) != 0 || ::listen(fd, backlog) != 0) return errno;
  return 0;
}

// ---- accepting

class socket_listener final : public listener, private selectable {
 public:
  // `path`: of a Unix socket, removed at the end; else empty.
  socket_listener(descriptor* d, std::string address, std::uint16_t port, std::string path)
      : d_(d), address_(std::move(address)), port_(port), path_(std::move(path)) {}
  ~socket_listener() override {
    close();
    descriptor::dispose(d_);
  }

  made_stream accept() override;
  made_stream try_accept() override;
  selectable* accepting() noexcept override { return this; }
  void close() override;
  std::string address() const override { return address_; }
  std::uint16_t port() const override { return port_; }

 private:
  using taking = std::expected<io_count, error> (descriptor::*)(void*, unsigned&);
  made_stream accept_with(taking take);
  made_stream accepted(int fd, bool is_tcp, const ip_address& from);

  bool is_ready() override { return d_->is_readable(never); }
  line line_up(const wait_ticket& ticket, std::uint64_t value) override {
    return d_->line_up_reader(ticket, value);
  }
  void step_back() noexcept override { d_->step_back_reader(); }
  time_point due() const noexcept override { return never; }

  descriptor* d_;
  std::string address_;
  std::uint16_t port_;
  std::string path_;
  sync::atomic<bool> is_unlinked_{false};
};

made_stream socket_listener::accept() { return accept_with(&descriptor::accept); }
made_stream socket_listener::try_accept() { return accept_with(&descriptor::try_accept); }

made_stream socket_listener::accept_with(taking take) {
  const descriptor::visit visit(*d_, descriptor::reading);
  if (!visit) {
    if (visit.is_closed()) return std::unexpected(error::closed);
    return std::unexpected(
        error(error::invalid,
              "accept on " + address_ + ": another green thread is inside the same call"));
  }
  const bool is_tcp = path_.empty();
  ip_address from;
  const auto fd = (d_->*take)(is_tcp ? &from.any : nullptr, from.size);
  if (!fd) return std::unexpected(fd.error());
  if (*fd < 0) return std::unexpected(system_error("accept on", address_, static_cast<int>(-*fd)));
  return accepted(static_cast<int>(*fd), is_tcp, from);
}

// Without memory for the stream the connection is closed.
made_stream socket_listener::accepted(int fd, bool is_tcp, const ip_address& from) {
  std::string doing, peer;
  try {
    doing = "accept on " + address_ + " from";
    peer = is_tcp ? from.text() : address_;
  } catch (const std::bad_alloc&) {
    ::close(fd);
    return std::unexpected(error::no_memory);
  }
  return or_no_memory([&] { return stream_of(fd, is_tcp, doing, std::move(peer)); });
}

void socket_listener::close() {
  if (!path_.empty() && !is_unlinked_.exchange(true, sync::memory_order_relaxed))
    ::unlink(path_.c_str());
  d_->close();
}

// ---- Unix addresses

struct unix_address {
  sockaddr_un name{};
  socklen_t size = 0;
};

std::expected<unix_address, error> unix_address_of(const std::string& path, const char* doing) {
  unix_address address;
  constexpr std::size_t length_max = sizeof address.name.sun_path - 1;
  if (path.empty() || path.size() > length_max)
    return std::unexpected(error(error::invalid, std::string(doing) + " unix:" + path +
                                                     ": the path must have 1 to " +
                                                     std::to_string(length_max) + " characters"));
  address.name.sun_family = AF_UNIX;
  std::memcpy(address.name.sun_path, path.c_str(), path.size() + 1);
  address.size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size() + 1);
  return address;
}

GREENROOM_NOINLINE int connect_unix_now(int fd, const unix_address& to) noexcept {
  return ::connect(fd, reinterpret_cast<const sockaddr*>(&to.name), to.size) == 0 ? 0 : errno;
}

// True when a socket file is there and nobody listens on it.
bool is_stale(const std::string& path, const unix_address& address) {
  struct stat info{};
  if (::lstat(path.c_str(), &info) != 0 || !S_ISSOCK(info.st_mode)) return false;
  const int fd = make_socket(AF_UNIX);
  if (fd < 0) return false;
  const int failed = connect_unix_now(fd, address);
  ::close(fd);
  return failed == ECONNREFUSED;
}

}  // namespace

// ---- TCP

static made_listener listen_tcp_now(const std::string& host, std::uint16_t port, int backlog) {
  const std::string name = host_and_port(host, port);
  auto addresses = resolve(host, port, true, never);
  if (!addresses)
    return std::unexpected(
        error(addresses.error().code(), "listen on " + name + ": " + addresses.error().text()));
  int failed = 0;
  for (ip_address& address : *addresses) {
    const int fd = make_socket(address.any.sa_family);
    if (fd < 0) {
      failed = -fd;
      continue;
    }
    const int on = 1;
    ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    failed = bind_and_listen(fd, &address.any, address.size, backlog);
    if (failed != 0) {
      ::close(fd);
      continue;
    }
    ::getsockname(fd, &address.any, &address.size);
    const auto d = descriptor::open(fd, true, false);
    if (!d) return std::unexpected(system_error("listen on", name, d.error()));
    return make_owner<socket_listener>(*d, address.text(), address.port(), "");
  }
  return std::unexpected(system_error("listen on", name, failed));
}

static made_stream connect_tcp_now(const std::string& host, std::uint16_t port,
                                   time_point deadline) {
  const std::string name = host_and_port(host, port);
  const auto addresses = resolve(host, port, false, deadline);
  if (!addresses) {
    if (addresses.error() == error::cancelled) return std::unexpected(addresses.error());
    return std::unexpected(
        error(addresses.error().code(), "connect to " + name + ": " + addresses.error().text()));
  }
  error last = error::io;
  for (const ip_address& address : *addresses) {
    const int fd = make_socket(address.any.sa_family);
    if (fd < 0) {
      last = system_error("connect to", name, -fd);
      continue;
    }
    auto made = connect_socket(fd, &address.any, address.size, true, address.text(), deadline);
    if (made) return made;
    last = made.error();
    if (last == error::cancelled) break;
    if (deadline != never && now() >= deadline) break;
  }
  return std::unexpected(last);
}

// ---- Unix sockets

static made_listener listen_unix_now(const std::string& path) {
  constexpr int backlog = 1024;
  const std::string name = "unix:" + path;
  const auto address = unix_address_of(path, "listen on");
  if (!address) return std::unexpected(address.error());
  const int fd = make_socket(AF_UNIX);
  if (fd < 0) return std::unexpected(system_error("listen on", name, -fd));
  const auto* to = reinterpret_cast<const sockaddr*>(&address->name);
  int failed = bind_and_listen(fd, to, address->size, backlog);
  if (failed == EADDRINUSE && is_stale(path, *address)) {
    ::unlink(path.c_str());
    failed = bind_and_listen(fd, to, address->size, backlog);
  }
  if (failed != 0) {
    ::close(fd);
    return std::unexpected(system_error("listen on", name, failed));
  }
  const auto d = descriptor::open(fd, false, false);
  if (!d) return std::unexpected(system_error("listen on", name, d.error()));
  return make_owner<socket_listener>(*d, name, std::uint16_t{0}, path);
}

static made_stream connect_unix_now(const std::string& path) {
  // While the listener's queue is full the kernel says EAGAIN and gives no event when there is
  // room again, so we come back a few times.
  constexpr int tries_max = 100;
  constexpr duration pause = std::chrono::milliseconds(2);
  const std::string name = "unix:" + path;
  const auto address = unix_address_of(path, "connect to");
  if (!address) return std::unexpected(address.error());
  for (int tries = 1;; ++tries) {
    const int fd = make_socket(AF_UNIX);
    if (fd < 0) return std::unexpected(system_error("connect to", name, -fd));
    const int failed = connect_unix_now(fd, *address);
    if (failed == 0) return stream_of(fd, false, "connect to", name);
    ::close(fd);
    if (failed != EAGAIN) return std::unexpected(system_error("connect to", name, failed));
    if (tries == tries_max)
      return std::unexpected(
          error(error::refused, "connect to " + name + ": the listener's queue stays full"));
    sleep_for(pause);
  }
}

// ---- as they are called

made_listener listen_tcp(const std::string& host, std::uint16_t port, int backlog) {
  return or_no_memory([&] { return listen_tcp_now(host, port, backlog); });
}
made_stream connect_tcp(const std::string& host, std::uint16_t port, time_point deadline) {
  return or_no_memory([&] { return connect_tcp_now(host, port, deadline); });
}
made_listener listen_unix(const std::string& path) {
  return or_no_memory([&] { return listen_unix_now(path); });
}
made_stream connect_unix(const std::string& path) {
  return or_no_memory([&] { return connect_unix_now(path); });
}

}  // namespace greenroom
