// SPDX-License-Identifier: Apache-2.0
// Streams as cases of a select: every way in which one can be decided, and what it leaves behind.
#include "net_test.hpp"

#include <greenroom/line_reader.hpp>
#include <greenroom/on_readable.hpp>

#include <atomic>
#include <random>
#include <thread>
#include <vector>

namespace net_test {

TEST_SUITE_BEGIN("select on streams");

// What one select over the lines of a stream came to: the line, or the name of the error.
static std::string next_of(gr::line_reader& lines) {
  std::string got;
  // No CHECK around it: doctest would catch a cancel.
  gr::select(lines.on([&](std::string line) { got = std::move(line); }),
             lines.on_end([&](const gr::error& why) { got = gr::name_of(why.code()); }));
  return got;
}

TEST_CASE_TEMPLATE("a select waits for a line, and for the end after the last", Kind, tcp_stream,
                   unix_stream, memory_stream) {
  on_workers(2, [] {
    auto [near, far] = Kind::make();
    gr::line_reader lines(*far);
    const auto writer = gr::spawn([&] {
      for (const char* piece : {"o", "ne\ntw", "o\n", "three"}) {
        for (int i = 0; i < 20; ++i) gr::yield();
        must(near->write(piece));
      }
      near->close();
    });
    for (const char* expected : {"one", "two", "three", "end_of_stream", "end_of_stream"})
      CHECK(next_of(lines) == expected);
    // Without a case for the end there is nothing left that could happen.
    CHECK(!gr::select(lines.on([](const std::string&) {})));
    CHECK(writer.join());
  });
}

TEST_CASE_TEMPLATE("a stream that is closed from elsewhere ends the lines of a select that waits",
                   Kind, tcp_stream, unix_stream, memory_stream) {
  on_workers(2, [] {
    for (int i = 0; i < 200; ++i) {
      auto [near, far] = Kind::make();
      const auto closer = gr::spawn([&, i] {
        for (int y = 0; y < i % 5; ++y) gr::yield();
        far->close();
      });
      gr::line_reader lines(*far);
      REQUIRE(next_of(lines) == "closed");
      REQUIRE(closer.join());
    }
  });
}

TEST_CASE_TEMPLATE("a stream's deadline bounds a select, which says so and may be repeated", Kind,
                   tcp_stream, unix_stream, memory_stream) {
  on_workers(1, [] {
    auto [near, far] = Kind::make();
    gr::line_reader lines(*far);
    must(near->write("a\nhal"));
    CHECK(next_of(lines) == "a");
    far->deadline(gr::deadline_after(2ms));
    CHECK(next_of(lines) == "timeout");
    CHECK(next_of(lines) == "timeout");
    far->deadline(gr::never);
    must(near->write("f\n"));
    CHECK(next_of(lines) == "half");
    // The select's own time may come first.
    far->deadline(gr::deadline_after(1h));
    bool timed_out = false;
    CHECK(gr::select(lines.on([](const std::string&) {}), lines.on_end([] {}),
                     gr::after(1ms, [&] { timed_out = true; })));
    CHECK(timed_out);
    // Without a case for the end the lines just cannot happen, and the rest goes on.
    far->deadline(gr::deadline_after(1ms));
    timed_out = false;
    CHECK(
        gr::select(lines.on([](const std::string&) {}), gr::after(3ms, [&] { timed_out = true; })));
    CHECK(timed_out);
    CHECK(!gr::select(lines.on([](const std::string&) {})));
  });
}

TEST_CASE_TEMPLATE("a deadline does not keep lines from being taken that are here already", Kind,
                   tcp_stream, unix_stream, memory_stream) {
  on_workers(1, [] {
    auto [near, far] = Kind::make();
    gr::line_reader lines(*far);
    must(near->write("a\nb\n"));
    CHECK(next_of(lines) == "a");
    far->deadline(gr::now());
    // The end alone cannot come while a line is left, nor does it wait in a circle.
    bool timed_out = false;
    CHECK(gr::select(lines.on_end([] { FAIL("a line is left"); }),
                     gr::after(1ms, [&] { timed_out = true; })));
    CHECK(timed_out);
    CHECK(next_of(lines) == "b");
    CHECK(next_of(lines) == "timeout");
  });
}

TEST_CASE_TEMPLATE("a cancel ends a select over a stream, and the stream has a reader again", Kind,
                   tcp_stream, unix_stream, memory_stream) {
  on_workers(2, [] {
    auto [near, far] = Kind::make();
    gr::line_reader lines(*far);
    for (int i = 0; i < 100; ++i) {
      std::atomic<bool> begun{false};
      const auto waits = gr::spawn([&] {
        begun = true;
        next_of(lines);
      });
      while (!begun) gr::yield();
      for (int y = 0; y < i % 4; ++y) gr::yield();
      waits.cancel();
      REQUIRE(waits.join().error() == gr::error::cancelled);
    }
    must(near->write("still\n"));
    CHECK(next_of(lines) == "still");
  });
}

TEST_CASE("a stream has one reader, a select that waits included") {
  on_workers(1, [] {
    for (const bool over_tcp : {false, true}) {
      auto [near, far] = over_tcp ? tcp_pair() : gr::memory_pipe();
      gr::line_reader lines(*far);
      const auto waits = gr::spawn([&] { CHECK(next_of(lines) == "x"); });
      gr::yield();
      char buffer[10];
      CHECK(far->read_some(buffer).error() == gr::error::invalid);
      CHECK(far->try_read_some(buffer).error() == gr::error::invalid);
      must(near->write("x\n"));
      CHECK(waits.join());
      // Two cases of one line_reader are one reader; two sources on one stream are not.
      bool timed_out = false;
      CHECK(gr::select(lines.on([](const std::string&) {}), lines.on([](const std::string&) {}),
                       lines.on_end([] {}), gr::after(1ms, [&] { timed_out = true; })));
      CHECK(timed_out);
      CHECK_THROWS_AS(gr::select(lines.on([](const std::string&) {}), gr::on_readable(*far, [] {}),
                                 gr::after(1h)),
                      std::logic_error);
      must(near->write("y\n"));
      CHECK(next_of(lines) == "y");
    }
  });
}

TEST_CASE_TEMPLATE("on_readable happens for bytes, for the end, for a deadline and for a close",
                   Kind, tcp_stream, unix_stream, memory_stream) {
  on_workers(2, [] {
    auto [near, far] = Kind::make();
    char buffer[10];
    std::string got;
    const auto next = [&, &end = *far](auto... others) {
      return gr::select(gr::on_readable(end,
                                        [&] {
                                          const auto n = end.read_some(buffer);
                                          got = n ? std::string(buffer, *n)
                                                  : gr::name_of(n.error().code());
                                        }),
                        std::move(others)...);
    };
    CHECK(next(gr::otherwise([&] { got = "nothing"; })));
    CHECK(got == "nothing");
    const auto writer = gr::spawn([&] { must(near->write("0123456789abc")); });
    for (std::string all; all.size() < 13; all += got) {
      CHECK(next());
      CHECK(std::string("0123456789abc").starts_with(all + got));
    }
    CHECK(writer.join());
    CHECK(next(gr::after(1ms, [&] { got = "nothing"; })));
    CHECK(got == "nothing");
    far->deadline(gr::deadline_after(1ms));
    CHECK(next());
    CHECK(got == "timeout");
    far->deadline(gr::never);
    near->close();
    CHECK(next());
    CHECK(got == "end_of_stream");
    far->close();
    CHECK(next());
    CHECK(got == "closed");
  });
}

TEST_CASE("a connection that was reset is told by the read after on_readable") {
  on_workers(1, [] {
    auto [near, far] = tcp_pair();
    // A close with bytes unread resets the connection.
    must(far->write("unread"));
    char buffer[10];
    CHECK(gr::select(gr::on_readable(*near, [] {})));
    near.reset();
    std::string got;
    CHECK(gr::select(gr::on_readable(*far, [&] {
      const auto n = far->read_some(buffer);
      REQUIRE(!n);
      got = n.error().text();
    })));
    CHECK(got.ends_with("Connection reset by peer"));
  });
}

// Goal: whatever wins, no line and no message is lost, doubled or out of order. Method: one green
// thread (or an OS thread) selects over the lines of a stream and a channel, whose writers take
// random pauses and cut lines anywhere; some selects have a timer that is over at once.
template <class Kind, class Spawn>
static void interleave(std::uint32_t seed, int each, Spawn spawn) {
  auto [near, far] = Kind::make();
  auto [tx, rx] = gr::channel<int>(3);
  const auto talker = spawn([seed, each, to = near.get()] {
    std::mt19937 random(seed);
    std::string all;
    for (int i = 0; i < each; ++i) all += std::to_string(i) + '\n';
    for (std::string_view left = all; !left.empty();) {
      const std::string_view piece = left.substr(0, 1 + random() % 30);
      must(to->write(piece));
      left.remove_prefix(piece.size());
      if (random() % 4 == 0) gr::yield();
      if (random() % 30 == 0) gr::sleep_for(std::chrono::microseconds(random() % 50));
    }
    to->close();
  });
  const auto sender = spawn([seed, each, to = std::move(tx)] {
    std::mt19937 random(seed + 1);
    for (int i = 0; i < each; ++i) {
      REQUIRE(to.send(i));
      if (random() % 4 == 0) gr::yield();
      if (random() % 30 == 0) gr::sleep_for(std::chrono::microseconds(random() % 50));
    }
  });
  gr::line_reader lines(*far);
  std::mt19937 random(seed + 2);
  int next_line = 0;
  int next_value = 0;
  bool open = true;
  while (open) {
    const auto pause = random() % 8 == 0 ? 0us : std::chrono::microseconds(1s);
    gr::select(lines.on([&](const std::string& l) { REQUIRE(l == std::to_string(next_line++)); }),
               lines.on_end([&](const gr::error& why) {
                 REQUIRE(why == gr::error::end_of_stream);
                 open = false;
                 for (int v : rx) REQUIRE(v == next_value++);
               }),
               rx.on([&](int v) { REQUIRE(v == next_value++); }), gr::after(pause));
  }
  CHECK(next_line == each);
  CHECK(next_value == each);
  CHECK(talker.join());
  CHECK(sender.join());
}

TEST_CASE_TEMPLATE("lines and messages in any order: none is lost", Kind, tcp_stream, unix_stream,
                   memory_stream) {
  const std::uint32_t seed = seed_of_this_run();
  CAPTURE(seed);
  for (const unsigned workers : {1u, 2u})
    on_workers(workers, [=] {
      for (std::uint32_t i = 0; i < 4; ++i)
        interleave<Kind>(seed + 10 * i, 1000, [](auto f) { return gr::spawn(std::move(f)); });
    });
  gr::runtime rt{{.workers = 2, .threads_max = 2}};
  std::thread([&] {
    interleave<Kind>(seed, 1000, [&rt](auto f) { return rt.spawn(std::move(f)); });
  }).join();
}

// A stream on top of another, as one that encrypts would be: it hands on the other's reading side.
class shifted_stream final : public gr::stream {
 public:
  explicit shifted_stream(gr::stream& below) : below_(below) {}
  std::expected<std::size_t, gr::error> read_some(std::span<char> into) override {
    return shifted(into, below_.read_some(into));
  }
  std::expected<std::size_t, gr::error> try_read_some(std::span<char> into) override {
    return shifted(into, below_.try_read_some(into));
  }
  gr::selectable* reading() noexcept override { return below_.reading(); }
  std::expected<std::size_t, gr::error> write_some(
      std::span<const std::span<const char>> pieces) override {
    return below_.write_some(pieces);
  }
  void shutdown_write() override { below_.shutdown_write(); }
  void close() override { below_.close(); }
  void deadline(gr::time_point when) override { below_.deadline(when); }
  std::string peer_name() const override { return below_.peer_name(); }

