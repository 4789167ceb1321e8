// SPDX-License-Identifier: Apache-2.0
// hog: w green threads burn processor time without a wait while two actors play ping-pong, in a
// closed loop, or (pace_us > 0) each round trip started by a timer and measured from when that
// was due. A round trip counts if all spinners ran from its begin to its end.
#include "workloads.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <utility>
#include <vector>

namespace bench {
namespace {

using std::chrono::nanoseconds;

// Buckets of 100 ns below 1 ms, then of 10 us up to 10 s.
class histogram {
 public:
  void add(nanoseconds d) {
    ++buckets_[index(d.count())];
    ++count_;
    max_ = std::max(max_, d.count());
  }
  double us(double quantile) const {
    const auto want = static_cast<std::int64_t>(quantile * static_cast<double>(count_));
    std::int64_t seen = 0;
    for (std::size_t i = 0; i < buckets_.size(); ++i) {
      seen += buckets_[i];
      if (seen > want)
        return i < fine ? static_cast<double>(i) / 10 : static_cast<double>(i - fine) * 10;
    }
    return max_us();
  }
  double max_us() const { return static_cast<double>(max_) / 1e3; }
  std::int64_t count() const { return count_; }

 private:
  static constexpr std::size_t fine = 10'000;
  static constexpr std::size_t last = 1'010'000;
  static std::size_t index(std::int64_t ns) {
    if (ns < 0) return 0;
    if (ns < 1'000'000) return static_cast<std::size_t>(ns) / 100;
    return std::min(fine + static_cast<std::size_t>(ns) / 10'000, last);
  }

  std::vector<std::uint32_t> buckets_ = std::vector<std::uint32_t>(last + 1);
  std::int64_t count_ = 0;
  std::int64_t max_ = 0;
};

// Pure computing: no call, no memory. The empty asm keeps the loop as it is written.
std::uint64_t spin(std::int64_t rounds) {
  std::uint64_t x = 88'172'645'463'325'252u;
  for (std::int64_t i = 0; i < rounds; ++i) {
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    asm volatile("" : "+r"(x));
  }
  return x;
}

std::int64_t rounds_for(std::int64_t ms) {
  constexpr std::int64_t sample = 200'000'000;
  stopwatch watch;
  spin(sample);
  return static_cast<std::int64_t>(static_cast<double>(sample * ms) * 1e6 / watch.ns());
}

// Spinners and measurer share these counts as the other sides' programs do: a message would
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
  const std::int64_t rounds = rounds_for(p("ms"));
  const nanoseconds pace = std::chrono::microseconds(p("pace_us"));
  histogram seen;
  progress hogs;
  gr::runtime rt{{.workers = p.workers()}};
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
  const char* remark = "";
  if (seen.count() == 0)
    remark = " hogs_never_parallel=1";
  else if (seen.count() < 20)
    remark = " starved=1";
  out(p, seen.us(.5), "us(p50)", "p99_us=%.1f max_us=%.0f rtts=%lld wall_s=%.2f%s", seen.us(.99),
      seen.max_us(), static_cast<long long>(seen.count()), watch.seconds(), remark);
}

}  // namespace bench
