// SPDX-License-Identifier: Apache-2.0
// fanin: producers send n messages each into one bounded mailbox; who finds it full waits.
#include "workloads.hpp"

namespace bench {
namespace {

struct item {
  std::int64_t number;
};

void consumer(gr::mailbox<item>& in, std::int64_t expected, gr::address<done> finished) {
  for (std::int64_t i = 0; i < expected; ++i) in.receive([](item) {});
  finished.send(done{});
}

}  // namespace

void fanin(const params& p) {
  const std::int64_t n = p("n");
  const std::int64_t producers = p("producers");
  const std::int64_t chan = p("chan");
  gr::runtime rt{{.workers = p.workers()}};
  const double ns = warmed_up(n, [&](std::int64_t each) {
    const gate end(rt, 1);
    stopwatch watch;
    const gr::address<item> sink =
        rt.spawn({.capacity = chan > 0 ? static_cast<std::uint32_t>(chan) : gr::unbounded},
                 consumer, each * producers, end.address());
    for (std::int64_t i = 0; i < producers; ++i)
      rt.spawn([sink, each] {
        for (std::int64_t j = 0; j < each; ++j) sink.send(item{j});
      });
    end.wait();
    return watch.ns();
  });
  out(p, static_cast<double>(n * producers) / ns * 1e3, "Mmsg/s");
}

}  // namespace bench
