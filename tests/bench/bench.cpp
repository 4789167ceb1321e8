// SPDX-License-Identifier: Apache-2.0
#include "bench.hpp"

#include <optional>
#include <string>
#include <utility>

namespace bench {

void gate::count_down(gr::mailbox<done, all_done>& in, std::int64_t left) {
  std::optional<gr::promise<bool>> waiting;
  while (in.receive(
      [&](done) {
        if (--left == 0 && waiting) waiting->set(true);
      },
      [&](all_done, gr::promise<bool> answer) {
        if (left <= 0)
          answer.set(true);
        else
          waiting = std::move(answer);
      })) {}
}

gate::gate(gr::runtime& rt, std::int64_t count)
    : counter_(rt.spawn({.name = "gate", .capacity = gr::unbounded}, count_down, count)) {}

void gate::wait() const {
  const auto opened = counter_.ask(all_done{}, 1h);
  if (!opened) fail(std::string("the workload did not end: ") + opened.error().text());
}

double wait_for_memory(std::int64_t kb_before, std::int64_t kb_alive) {
  constexpr double patience_s = 3;
  constexpr std::int64_t warm_kb = 80 << 10;  // stacks of 64 MiB, and what lies around them
  const std::int64_t grew = kb_alive - kb_before;
  if (grew <= warm_kb) return 0;
  const std::int64_t enough = kb_before + grew / 10;
  stopwatch watch;
  while (status_kb("VmRSS") > enough && watch.seconds() < patience_s) gr::sleep_for(10ms);
  return watch.seconds();
}

}  // namespace bench
