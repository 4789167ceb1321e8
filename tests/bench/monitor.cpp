// SPDX-License-Identifier: Apache-2.0
// monitor: n actors, one after the other: spawned, monitored, ended at once, and heard of by a
// `down`. Beside it the same without a monitor, where each says a last word instead.
#include "workloads.hpp"

namespace bench {
namespace {

struct bye {};

void watch_all(gr::mailbox<gr::down, bye>& in, std::int64_t n, gr::address<done> finished) {
  std::int64_t heard = 0;
  for (std::int64_t i = 0; i < n; ++i) {
    const auto it = gr::spawn([](gr::mailbox<bye>&) {});
    gr::monitor(it, in);
    in.receive([&](const gr::down& d) { heard += d.why() == gr::exit_kind::normal ? 1 : 0; },
               [](bye) {});
  }
  check(heard == n, "monitor: some ends were not heard of");
  finished.send(done{});
}

void listen_to_all(gr::mailbox<bye>& in, std::int64_t n, gr::address<done> finished) {
  std::int64_t heard = 0;
  {
    const gr::address<bye> me = in.address();
    for (std::int64_t i = 0; i < n; ++i) {
      const auto it = gr::spawn([me](gr::mailbox<bye>&) { me.send(bye{}); });
      in.receive([&](bye) { ++heard; });
    }
  }
  check(heard == n, "monitor: some were not heard");
  finished.send(done{});
}

}  // namespace

void monitor(const params& p) {
  const std::int64_t n = p("n");
  gr::runtime rt{{.workers = p.workers()}};
  const auto timed = [&](auto&& body) {
    return warmed_up(n, [&](std::int64_t count) {
      const gate end(rt, 1);
      stopwatch watch;
      const auto held = rt.spawn(body, count, end.address());
      end.wait();
      return watch.ns();
    });
  };
  const double plain = timed(listen_to_all) / static_cast<double>(n);
  const double ns = timed(watch_all) / static_cast<double>(n);
  out(p, ns, "ns/actor", " plain_ns=%.1f", plain);
}

}  // namespace bench
