// SPDX-License-Identifier: Apache-2.0
// skynet: a 10-ary tree of actors with n leaves (n a power of ten); each leaf sends its number to
// its parent's mailbox, each parent sends the sum of ten to its own parent.
#include "workloads.hpp"

#include <algorithm>
#include <optional>
#include <utility>

namespace bench {
namespace {

struct number {
  std::int64_t value;
};

void node(gr::mailbox<number>& in, gr::address<number> up, std::int64_t first,
          std::int64_t leaves) {
  if (leaves == 1) {
    up.send(number{first});
    return;
  }
  // Nobody needs the children's addresses, and they end by themselves: hence detached.
  const std::int64_t share = leaves / 10;
  for (std::int64_t i = 0; i < 10; ++i)
    static_cast<void>(gr::spawn_detached(node, in.address(), first + i * share, share));
  std::int64_t sum = 0;
  for (int i = 0; i < 10; ++i) in.receive([&](number n) { sum += n.value; });
  up.send(number{sum});
}

struct grow {
  using reply = std::int64_t;
  std::int64_t leaves;
};

// Grows a tree when asked, and answers with its sum.
void gardener(gr::mailbox<grow, number>& in) {
  std::optional<gr::promise<std::int64_t>> waiting;
  while (in.receive(
      [&](grow g, gr::promise<std::int64_t> answer) {
        waiting = std::move(answer);
        static_cast<void>(gr::spawn_detached(node, gr::address<number>(in.address()), 0, g.leaves));
      },
      [&](number sum) { waiting->set(sum.value); })) {}
}

}  // namespace

void skynet(const params& p) {
  const std::int64_t n = p("n");
  gr::runtime rt{{.workers = p.workers()}};
  const gr::address<grow> trees = rt.spawn(gardener);
  const double ns = warmed_up(n, [&](std::int64_t size) {
    const std::int64_t leaves = std::max<std::int64_t>(size, 1);
    stopwatch watch;
    const auto sum = trees.ask(grow{leaves}, 1h);
    const double took = watch.ns();
    if (!sum) fail(std::string("skynet: ") + sum.error().text());
    if (*sum != leaves * (leaves - 1) / 2) fail("skynet: wrong sum; is n a power of ten?");
    return took;
  });
  out(p, ns / 1e6, "ms");
}

}  // namespace bench
