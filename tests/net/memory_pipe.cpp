// SPDX-License-Identifier: Apache-2.0
// What is particular to memory pipes: their bound, and that they need no runtime.
#include "net_test.hpp"

#include <thread>

namespace net_test {

TEST_SUITE_BEGIN("memory pipe");

TEST_CASE("a memory pipe holds as many bytes as it was made for, and then its writer waits") {
  on_workers(1, [] {
    auto [near, far] = gr::memory_pipe(10);
    const std::string all = "0123456789abc";
    const std::span<const char> piece(all);
    CHECK(must(near->write_some(std::span(&piece, 1))) == 10);
    bool written = false;
    const auto writer = gr::spawn([&] {
      must(near->write("x"));
      written = true;
    });
    gr::yield();
    CHECK(!written);
    CHECK(read_exactly(*far, 3) == "012");
    CHECK(writer.join());
    CHECK(written);
    CHECK(read_exactly(*far, 8) == "3456789x");
  });
}

TEST_CASE("a memory pipe of one byte passes a long text between two workers") {
  on_workers(2, [] {
    auto [near, far] = gr::memory_pipe(1);
    const std::string text(20'000, 'q');
    const auto writer = gr::spawn([&] {
      must(near->write(text));
      near->close();
    });
    CHECK(read_all(*far) == text);
    CHECK(writer.join());
  });
}

TEST_CASE("a memory pipe joins two OS threads") {
  auto [near, far] = gr::memory_pipe(100);
  const std::string text(1 << 20, 'm');
  std::thread writer([&] {
    must(near->write(text));
    near.reset();
  });
  CHECK(read_all(*far) == text);
  writer.join();
}

TEST_SUITE_END();

}  // namespace net_test
