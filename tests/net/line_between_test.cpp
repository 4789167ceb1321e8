// SPDX-License-Identifier: Apache-2.0
// Lines that come between the looks of two cases of the same line_reader.
#include "net_test.hpp"

#include <greenroom/line_reader.hpp>

namespace net_test {

TEST_SUITE_BEGIN("line reader");

// A line comes right after the first look.
class late_stream final : public gr::stream {
 public:
  late_stream(gr::stream& near, gr::stream& far) : near_(near), far_(far) {}

  std::expected<std::size_t, gr::error> read_some(std::span<char> into) override {
    return far_.read_some(into);
  }
  std::expected<std::size_t, gr::error> try_read_some(std::span<char> into) override {
    auto n = far_.try_read_some(into);
    if (!came_) must(near_.write("late\n"));
    came_ = true;
    return n;
  }
  std::expected<std::size_t, gr::error> write_some(
      std::span<const std::span<const char>> pieces) override {
    return far_.write_some(pieces);
  }
  void shutdown_write() override { far_.shutdown_write(); }
  void close() override { far_.close(); }
  void deadline(gr::time_point when) override { far_.deadline(when); }
  std::string peer_name() const override { return far_.peer_name(); }
  gr::selectable* reading() noexcept override { return far_.reading(); }

 private:
  gr::stream& near_;
  gr::stream& far_;
  bool came_ = false;
};

// Goal: the case that wants lines gets one that the look of the other case has read.
// Method: the line comes after the first look, so the second case finds it, in either order. The
// stream is empty then: nothing but the line itself can end the wait.
TEST_CASE("a line that the look of another case has read is not slept over") {
  on_workers(1, [] {
    for (const bool lines_first : {true, false}) {
      auto [near, far] = gr::memory_pipe();
      late_stream late(*near, *far);
      gr::line_reader lines(late);
      std::string got;
      bool missed = false;
      const auto on_line = [&](std::string line) { got = std::move(line); };
      const auto on_end = [&] { got = "the end"; };
      const auto miss = [&] { missed = true; };
      if (lines_first)
        gr::select(gr::prioritized, lines.on(on_line), lines.on_end(on_end), gr::after(20s, miss));
      else
        gr::select(gr::prioritized, lines.on_end(on_end), lines.on(on_line), gr::after(20s, miss));
      CHECK(got == "late");
      CHECK(!missed);
    }
  });
}

TEST_SUITE_END();

}  // namespace net_test
