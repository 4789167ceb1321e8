// SPDX-License-Identifier: Apache-2.0
// Rules that hold for every stream: TCP, Unix sockets and memory pipes.
#include "net_test.hpp"

#include <array>
#include <atomic>
#include <thread>
#include <vector>

namespace net_test {

TEST_SUITE_BEGIN("streams");

TEST_CASE_TEMPLATE("what is written on one end is read on the other, in order", Kind, tcp_stream,
                   unix_stream, memory_stream) {
  on_workers(2, [] {
    auto [near, far] = Kind::make();
    std::string text;
    for (int i = 0; i < 100'000; ++i) text += std::to_string(i) + ' ';
    const auto writer = gr::spawn([&] {
      must(near->write(text));
      near->shutdown_write();
    });
    CHECK(read_all(*far) == text);
    CHECK(writer.join());
  });
}

TEST_CASE_TEMPLATE("write_some takes its pieces in order and skips empty ones", Kind, tcp_stream,
                   unix_stream, memory_stream) {
  on_workers(1, [] {
    auto [near, far] = Kind::make();
    const std::string a = "ab";
    const std::string b;
    const std::string c = "cde";
    const std::array<std::span<const char>, 3> pieces{a, b, c};
    CHECK(must(near->write_some(pieces)) == 5);
    CHECK(read_exactly(*far, 5) == "abcde");
    CHECK(must(near->write_some({})) == 0);
    CHECK(must(far->read_some({})) == 0);
  });
}

TEST_CASE_TEMPLATE(
    "after shutdown_write the peer reads the rest, then the end, and may still answer", Kind,
    tcp_stream, unix_stream, memory_stream) {
  on_workers(2, [] {
    auto [near, far] = Kind::make();
    must(near->write("question"));
    near->shutdown_write();
    CHECK(near->write("more").error() == gr::error::closed);
    CHECK(read_all(*far) == "question");
    must(far->write("answer"));
    far->close();
    CHECK(read_all(*near) == "answer");
  });
}

// Goal: an end that arrives together with data is seen, though the read of the data came up short
// and no further event will come. Method: both are there before the first read.
TEST_CASE_TEMPLATE("an end of stream that came with the last bytes is not waited for", Kind,
                   tcp_stream, unix_stream, memory_stream) {
  on_workers(1, [] {
    for (int i = 0; i < 200; ++i) {
      auto [near, far] = Kind::make();
      must(near->write("x"));
      near.reset();
      if (i % 2 == 0) gr::yield();
      char buffer[100];
      CHECK(must(far->read_some(buffer)) == 1);
      CHECK(far->read_some(buffer).error() == gr::error::end_of_stream);
      CHECK(far->read_some(buffer).error() == gr::error::end_of_stream);
    }
  });
}

TEST_CASE_TEMPLATE("a peer that is gone fails the writer, and never kills the process by a signal",
                   Kind, tcp_stream, unix_stream, memory_stream) {
  on_workers(1, [] {
    auto [near, far] = Kind::make();
    far.reset();
    gr::status last;
    for (int i = 0; i < 1000 && last; ++i) {
      last = near->write("into the void");
      gr::yield();
    }
    REQUIRE(!last);
    CHECK(last.error() == gr::error::io);
    CHECK(std::string(last.error().text()).starts_with("write to " + near->peer_name() + ": "));
  });
}

// Goal: no interleaving of close() with a read loses the wake-up or uses a foreign descriptor.
// Method: a thousand times each, the reader is spawned and the stream closed with a varying number
// of yields between, while other sockets are opened at once (which reuses descriptor numbers).
TEST_CASE_TEMPLATE("close from another green thread ends a read and a write with closed", Kind,
                   tcp_stream, unix_stream, memory_stream) {
  on_workers(2, [] {
    for (int i = 0; i < 300; ++i) {
      auto [near, far] = Kind::make();
      std::atomic<bool> started{false};
      const auto reader = gr::spawn([&] {
        char buffer[10];
        started = true;
        const auto n = near->read_some(buffer);
        CHECK(n.error() == gr::error::closed);
      });
      while (i % 2 == 0 && !started) gr::yield();
      for (int y = i % 5; y > 0; --y) gr::yield();
      near->close();
      const auto other = Kind::make();
      CHECK(reader.join());
      CHECK(near->write("x").error() == gr::error::closed);
      char buffer[1];
      CHECK(near->read_some(buffer).error() == gr::error::closed);
      CHECK(far->read_some(buffer).error() == gr::error::end_of_stream);
    }
    auto [near, far] = Kind::make();
    fill(*near);
    const auto writer = gr::spawn([&] {
      const std::string block(1 << 20, 'y');
      CHECK(near->write(block).error() == gr::error::closed);
    });
    gr::yield();
    near->close();
    CHECK(writer.join());
  });
}

TEST_CASE_TEMPLATE("past its deadline a stream reports timeout, whether or not there is data", Kind,
                   tcp_stream, unix_stream, memory_stream) {
  on_workers(2, [] {
    auto [near, far] = Kind::make();
    char buffer[10];
    near->deadline(gr::deadline_after(2ms));
    CHECK(near->read_some(buffer).error() == gr::error::timeout);
    must(far->write("late"));
    CHECK(near->read_some(buffer).error() == gr::error::timeout);
    CHECK(near->write("x").error() == gr::error::timeout);
    near->deadline(gr::never);
    CHECK(read_exactly(*near, 4) == "late");
    fill(*near);
    near->deadline(gr::deadline_after(2ms));
    const std::string block(1 << 20, 'y');
    CHECK(near->write(block).error() == gr::error::timeout);
  });
}

TEST_CASE_TEMPLATE("a read that timed out loses nothing: the next one gets the bytes", Kind,
                   tcp_stream, unix_stream, memory_stream) {
  on_workers(2, [] {
    auto [near, far] = Kind::make();
    const auto writer = gr::spawn([&] {
      for (int i = 0; i < 500; ++i) {
        must(far->write("0123456789"));
        for (int y = i % 7; y > 0; --y) gr::yield();
      }
      far->shutdown_write();
    });
    std::size_t got = 0;
    for (int i = 0;; ++i) {
      near->deadline(gr::deadline_after(std::chrono::microseconds(i % 50)));
      char buffer[7];
      const auto n = near->read_some(buffer);
      if (n)
        got += *n;
      else if (n.error() == gr::error::end_of_stream)
        break;
      else
        REQUIRE(n.error() == gr::error::timeout);
    }
    CHECK(got == 5000);
    CHECK(writer.join());
  });
}

TEST_CASE_TEMPLATE("a cancelled green thread gets error::cancelled once, and then unwinds", Kind,
                   tcp_stream, unix_stream, memory_stream) {
  on_workers(2, [] {
    for (int i = 0; i < 300; ++i) {
      auto [near, far] = Kind::make();
      std::atomic<int> seen{0};
      std::atomic<bool> started{false};
      std::atomic<bool> unwound{false};
      const auto reader = gr::spawn([&] {
        struct witness {
          std::atomic<bool>& flag;
          ~witness() { flag = true; }
        } const w{unwound};
        char buffer[10];
        started = true;
        for (;;) {
          const auto n = near->read_some(buffer);
          REQUIRE(n.error() == gr::error::cancelled);
          ++seen;
        }
      });
      while (!started) gr::yield();
      for (int y = i % 4; y > 0; --y) gr::yield();
      reader.cancel();
      CHECK(reader.join().error() == gr::error::cancelled);
      CHECK(seen == 1);
      CHECK(unwound);
      must(near->write("alive"));
      CHECK(read_exactly(*far, 5) == "alive");
    }
  });
}

TEST_CASE_TEMPLATE("a cancel reaches a green thread whose reads never have to wait", Kind,
                   tcp_stream, unix_stream, memory_stream) {
  on_workers(1, [] {
    auto [near, far] = Kind::make();
    std::atomic<bool> stop{false};
    const auto feeder = gr::spawn([&] {
      const std::string block(1000, 'z');
      while (!stop && far->write(block)) {}
    });
    const auto reader = gr::spawn([&] {
      char buffer[1];
      while (near->read_some(buffer)) {}
      while (near->read_some(buffer)) {  // the cancel was reported once; now it throws
      }
    });
    for (int y = 0; y < 100; ++y) gr::yield();
    reader.cancel();
    CHECK(reader.join().error() == gr::error::cancelled);
    stop = true;
    near->close();
    far->close();
    CHECK(feeder.join());
  });
}

TEST_CASE_TEMPLATE("two green threads in one read are told so", Kind, tcp_stream, unix_stream,
                   memory_stream) {
  on_workers(1, [] {
    auto [near, far] = Kind::make();
    std::atomic<bool> started{false};
    const auto first = gr::spawn([&] {
      char buffer[10];
      started = true;
      CHECK(near->read_some(buffer).error() == gr::error::closed);
    });
    while (!started) gr::yield();  // and so it reads, on the only worker
    char buffer[10];
    const auto second = near->read_some(buffer);
    CHECK(second.error() == gr::error::invalid);
    near->close();
    CHECK(first.join());
  });
}

// Goal: streams work from plain OS threads as well, against a green thread on the other end.
TEST_CASE_TEMPLATE("an OS thread and a green thread talk through a stream", Kind, tcp_stream,
                   unix_stream, memory_stream) {
  gr::runtime rt{{.workers = 2}};
  auto [near, far] = Kind::make();
  constexpr int rounds = 2000;
  const auto echo = rt.spawn([&] {
    char buffer[64];
    while (const auto n = far->read_some(buffer)) must(far->write(std::string_view(buffer, *n)));
  });
  std::string back;
  std::thread plain([&] {
    for (int i = 0; i < rounds; ++i) {
      if (!near->write("ping")) return;
      back += read_exactly(*near, 4);
    }
    near->shutdown_write();
  });
  plain.join();
  CHECK(back.size() == 4 * rounds);
  CHECK(echo.join());
  near->deadline(gr::deadline_after(1ms));
  char buffer[1];
  far.reset();
  CHECK(!near->read_some(buffer));
}

TEST_CASE_TEMPLATE("a stream may outlive its runtime", Kind, tcp_stream, unix_stream,
                   memory_stream) {
  stream_pair pair;
  {
    gr::runtime rt{{.workers = 1, .threads_max = 1}};
    CHECK(rt.spawn([&] { pair = Kind::make(); }).join());
  }
  must(pair.first->write("x"));
  CHECK(read_exactly(*pair.second, 1) == "x");
  pair.first->close();
}

TEST_SUITE_END();

}  // namespace net_test
