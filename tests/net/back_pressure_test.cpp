// SPDX-License-Identifier: Apache-2.0
// Back-pressure through a chain of actors to a TCP peer: a client that does not read stops whoever
// produces for it, and nothing grows.
#include "net_test.hpp"

#include <algorithm>
#include <atomic>
#include <fstream>
#include <string>

namespace net_test {

TEST_SUITE_BEGIN("back-pressure");

namespace {

constexpr std::size_t block_size = 16 << 10;
constexpr unsigned room = 8;  // of each mailbox

struct block {
  int number;
};

// The number at the head, so that a reader sees that none is missing.
std::string text_of(int number) {
  std::string text = std::to_string(number);
  text.resize(block_size, '.');
  return text;
}

// What the kernel may hold of one connection over loopback, by its own limits.
std::size_t kernel_bytes_max() {
  std::size_t sum = 0;
  for (const char* name : {"/proc/sys/net/ipv4/tcp_wmem", "/proc/sys/net/ipv4/tcp_rmem"}) {
    std::size_t least = 0;
    std::size_t usual = 0;
    std::size_t most = 8 << 20;
    std::ifstream(name) >> least >> usual >> most;
    sum += most;
  }
  return sum;
}

struct counters {
  std::atomic<int> produced{0};
  std::atomic<std::size_t> bytes_written{0};
  std::atomic<bool> is_full{false};  // a write found no room for a while
};

// Writes all of it. The first write that finds no room for a while says so, and then waits on.
void write_counted(gr::stream& to, std::string_view all, counters& count) {
  while (!all.empty()) {
    to.deadline(count.is_full ? gr::never : gr::deadline_after(50ms));
    const std::span<const char> piece(all);
    const auto n = to.write_some(std::span(&piece, 1));
    if (n) {
      count.bytes_written += *n;
      all.remove_prefix(*n);
    } else if (n.error() == gr::error::timeout) {
      count.is_full = true;
    } else {
      FAIL(n.error().text());
    }
  }
}

}  // namespace

// Goal: with a client that does not read, as much is produced as the mailboxes and the kernel hold
// and no more; when it reads, everything arrives. Method: a producer, a relay and a writer, with
// more blocks than there is room for in all. The producer can end only if somebody in the chain
// does not push back, or when the client reads, which it does once the writer found no room. (On a
// machine that stalls the writer may say so early; then less has been produced, never more.)
TEST_CASE("a TCP client that does not read stops its producer, until it reads again") {
  const std::size_t kernel_max = kernel_bytes_max();
  const int blocks = static_cast<int>(kernel_max / block_size) + 100;
  on_workers(2, [&] {
    auto [service, client] = tcp_pair();
    counters count;
    const auto writer = gr::spawn(
        {.name = "writer", .capacity = room}, [&, to = std::move(service)](gr::mailbox<block>& in) {
          while (in.receive([&](block b) { write_counted(*to, text_of(b.number), count); })) {}
        });
    const auto relay =
        gr::spawn({.name = "relay", .capacity = room}, [next = writer](gr::mailbox<block>& in) {
          while (in.receive([&](block b) { next.send(b); })) {}
        });
    const auto producer = gr::spawn([&, next = relay] {
      for (int i = 0; i < blocks; ++i) {
        if (!next.send(block{i})) return;
        ++count.produced;
      }
    });
    while (!count.is_full && count.produced < blocks) gr::yield();
    // Two mailboxes, and a block in the hands of each of the three.
    const auto produced = count.produced * static_cast<std::ptrdiff_t>(block_size);
    const auto written = static_cast<std::ptrdiff_t>(count.bytes_written.load());
    CHECK(count.is_full);
    CHECK(count.produced < blocks);
    CHECK(written <= static_cast<std::ptrdiff_t>(kernel_max));
    CHECK(produced - written <= static_cast<std::ptrdiff_t>((2 * room + 3) * block_size));

    std::string got(block_size, ' ');
    for (int i = 0; i < blocks; ++i) {
      got = read_exactly(*client, block_size);
      REQUIRE(got == text_of(i));
    }
    CHECK(producer.join());
    CHECK(count.produced == blocks);
  });
}

TEST_SUITE_END();

}  // namespace net_test
