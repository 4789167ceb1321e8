// SPDX-License-Identifier: Apache-2.0
// What every C++ program of the benchmarks shares, ours and those of the peers: parameters, a
// stopwatch, readings of /proc, the work of a spinner, and the output line. It knows no library,
// and is C++17, which is as far as CAF 0.17 goes.
//
// A program has a table of workloads. Each is one function; it runs a tenth of its size to warm
// up, then its size, and prints one line:
// `PROGRAM WORKLOAD params value unit [name=value ...] peak_rss_mb=value`.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace bench {

using namespace std::chrono_literals;

// The first word of the output line. Every program defines its own.
extern const char* const program_name;

// Prints the sentence on standard error and ends the process with status 1. Any thread: it runs
// no destructors, since actors may be in the middle of their work.
[[noreturn]] void fail(const std::string& sentence);
inline void check(bool holds, const char* what) {
  if (!holds) fail(what);
}

// The `key=value` arguments of one run over the workload's defaults.
class params {
 public:
  // `defaults` names every parameter there is: "n=1000 form=function". Fails on a foreign key.
  params(std::string workload, std::string_view defaults, int count, char** arguments);

  std::int64_t operator()(std::string_view key) const;  // fails unless it is a number >= 0
  const std::string& text(std::string_view key) const;
  // True for form=`first`, false for form=`second`; fails for any other.
  bool form(std::string_view first, std::string_view second) const {
    return choice("form", first, second);
  }
  bool choice(std::string_view key, std::string_view first, std::string_view second) const;
  unsigned workers() const { return static_cast<unsigned>((*this)("w")); }

  const std::string& workload() const { return workload_; }
  const std::string& as_given() const { return as_given_; }  // "w=2,n=1000", or "-"

 private:
  void set(std::string_view argument, bool is_default);

  std::string workload_;
  std::string as_given_;
  std::map<std::string, std::string, std::less<>> values_;
};

struct workload {
  const char* name;
  void (*run)(const params&);
  const char* defaults;  // w=1, the number of worker threads, is every workload's
  const char* what;
};

// A program's main(): runs the workload that the first argument names; without one, lists them.
int run_named(const workload* first, const workload* last, int argc, char** argv);

// Prints the result line; `format` and what follows are the `name=value` pairs behind the unit.
__attribute__((format(printf, 4, 5))) void out(const params& p, double value, const char* unit,
                                               const char* format, ...);
inline void out(const params& p, double value, const char* unit) { out(p, value, unit, "%s", ""); }

// A kB field of /proc/self/status, "VmRSS" or "VmHWM".
std::int64_t status_kb(std::string_view field);

double cpu_seconds();  // of this process, so far

class stopwatch {
 public:
  double ns() const {
    return std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now() - start_)
        .count();
  }
  double seconds() const { return ns() / 1e9; }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

// The nanoseconds that run(n) says it took, after a warm-up of a tenth.
template <class Run>
double warmed_up(std::int64_t n, Run run) {
  run(n / 10);
  return run(n);
}

inline std::uint32_t lcg(std::uint32_t x) { return x * 1'664'525u + 1'013'904'223u; }

// A random number below `below`, the same row of them in every program.
inline std::uint32_t draw(std::uint32_t& random, std::uint32_t below) {
  random = lcg(random);
  return (random >> 8) % below;
}

// Durations: buckets of 100 ns below 1 ms, then of 10 us up to 10 s. One thread at a time.
class histogram {
 public:
  void add(std::chrono::nanoseconds d) {
    ++buckets_[index(d.count())];
    ++count_;
    max_ = std::max(max_, d.count());
  }
  double us(double quantile) const;
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

// Pure computing: no call, no memory.
std::uint64_t spin(std::int64_t rounds);
std::int64_t spins_for(std::int64_t ms);  // how many rounds take so long, by trying

// The lines of `hog` and of `timers`.
void out_hog(const params& p, const histogram& seen, double wall_s);
void out_timers(const params& p, std::vector<std::int32_t>& late_us, double cpu_s, double wall_s);

}  // namespace bench
