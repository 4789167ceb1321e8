// SPDX-License-Identifier: Apache-2.0
// nest: n green threads, each the child of the one before, which waits for it: all stacks at once.
#include "workloads.hpp"

namespace bench {
namespace {

std::int64_t depth_below(std::int64_t left) {
  if (left == 0) return 0;
  std::int64_t below = 0;
  const gr::green_thread child = gr::spawn([&below, left] { below = depth_below(left - 1); });
  check(child.join().ok(), "a child is joined");
  return below + 1;
}

}  // namespace

void nest(const params& p) {
  const std::int64_t n = p("n");
  gr::runtime rt{{.workers = p.workers()}};
  std::int64_t depth = 0;
  stopwatch watch;
  check(rt.spawn([&] { depth = depth_below(n); }).join().ok(), "the first one is joined");
  const double took = watch.ns();
  check(depth == n, "all were there");
  out(p, took / static_cast<double>(n), "ns/child", "seconds=%.2f", took / 1e9);
}

}  // namespace bench
