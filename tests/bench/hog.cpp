// SPDX-License-Identifier: Apache-2.0
// hog: w green threads burn processor time without a wait while two actors play ping-pong, in a
// closed loop, or (pace_us > 0) each round trip started by a timer and measured from when that
// was due. A round trip counts if all spinners ran from its begin to its end.
#include "workloads.hpp"

#include <atomic>
#include <chrono>
#include <utility>

namespace bench {
namespace {

using std::chrono::nanoseconds;

// Spinners and measurer share these counts as the peers' programs do: a message would
// itself be the thing that is measured.
struct progress {
  std::atomic<std::int64_t> started = 0;
  std::atomic<std::int64_t> ended = 0;
};

struct ball {
  std::int64_t number;
};

void pong(gr::mailbox<ball>& in, gr::address<ball> back) {
  while (in.receive([&](ball b) { back.send(b); })) {}
}

void ping(gr::mailbox<ball>& in, const progress& hogs, std::int64_t w, nanoseconds pace,
          histogram& seen) {
  const gr::address<ball> other = gr::spawn(pong, in.address());
  while (hogs.ended < w) {
    const bool none_ended = hogs.ended == 0;
    auto due = gr::clock::now();
    if (pace > 0ns) {
      gr::sleep_for(pace);
      due += pace;
    }
    other.send(ball{1});
    in.receive([](ball) {});
    const auto took = gr::clock::now() - due;
    if (none_ended && hogs.started == w) seen.add(took);
  }
}

}  // namespace

void hog(const params& p) {
  const std::int64_t w = p("w");
  const std::int64_t rounds = spins_for(p("ms"));
  const nanoseconds pace = std::chrono::microseconds(p("pace_us"));
  histogram seen;
  progress hogs;
  gr::runtime rt{{.workers = p.workers(), .report_stuck_after = gr::duration::max()}};
  const gate end(rt, 1);
  const gr::address<ball> held = rt.spawn(
      [&, pace, w](gr::mailbox<ball>& in, gr::address<done> finished) {
        ping(in, hogs, w, pace, seen);
        finished.send(done{});
      },
      end.address());
  gr::sleep_for(200ms);  // the pair is at speed before the first spinner starts
  stopwatch watch;
  for (std::int64_t i = 0; i < w; ++i)
    rt.spawn([&hogs, rounds] {
      ++hogs.started;
      spin(rounds);
      ++hogs.ended;
    });
  end.wait();
  out_hog(p, seen, watch.seconds());
}

}  // namespace bench
