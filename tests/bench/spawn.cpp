// SPDX-License-Identifier: Apache-2.0
// spawn: one parent spawns n children, then takes the one message that each sends before it ends.
//
// A child that receives nothing is a plain green thread; form=function gives it a mailbox.
#include "workloads.hpp"

#include <utility>

namespace bench {
namespace {

struct hello {
  std::int64_t value;
};

void child(gr::mailbox<hello>&, gr::address<hello> parent) { parent.send(hello{1}); }

void parent(gr::mailbox<hello>& in, std::int64_t children, bool plain, gr::address<done> finished) {
  {
    const gr::address<hello> me = in.address();
    for (std::int64_t i = 0; i < children; ++i) {
      if (plain)
        gr::spawn([me] { me.send(hello{1}); });
      else
        static_cast<void>(gr::spawn(child, me));
    }
  }
  std::int64_t heard = 0;
  for (std::int64_t i = 0; i < children; ++i) in.receive([&](hello h) { heard += h.value; });
  if (heard != children) fail("spawn: some children were not heard");
  finished.send(done{});
}

}  // namespace

void spawn(const params& p) {
  const std::int64_t n = p("n");
  const bool plain = p.form("thread", "function");
  gr::runtime rt{{.workers = p.workers()}};
  const double ns = warmed_up(n, [&](std::int64_t children) {
    const gate end(rt, 1);
    stopwatch watch;
    // The parent receives only after the last spawn: a bounded mailbox would stop its children.
    const gr::address<hello> held =
        rt.spawn({.capacity = gr::unbounded}, parent, children, plain, end.address());
    end.wait();
    return watch.ns();
  });
  out(p, ns / static_cast<double>(n), "ns/actor");
}

}  // namespace bench
