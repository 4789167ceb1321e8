// SPDX-License-Identifier: Apache-2.0
// broadcast: one sender, many receivers, each of which sees every value. policy=wait: the sender
// waits for the slowest; policy=drop: the slow miss values, which count as if received.
#include "workloads.hpp"

#include <atomic>
#include <vector>

namespace bench {

void broadcast(const params& p) {
  const std::int64_t n = p("n");
  const std::int64_t receivers = p("receivers");
  const auto chan = static_cast<std::uint32_t>(p("chan"));
  const bool waits = p.choice("policy", "wait", "drop");
  std::int64_t missed_in_all = 0;
  gr::runtime rt{{.workers = p.workers(), .report_stuck_after = gr::duration::max()}};
  const double ns = warmed_up(n, [&](std::int64_t size) {
    auto tx = gr::broadcast<std::int64_t>(chan, waits ? gr::slow::wait : gr::slow::drop_oldest);
    std::atomic<std::int64_t> seen_in_all{0}, missed{0}, sum_in_all{0};
    std::vector<gr::green_thread> all;
    for (std::int64_t i = 0; i < receivers; ++i)
      all.push_back(rt.spawn([&, rx = tx.subscribe()]() mutable {
        std::int64_t seen = 0, sum = 0;
        for (const std::int64_t value : rx) {
          sum += value;
          ++seen;
        }
        seen_in_all += seen;
        sum_in_all += sum;
        missed += static_cast<std::int64_t>(rx.missed());
      }));
    stopwatch watch;
    rt.spawn([&tx, size] {
        for (std::int64_t i = 0; i < size; ++i)
          check(tx.send(i).has_value(), "broadcast: a value was not sent");
        tx = {};
      }).join();
    for (const gr::green_thread& each : all)
      check(each.join().ok(), "broadcast: a receiver failed");
    const double took = watch.ns();
    check(seen_in_all + missed == size * receivers, "broadcast: values were lost");
    if (waits)
      check(missed == 0 && sum_in_all == receivers * (size * (size - 1) / 2),
            "broadcast: wrong values");
    missed_in_all = missed;
    return took;
  });
  out(p, static_cast<double>(n * receivers - missed_in_all) / ns * 1e3, "Mrecv/s", "missed=%lld",
      static_cast<long long>(missed_in_all));
}

}  // namespace bench
