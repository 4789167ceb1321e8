// SPDX-License-Identifier: Apache-2.0
// sieve: a green thread for each prime passes on what its prime does not divide; until the n-th.
// The time is taken when that has come; the row of filters then ends from the last to the first.
#include "workloads.hpp"

#include <greenroom/channel.hpp>

#include <utility>

namespace bench {
namespace {

using number = std::int64_t;

void filter(const gr::receiver<number>& in, const gr::sender<number>& next, number prime) {
  for (const number i : in)
    if (i % prime != 0 && !next.send(i)) return;
}

void sift(std::int64_t n, std::uint32_t capacity, double& ns, const gr::address<done>& finished) {
  stopwatch watch;
  auto [first, in] = gr::channel<number>(capacity);
  gr::spawn([out = std::move(first)] {
    for (number i = 2; out.send(i);) ++i;
  });
  number prime = 0;
  for (std::int64_t i = 0; i < n; ++i) {
    prime = in.receive().value_or(0);
    auto [next, rest] = gr::channel<number>(capacity);
    gr::spawn([from = std::move(in), to = std::move(next), prime] { filter(from, to, prime); });
    in = std::move(rest);
  }
  ns = watch.ns();
  if (n == 2000 && prime != 17389) fail("sieve: the 2,000th prime is another");
  finished.send(done{});
}

}  // namespace

void sieve(const params& p) {
  const std::int64_t n = p("n");
  const auto capacity = static_cast<std::uint32_t>(p("cap"));
  gr::runtime rt{{.workers = p.workers()}};
  const double ns = warmed_up(n, [&](std::int64_t primes) {
    double took = 0;
    const gate end(rt, 1);
    rt.spawn([&, finished = end.address()] { sift(primes, capacity, took, finished); });
    end.wait();
    return took;
  });
  out(p, ns / 1e6, "ms");
}

}  // namespace bench