 private:
  static std::expected<std::size_t, gr::error> shifted(std::span<char> into,
                                                       std::expected<std::size_t, gr::error> n) {
    for (char& c : into.first(n.value_or(0)))
      if (c != '\n') ++c;
    return n;
  }
  gr::stream& below_;
};

TEST_CASE("a stream on top of another is a case of a select by the other's means") {
  on_workers(1, [] {
    auto [near, far] = gr::memory_pipe();
    shifted_stream upper(*far);
    gr::line_reader lines(upper);
    const auto writer = gr::spawn([&] {
      must(near->write("HAL\n"));
      gr::yield();
      near->close();
    });
    CHECK(next_of(lines) == "IBM");
    CHECK(next_of(lines) == "end_of_stream");
    CHECK(writer.join());
  });
}

TEST_CASE("a set keeps the lines of many streams until all have ended") {
  on_workers(2, [] {
    constexpr std::size_t streams = 50;
    constexpr int each = 20;
    std::vector<stream_pair> pairs;
    std::vector<std::unique_ptr<gr::line_reader>> readers;
    gr::select_set set;
    std::size_t ended = 0;
    std::vector<int> next(streams);
    for (std::size_t i = 0; i < streams; ++i) {
      pairs.push_back(i % 2 == 0 ? unix_pair() : gr::memory_pipe());
      readers.push_back(std::make_unique<gr::line_reader>(*pairs.back().second));
      set.add(readers.back()->on(
          [&next, i](const std::string& line) { CHECK(line == std::to_string(next[i]++)); }));
      set.add(readers.back()->on_end([&] { ++ended; }));
    }
    const auto writer = gr::spawn([&] {
      for (int n = 0; n < each; ++n)
        for (auto& [near, far] : pairs) must(near->write(std::to_string(n) + "\n"));
      for (auto& [near, far] : pairs) near->close();
    });
    while (set.wait()) {}
    CHECK(ended == streams);
    for (const int n : next) CHECK(n == each);
    CHECK(writer.join());
  });
}

TEST_SUITE_END();

}  // namespace net_test
