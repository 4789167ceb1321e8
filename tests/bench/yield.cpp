// SPDX-License-Identifier: Apache-2.0
// yield: two green threads take turns, n switches in all.
#include "workloads.hpp"

namespace bench {

void yield(const params& p) {
  const std::int64_t n = p("n");
  gr::runtime rt{{.workers = p.workers()}};
  const double ns = warmed_up(n, [&](std::int64_t size) {
    const auto take_turns = [size] {
      for (std::int64_t i = 0; i < size / 2; ++i) gr::yield();
    };
    double took = 0;
    // Both are spawned by a third, so that neither runs before the other is there.
    rt.spawn([&] {
        stopwatch watch;
        gr::green_thread one = gr::spawn(take_turns);
        gr::green_thread other = gr::spawn(take_turns);
        one.join();
        other.join();
        took = watch.ns();
      }).join();
    return took;
  });
  out(p, ns / static_cast<double>(n), "ns/switch");
}

}  // namespace bench
