// SPDX-License-Identifier: Apache-2.0
// crowd: OS threads and green threads, as many of each, send n messages each into one mailbox.
#include "workloads.hpp"

#include <barrier>
#include <thread>
#include <vector>

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

void crowd(const params& p) {
  const std::int64_t n = p("n");
  const std::int64_t threads = p("threads");
  const std::int64_t chan = p("chan");
  gr::runtime rt{{.workers = p.workers(), .report_stuck_after = gr::duration::max()}};
  const double ns = warmed_up(n, [&](std::int64_t each) {
    const gate end(rt, 1);
    const gr::address<item> sink =
        rt.spawn({.capacity = chan > 0 ? static_cast<std::uint32_t>(chan) : gr::unbounded},
                 consumer, 2 * threads * each, end.address());
    const auto produce = [&sink, each] {
      for (std::int64_t j = 0; j < each; ++j)
        check(sink.send(item{j}).ok(), "crowd: a message was not admitted");
    };
    std::barrier all_there(threads + 1);
    std::vector<std::thread> foreign;
    for (std::int64_t i = 0; i < threads; ++i)
      foreign.emplace_back([&] {
        all_there.arrive_and_wait();
        produce();
      });
    std::vector<gr::green_thread> green;
    stopwatch watch;
    all_there.arrive_and_wait();
    for (std::int64_t i = 0; i < threads; ++i) green.push_back(rt.spawn(produce));
    end.wait();
    const double took = watch.ns();
    for (std::thread& one : foreign) one.join();
    for (const gr::green_thread& one : green) check(one.join().ok(), "crowd: a producer failed");
    return took;
  });
  out(p, static_cast<double>(2 * threads * n) / ns * 1e3, "Mmsg/s");
}

}  // namespace bench
