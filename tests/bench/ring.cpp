// SPDX-License-Identifier: Apache-2.0
// ring: actors in a circle pass one token, n hops.
#include "workloads.hpp"

#include <utility>

namespace bench {
namespace {

struct token {
  std::int64_t hops_left;
};
// Closes the circle: the first follows the last.
struct follow {
  gr::address<token> next;
};

void node(gr::mailbox<token, follow>& in, gr::address<token> next, gr::address<done> finished) {
  bool going = true;
  while (going && in.receive(
                      [&](token t) {
                        if (t.hops_left > 0)
                          next.send(token{t.hops_left - 1});
                        else
                          going = false;
                      },
                      [&](follow f) { next = std::move(f.next); })) {}
  // The circle holds itself: when this one ends, the next is held by nobody and ends too.
  if (!going) finished.send(done{});
}

}  // namespace

void ring(const params& p) {
  const std::int64_t n = p("n");
  const std::int64_t actors = p("actors");
  gr::runtime rt{{.workers = p.workers()}};
  const double ns = warmed_up(n, [&](std::int64_t hops) {
    const gate end(rt, 1);
    const auto first = rt.spawn(node, gr::address<token>(), end.address());
    gr::address<token> next = first;
    for (std::int64_t i = 1; i < actors; ++i) next = rt.spawn(node, next, end.address());
    first.send(follow{std::move(next)});
    stopwatch watch;
    first.send(token{hops});
    end.wait();
    return watch.ns();
  });
  out(p, ns / static_cast<double>(n), "ns/hop");
}

}  // namespace bench
