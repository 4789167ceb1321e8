// SPDX-License-Identifier: Apache-2.0
// timers: every green thread sleeps ms milliseconds, n times, and notes how late it woke.
#include "workloads.hpp"

#include <algorithm>
#include <chrono>
#include <span>
#include <vector>

namespace bench {
namespace {

void sleeper(std::span<std::int32_t> late_us, gr::duration d) {
  for (std::int32_t& late : late_us) {
    const auto start = gr::clock::now();
    gr::sleep_for(d);
    const auto by =
        std::chrono::duration_cast<std::chrono::microseconds>(gr::clock::now() - start - d);
    late = static_cast<std::int32_t>(by.count());
  }
}

}  // namespace

void timers(const params& p) {
  const auto actors = static_cast<std::size_t>(p("actors"));
  const auto n = static_cast<std::size_t>(p("n"));
  const gr::duration d = std::chrono::milliseconds(p("ms"));
  std::vector<std::int32_t> late_us(std::max<std::size_t>(actors * n, 1));
  gr::runtime rt{{.workers = p.workers()}};
  const auto run = [&](std::size_t count, std::size_t times) {
    const gate end(rt, static_cast<std::int64_t>(count));
    stopwatch watch;
    rt.spawn([&, finished = end.address()] {
        for (std::size_t i = 0; i < count; ++i)
          gr::spawn([mine = std::span(late_us).subspan(i * times, times), d, finished] {
            sleeper(mine, d);
            finished.send(done{});
          });
      }).join();
    end.wait();
    return watch.seconds();
  };
  run(actors / 10, n / 10);
  const double cpu_before = cpu_seconds();
  const double wall = run(actors, n);
  out_timers(p, late_us, cpu_seconds() - cpu_before, wall);
}

}  // namespace bench
