// SPDX-License-Identifier: Apache-2.0
// What the tests of streams share. Connected pairs of every kind, so that one test states a rule
// for TCP, Unix sockets and memory pipes alike.
#pragma once

#include <greenroom/greenroom.hpp>
#include <greenroom/net.hpp>

#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <random>
#include <string>
#include <unistd.h>
#include <utility>

namespace net_test {

namespace gr = greenroom;
using namespace std::chrono_literals;

using stream_ptr = std::unique_ptr<gr::stream>;
using stream_pair = std::pair<stream_ptr, stream_ptr>;

// Runs `body` on a green thread of a runtime of its own and waits for all to end.
template <class Body>
void on_workers(unsigned workers, Body body) {
  gr::runtime rt{{.workers = workers, .threads_max = workers}};
  const gr::status ended = rt.spawn(std::move(body)).join();
  CHECK_MESSAGE(ended.ok(), (ended.ok() ? "" : ended.error().text()));
  CHECK(rt.shutdown(30s).ok());
}

// Fails the calling test with the error's text when there is no value.
template <class T>
T must(std::expected<T, gr::error> result) {
  if (!result) throw std::runtime_error(result.error().text());
  return std::move(*result);
}

inline void must(const gr::status& result) {
  if (!result) throw std::runtime_error(result.error().text());
}

// Replay a failure with GREENROOM_SEED=<the seed printed>.
inline std::uint32_t seed_of_this_run() {
  const char* const wish = std::getenv("GREENROOM_SEED");
  return wish != nullptr ? static_cast<std::uint32_t>(std::strtoul(wish, nullptr, 10))
                         : std::random_device{}();
}

// A directory that goes with the test.
class scratch {
 public:
  scratch() {
    std::string name = (std::filesystem::temp_directory_path() / "greenroom-net-XXXXXX").string();
    path_ = ::mkdtemp(name.data());
  }
  ~scratch() { std::filesystem::remove_all(path_); }
  scratch(const scratch&) = delete;
  scratch& operator=(const scratch&) = delete;
  [[nodiscard]] std::string operator/(const char* name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

inline stream_pair tcp_pair() {
  const auto door = must(gr::listen_tcp("127.0.0.1", 0));
  auto near = must(gr::connect_tcp("127.0.0.1", door->port()));
  auto far = must(door->accept());
  return {std::move(near), std::move(far)};
}

inline stream_pair unix_pair() {
  const scratch place;
  const auto door = must(gr::listen_unix(place / "socket"));
  auto near = must(gr::connect_unix(place / "socket"));
  auto far = must(door->accept());
  return {std::move(near), std::move(far)};
}

// For TEST_CASE_TEMPLATE. (INFO will not do: doctest keeps it in a thread_local, and a green thread
// may go on on another worker.)
struct tcp_stream {
  static stream_pair make() { return tcp_pair(); }
};
struct unix_stream {
  static stream_pair make() { return unix_pair(); }
};
struct memory_stream {
  static stream_pair make() { return gr::memory_pipe(4096); }
};

// Reads exactly that many bytes; fewer when the stream ends or fails.
inline std::string read_exactly(gr::stream& from, std::size_t size) {
  std::string all(size, '\0');
  std::size_t got = 0;
  while (got < size) {
    const auto n = from.read_some(std::span(all.data() + got, size - got));
    if (!n) break;
    got += *n;
  }
  all.resize(got);
  return all;
}

// Reads until end_of_stream.
inline std::string read_all(gr::stream& from) {
  std::string all;
  char buffer[1000];
  for (;;) {
    const auto n = from.read_some(buffer);
    if (!n) {
      CHECK(n.error() == gr::error::end_of_stream);
      return all;
    }
    all.append(buffer, *n);
  }
}

// Writes until the peer's buffers are full, under a deadline; then the deadline is taken away.
inline void fill(gr::stream& to) {
  const std::string block(64 << 10, 'x');
  to.deadline(gr::deadline_after(20ms));
  while (to.write(block)) {}
  to.deadline(gr::never);
}

}  // namespace net_test
