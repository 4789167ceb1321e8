// SPDX-License-Identifier: Apache-2.0
// Byte streams: TCP, Unix sockets, and a pair in memory for tests. Waiting is a statement: a
// read that finds nothing parks the green thread (or blocks the OS thread) that called it.
//
// Rules that hold for every stream and listener here:
// - One reader and one writer at a time may be inside; a second one gets error::invalid. Who waits
//   in a select for a stream to become readable is its reader.
// - close() may come from anywhere at any time; whoever is inside leaves with error::closed.
//   The object itself is destroyed when nobody is inside any more.
// - A green thread that is being cancelled gets error::cancelled once; its next wait throws.
// - Failures of the system are error::io, and the text names the thing and the value
//   ("read from 10.0.0.1:5000: Connection reset by peer"). When descriptors or memory have run
//   out it is error::no_memory: trying again later makes sense.
#pragma once

#include <greenroom/clock.hpp>
#include <greenroom/error.hpp>
#include <greenroom/selectable.hpp>

#include <cstddef>
#include <cstdint>
#include <expected>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace greenroom {

class stream {
 public:
  virtual ~stream();

  // At least one byte, or an error: end_of_stream once the peer wrote its last, timeout,
  // cancelled, closed, io. An empty span gives 0 at once.
  virtual std::expected<std::size_t, error> read_some(std::span<char> into) = 0;
  // The same without a wait: error::empty when there is nothing now.
  virtual std::expected<std::size_t, error> try_read_some(std::span<char> into);
  // Takes at least one byte of the pieces in order; says how many in all.
  virtual std::expected<std::size_t, error> write_some(
      std::span<const std::span<const char>> pieces) = 0;
  // Writes all of it. After a failure an unknown part may have been written.
  status write(std::string_view all);

  // The peer reads end_of_stream after what was written so far; reading goes on.
  virtual void shutdown_write() = 0;
  virtual void close() = 0;
  // For the reads and writes that begin from now on: past it they give error::timeout, also when
  // there would be data. `never` takes it away.
  virtual void deadline(time_point when) = 0;
  // "10.0.0.1:5000", "[::1]:5000", "unix:/run/x", "memory".
  virtual std::string peer_name() const = 0;
  // Its reading side, as a select sees it. Null: it cannot be a case of a select. The streams of
  // this library have one; who writes a stream on top of another may hand on the other's.
  virtual selectable* reading() noexcept;

 protected:
  stream() = default;
  stream(const stream&) = delete;
  stream& operator=(const stream&) = delete;
};

class listener {
 public:
  virtual ~listener();

  // The next connection. After error::no_memory ("too many open files (limit 1024)") the
  // connection still stands in the queue: close something or wait a little, then call again.
  virtual std::expected<std::unique_ptr<stream>, error> accept() = 0;
  // The same without a wait: error::empty when nobody stands in the queue.
  virtual std::expected<std::unique_ptr<stream>, error> try_accept();
  virtual void close() = 0;
  // "127.0.0.1:80", "[::]:80", "unix:/run/x"; the port that was chosen when 0 was asked for.
  virtual std::string address() const = 0;
  // 0 for Unix sockets.
  virtual std::uint16_t port() const = 0;
  // As stream::reading().
  virtual selectable* accepting() noexcept;

 protected:
  listener() = default;
  listener(const listener&) = delete;
  listener& operator=(const listener&) = delete;
};

// `host` is an address or a name; "" is every address of this machine. Port 0 means any.
[[nodiscard]] std::expected<std::unique_ptr<listener>, error> listen_tcp(const std::string& host,
                                                                         std::uint16_t port,
                                                                         int backlog = 1024);
// A socket file that nobody listens on any more is replaced. The file goes with the listener.
[[nodiscard]] std::expected<std::unique_ptr<listener>, error> listen_unix(const std::string& path);

// Tries each address of the name in turn, until the deadline. Small writes leave at once
// (TCP_NODELAY), here and on accepted connections.
[[nodiscard]] std::expected<std::unique_ptr<stream>, error> connect_tcp(
    const std::string& host, std::uint16_t port, time_point deadline = never);
[[nodiscard]] std::expected<std::unique_ptr<stream>, error> connect_unix(const std::string& path);

// Two ends in memory; each direction holds `capacity` bytes, then its writer waits.
[[nodiscard]] std::pair<std::unique_ptr<stream>, std::unique_ptr<stream>> memory_pipe(
    std::size_t capacity = std::size_t{64} << 10);

}  // namespace greenroom
