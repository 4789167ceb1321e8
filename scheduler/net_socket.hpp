// SPDX-License-Identifier: Apache-2.0
// A stream over a socket, and the few calls with which sockets are made.
#pragma once

#include "descriptor.hpp"

#include <greenroom/net.hpp>

#include <memory>
#include <string>
#include <sys/socket.h>
#include <utility>

namespace greenroom::detail {

class socket_stream final : public stream, private selectable {
 public:
  socket_stream(descriptor* d, std::string peer) noexcept : d_(d), peer_(std::move(peer)) {}
  ~socket_stream() override { descriptor::dispose(d_); }

  std::expected<std::size_t, error> read_some(std::span<char> into) override;
  std::expected<std::size_t, error> write_some(
      std::span<const std::span<const char>> pieces) override;
  std::expected<std::size_t, error> try_read_some(std::span<char> into) override;
  selectable* reading() noexcept override { return this; }
  void shutdown_write() override;
  void close() override;
  void deadline(time_point when) override;
  std::string peer_name() const override { return peer_; }

 private:
  bool is_ready() override { return d_->is_readable(due()); }
  line line_up(const wait_ticket& ticket, std::uint64_t value) override {
    return d_->line_up_reader(ticket, value);
  }
  void step_back() noexcept override { d_->step_back_reader(); }
  time_point due() const noexcept override {
    return time_point(duration(deadline_ns_.load(sync::memory_order_relaxed)));
  }

  std::expected<std::size_t, error> bytes_read(const std::expected<io_count, error>& count) const;
  error refused_entry(const descriptor::visit& visit, const char* doing) const;
  error failed(std::string_view doing, int number) const;

  descriptor* d_;
  std::string peer_;
  sync::atomic<std::int64_t> deadline_ns_{never.time_since_epoch().count()};
  sync::atomic<bool> write_is_shut_{false};
};

// The owner of a descriptor, which goes if there is no memory for one.
template <class Owner, class... As>
std::unique_ptr<Owner> make_owner(descriptor* d, As&&... as) {
  try {
    return std::make_unique<Owner>(d, std::forward<As>(as)...);
  } catch (...) {
    descriptor::dispose(d);
    throw;
  }
}

// A non-blocking socket or a negative errno value.
int make_socket(int family) noexcept;
void set_no_delay(int fd) noexcept;

// The stream of a connected socket; `doing` and `peer` are for the error's text.
std::expected<std::unique_ptr<stream>, error> stream_of(int fd, bool is_tcp, std::string_view doing,
                                                        std::string peer);
// Connects: `fd` is taken over in any case.
std::expected<std::unique_ptr<stream>, error> connect_socket(int fd, const sockaddr* to,
                                                             socklen_t size, bool is_tcp,
                                                             std::string peer, time_point deadline);

}  // namespace greenroom::detail
