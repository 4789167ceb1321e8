// SPDX-License-Identifier: Apache-2.0
// work_queue: producers send n jobs each, workers take them, through one bounded queue without
// order.
#include "workloads.hpp"

#include <atomic>
#include <vector>

namespace bench {

void work_queue(const params& p) {
  const std::int64_t n = p("n");
  const std::int64_t producers = p("producers");
  const std::int64_t consumers = p("consumers");
  const auto chan = static_cast<std::uint32_t>(p("chan"));
  gr::runtime rt{{.workers = p.workers(), .report_stuck_after = gr::duration::max()}};
  const double ns = warmed_up(n, [&](std::int64_t each) {
    auto [tx, rx] = gr::work_queue<std::int64_t>(chan);
    std::atomic<std::int64_t> sum_in_all{0};
    std::vector<gr::green_thread> all;
    stopwatch watch;
    for (std::int64_t i = 0; i < consumers; ++i)
      all.push_back(rt.spawn([&sum_in_all, my_rx = rx] {
        std::int64_t sum = 0;
        for (const std::int64_t job : my_rx) sum += job;
        sum_in_all += sum;
      }));
    for (std::int64_t i = 0; i < producers; ++i)
      all.push_back(rt.spawn([each, my_tx = tx] {
        for (std::int64_t j = 0; j < each; ++j)
          check(my_tx.send(j).has_value(), "work_queue: a job was not sent");
      }));
    tx = {};
    for (const gr::green_thread& one : all) check(one.join().ok(), "work_queue: somebody failed");
    const double took = watch.ns();
    check(sum_in_all == producers * (each * (each - 1) / 2), "work_queue: wrong jobs");
    return took;
  });
  out(p, static_cast<double>(n * producers) / ns * 1e3, "Mmsg/s");
}

}  // namespace bench
