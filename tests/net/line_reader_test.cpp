// SPDX-License-Identifier: Apache-2.0
// line_reader: what a line is, and what ends them.
#include "net_test.hpp"

#include <greenroom/line_reader.hpp>

#include <random>
#include <vector>

namespace net_test {

TEST_SUITE_BEGIN("line reader");

// All lines until the end, which is returned as an error.
static gr::error read_lines(gr::line_reader& from, std::vector<std::string>& into) {
  for (;;) {
    auto line = from.read();
    if (!line) return line.error();
    into.push_back(std::move(*line));
  }
}

using lines_read = std::vector<std::string>;

TEST_CASE_TEMPLATE("lines come without their newlines, and a last one need not have one", Kind,
                   tcp_stream, unix_stream, memory_stream) {
  on_workers(1, [] {
    auto [near, far] = Kind::make();
    must(near->write("one\ntwo\r\n\n\r\nfi\rve\nsix\r"));
    near->shutdown_write();
    gr::line_reader lines(*far);
    lines_read got;
    CHECK(read_lines(lines, got) == gr::error::end_of_stream);
    CHECK(got == lines_read{"one", "two", "", "", "fi\rve", "six\r"});
    CHECK(lines.read().error() == gr::error::end_of_stream);
  });
}

// Goal: where a line is cut into reads makes no difference, for short lines and for those that are
// longer than a read. Method: random lines, written in random pieces by another green thread.
TEST_CASE_TEMPLATE("lines are the same in whatever pieces they come", Kind, tcp_stream, unix_stream,
                   memory_stream) {
  const std::uint32_t seed = seed_of_this_run();
  CAPTURE(seed);
  on_workers(2, [seed] {
    std::mt19937 random(seed);
    lines_read sent;
    std::string all;
    for (int i = 0; i < 2000; ++i) {
      const unsigned longest = random() % 50 == 0 ? 20'000 : 30;
      std::string line(random() % longest, static_cast<char>('a' + i % 26));
      all += line + (random() % 2 == 0 ? "\n" : "\r\n");
      sent.push_back(std::move(line));
    }
    auto [near, far] = Kind::make();
    const auto writer = gr::spawn([&, to = near.get()] {
      std::mt19937 pieces(seed + 1);
      for (std::string_view left = all; !left.empty();) {
        const std::string_view piece = left.substr(0, 1 + pieces() % 3000);
        must(to->write(piece));
        left.remove_prefix(piece.size());
        if (pieces() % 4 == 0) gr::yield();
      }
      to->shutdown_write();
    });
    gr::line_reader lines(*far);
    lines_read got;
    CHECK(read_lines(lines, got) == gr::error::end_of_stream);
    CHECK(got == sent);
    CHECK(writer.join());
  });
}

TEST_CASE("a line that is too long ends the reader, after those before it, and says the limit") {
  on_workers(1, [] {
    for (const bool is_ended : {false, true}) {
      auto [near, far] = gr::memory_pipe();
      must(near->write("12345\n67890\r\n"));
      must(near->write(is_ended ? "abcdef\nnext\n" : "abcdef"));
      gr::line_reader lines(*far, 5);
      lines_read got;
      const gr::error why = read_lines(lines, got);
      CHECK(got == lines_read{"12345", "67890"});
      CHECK(why == gr::error::refused);
      CHECK(std::string(why.text()) == "read a line from memory: it has more than 5 bytes");
      CHECK(lines.read().error() == gr::error::refused);
      bool ended = false;
      CHECK(gr::select(lines.on([](const std::string&) {}),
                       lines.on_end([&](const gr::error& e) { ended = e == gr::error::refused; })));
      CHECK(ended);
    }
  });
}

TEST_CASE("a deadline fails a read between lines, and reading goes on once it is moved") {
  on_workers(1, [] {
    auto [near, far] = gr::memory_pipe();
    gr::line_reader lines(*far);
    must(near->write("whole\nhal"));
    CHECK(must(lines.read()) == "whole");
    far->deadline(gr::deadline_after(1ms));
    CHECK(lines.read().error() == gr::error::timeout);
    far->deadline(gr::never);
    must(near->write("f\n"));
    CHECK(must(lines.read()) == "half");
  });
}

TEST_CASE("a stream that is closed here gives the lines it had, but not the half of one") {
  on_workers(1, [] {
    auto [near, far] = gr::memory_pipe();
    gr::line_reader lines(*far);
    must(near->write("a\nb\nhalf"));
    CHECK(must(lines.read()) == "a");
    far->close();
    CHECK(must(lines.read()) == "b");
    CHECK(lines.read().error() == gr::error::closed);
  });
}

// A stream of one's own that knows nothing of selects.
class plain_stream final : public gr::stream {
 public:
  std::expected<std::size_t, gr::error> read_some(std::span<char> into) override {
    if (given_) return std::unexpected(gr::error::end_of_stream);
    given_ = true;
    into[0] = 'x';
    return 1u;
  }
  std::expected<std::size_t, gr::error> write_some(
      std::span<const std::span<const char>> /*pieces*/) override {
    return std::unexpected(gr::error::closed);
  }
  void shutdown_write() override {}
  void close() override {}
  void deadline(gr::time_point /*when*/) override {}
  std::string peer_name() const override { return "plain"; }

 private:
  bool given_ = false;
};

TEST_CASE("a stream of one's own has lines; as a case of a select it is refused in a sentence") {
  on_workers(1, [] {
    plain_stream mine;
    gr::line_reader lines(mine);
    std::string said;
    try {
      gr::select(lines.on([](const std::string&) {}), lines.on_end([] {}));
    } catch (const std::logic_error& e) { said = e.what(); }
    CHECK(said ==
          "greenroom: plain cannot be a case of a select, since its class does not say how "
          "(reading(), accepting())");
    CHECK(must(lines.read()) == "x");
    CHECK(lines.read().error() == gr::error::end_of_stream);
    char buffer[1];
    CHECK(mine.try_read_some(buffer).error() == gr::error::invalid);
  });
}

TEST_CASE_TEMPLATE("try_read_some never waits", Kind, tcp_stream, unix_stream, memory_stream) {
  on_workers(1, [] {
    auto [near, far] = Kind::make();
    char buffer[10];
    CHECK(far->try_read_some(buffer).error() == gr::error::empty);
    CHECK(far->try_read_some(buffer).error() == gr::error::empty);
    must(near->write("abc"));
    auto n = far->try_read_some(std::span(buffer, 1));
    for (; !n && n.error() == gr::error::empty; n = far->try_read_some(std::span(buffer, 1)))
      gr::yield();
    CHECK(must(n) == 1);
    CHECK(buffer[0] == 'a');
    CHECK(must(far->try_read_some(buffer)) == 2);
    CHECK(far->try_read_some(buffer).error() == gr::error::empty);
    far->deadline(gr::now());
    CHECK(far->try_read_some(buffer).error() == gr::error::timeout);
    far->close();
    CHECK(far->try_read_some(buffer).error() == gr::error::closed);
  });
}

TEST_SUITE_END();

}  // namespace net_test
