// SPDX-License-Identifier: Apache-2.0
// What the workloads share: parameters, a stopwatch, readings of /proc, the output line, and a
// gate at which the main thread waits for its actors.
//
// Every workload is one function of one file, named in the table of main.cpp together with its
// parameters and their defaults. It makes a runtime, runs a tenth of its size to warm up, then
// its size, and prints one line: `greenroom WORKLOAD params value unit [name=value ...]`.
#pragma once

#include <greenroom/greenroom.hpp>

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace gr = greenroom;
using namespace std::chrono_literals;

namespace bench {

// Prints the sentence on standard error and ends the process with status 1. Any thread: it runs
// no destructors, since actors may be in the middle of their work.
[[noreturn]] void fail(const std::string& sentence);

// The `key=value` arguments of one run over the workload's defaults.
class params {
 public:
  // `defaults` names every parameter there is: "n=1000 form=function". Fails on a foreign key.
  params(std::string workload, std::string_view defaults, int count, char** arguments);

  std::int64_t operator()(std::string_view key) const;  // fails unless it is a number >= 0
  const std::string& text(std::string_view key) const;
  // True for form=`first`, false for form=`second`; fails for any other.
  bool form(std::string_view first, std::string_view second) const;
  unsigned workers() const { return static_cast<unsigned>((*this)("w")); }

  const std::string& workload() const { return workload_; }
  const std::string& as_given() const { return as_given_; }  // "w=2,n=1000", or "-"

 private:
  void set(std::string_view argument, bool is_default);

  std::string workload_;
  std::string as_given_;
  std::map<std::string, std::string, std::less<>> values_;
};

// Prints the result line; `format` and what follows are the `name=value` pairs behind the unit.
__attribute__((format(printf, 4, 5))) void out(const params& p, double value, const char* unit,
                                               const char* format, ...);
inline void out(const params& p, double value, const char* unit) { out(p, value, unit, "%s", ""); }

// A kB field of /proc/self/status, "VmRSS" or "VmHWM".
std::int64_t status_kb(std::string_view field);
inline std::int64_t peak_mb() { return status_kb("VmHWM") / 1024; }

class stopwatch {
 public:
  double ns() const {
    return std::chrono::duration<double, std::nano>(gr::clock::now() - start_).count();
  }
  double seconds() const { return ns() / 1e9; }

 private:
  gr::clock::time_point start_ = gr::clock::now();
};

// The nanoseconds that run(n) says it took, after a warm-up of a tenth.
template <class Run>
double warmed_up(std::int64_t n, Run run) {
  run(n / 10);
  return run(n);
}

inline std::uint32_t lcg(std::uint32_t x) { return x * 1'664'525u + 1'013'904'223u; }

struct done {};

// Opens when `count` actors have sent it `done`.
class gate {
 public:
  gate(gr::runtime& rt, std::int64_t count);
  gr::address<done> address() const { return counter_; }
  void wait() const;

 private:
  struct all_done {
    using reply = bool;
  };
  static void count_down(gr::mailbox<done, all_done>& in, std::int64_t left);

  gr::address<done, all_done> counter_;
};

}  // namespace bench
