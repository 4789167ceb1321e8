// SPDX-License-Identifier: Apache-2.0
// chan: pairs senders and as many receivers share one channel, n values in all. It closes when the
// last sender has gone.
#include "workloads.hpp"

#include <greenroom/channel.hpp>

#include <atomic>
#include <utility>

namespace bench {
namespace {

double run(gr::runtime& rt, std::int64_t n, std::int64_t pairs, std::uint32_t capacity) {
  const gate end(rt, pairs);
  const std::int64_t share = n / pairs;
  std::atomic<std::int64_t> total{0};
  stopwatch watch;
  {
    auto [tx, rx] = gr::channel<std::int64_t>(capacity);
    for (std::int64_t i = 0; i < pairs; ++i)
      rt.spawn([in = rx, finished = end.address(), &total] {
        std::int64_t sum = 0;
        for (const std::int64_t v : in) sum += v;
        total += sum;
        finished.send(done{});
      });
    for (std::int64_t i = 0; i < pairs; ++i)
      rt.spawn([out = tx, share] {
        for (std::int64_t j = 0; j < share; ++j) out.send(j);
      });
  }
  end.wait();
  if (total != pairs * (share * (share - 1) / 2)) fail("chan: wrong sum");
  return watch.ns();
}

}  // namespace

void chan(const params& p) {
  const std::int64_t n = p("n");
  const std::int64_t pairs = p("pairs");
  const auto capacity = static_cast<std::uint32_t>(p("cap"));
  gr::runtime rt{{.workers = p.workers()}};
  const double ns = warmed_up(n, [&](std::int64_t some) { return run(rt, some, pairs, capacity); });
  out(p, ns / static_cast<double>(n), "ns/msg");
}

}  // namespace bench
