// SPDX-License-Identifier: Apache-2.0
// hog: w actors compute without a wait while two others play ping-pong, in a closed loop, or
// (pace_us > 0) each round trip started by a timer and measured from when that was due. A round
// trip counts if all spinners ran from its begin to its end.
#include "actors.hpp"

#include <atomic>
#include <chrono>
#include <utility>

namespace bench {
namespace {

using std::chrono::steady_clock;

struct progress {
  std::atomic<std::int64_t> started = 0;
  std::atomic<std::int64_t> ended = 0;
};

class player : public caf::event_based_actor {
 public:
  player(caf::actor_config& config, const progress& hogs, std::int64_t w,
         std::chrono::microseconds pace, histogram& seen, caf::actor main)
      : event_based_actor(config),
        hogs_(hogs),
        w_(w),
        pace_(pace),
        seen_(seen),
        main_(std::move(main)) {}

  caf::behavior make_behavior() override {
    other_ = spawn([]() -> caf::behavior { return {[](std::int64_t ball) { return ball; }}; });
    next();
    return {[this](go) { send(other_, std::int64_t{1}); },
            [this](std::int64_t) {
              const auto took = steady_clock::now() - due_;
              if (none_ended_ && hogs_.started == w_) seen_.add(took);
              next();
            }};
  }

 private:
  void next() {
    if (hogs_.ended == w_) {
      send(main_, done::value, std::int64_t{0});
      send_exit(other_, caf::exit_reason::user_shutdown);
      quit();
      return;
    }
    none_ended_ = hogs_.ended == 0;
    due_ = steady_clock::now() + pace_;
    if (pace_ > 0us)
      delayed_send(this, pace_, go::value);
    else
      send(other_, std::int64_t{1});
  }

  const progress& hogs_;
  std::int64_t w_;
  std::chrono::microseconds pace_;
  histogram& seen_;
  caf::actor main_;
  caf::actor other_;
  bool none_ended_ = false;
  steady_clock::time_point due_;
};

}  // namespace

void hog(const params& p) {
  const std::int64_t w = p("w");
  const std::int64_t rounds = spins_for(p("ms"));
  const std::chrono::microseconds pace(p("pace_us"));
  histogram seen;
  progress hogs;
  system_config config(p, policy::sharing);
  caf::actor_system system(config);
  caf::scoped_actor self(system);
  system.spawn<player>(hogs, w, pace, seen, caf::actor(self));
  // The pair is at speed before the first spinner starts.
  self->receive([](stop) {}, caf::after(200ms) >> [] {});
  stopwatch watch;
  for (std::int64_t i = 0; i < w; ++i)
    system.spawn([&hogs, rounds] {
      ++hogs.started;
      spin(rounds);
      ++hogs.ended;
    });
  collect(self, 1);
  out_hog(p, seen, watch.seconds());
}

}  // namespace bench
