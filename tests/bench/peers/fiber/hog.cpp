// SPDX-License-Identifier: Apache-2.0
// hog: w fibers compute without a wait while two others play ping-pong, in a closed loop, or
// (pace_us > 0) each round trip started by a timer and measured from when that was due. A round
// trip counts if all spinners ran from its begin to its end.
#include "workers.hpp"

#include <atomic>
#include <chrono>

namespace bench {

void hog(const params& p) {
  using std::chrono::steady_clock;
  const std::int64_t w = p("w");
  const std::int64_t rounds = spins_for(p("ms"));
  const steady_clock::duration pace = std::chrono::microseconds(p("pace_us"));
  std::atomic<std::int64_t> started = 0;
  std::atomic<std::int64_t> ended = 0;
  histogram seen;
  channel<int> there(2);
  channel<int> back(2);
  const workers here(p, algorithm::plain, algorithm::stealing, without_work::spin);
  gate end(2);
  start([&] {
    int ball = 0;
    while (there.pop(ball) == fibers::channel_op_status::success) put(back, ball);
    end.pass();
  });
  start([&] {
    while (ended < w) {
      const bool none_ended = ended == 0;
      auto due = steady_clock::now();
      if (pace > 0ns) {
        boost::this_fiber::sleep_for(pace);
        due += pace;
      }
      put(there, 1);
      take(back);
      const auto took = steady_clock::now() - due;
      if (none_ended && started == w) seen.add(took);
    }
    there.close();
    end.pass();
  });
  boost::this_fiber::sleep_for(200ms);  // the pair is at speed before the first spinner starts
  stopwatch watch;
  for (std::int64_t i = 0; i < w; ++i)
    start([&] {
      ++started;
      spin(rounds);
      ++ended;
    });
  end.wait();
  out_hog(p, seen, watch.seconds());
}

}  // namespace bench
