// SPDX-License-Identifier: Apache-2.0
#include "common.hpp"

#include <sys/resource.h>

#include <charconv>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <utility>

namespace bench {

void fail(const std::string& sentence) {
  std::fprintf(stderr, "%s: %s\n", program_name, sentence.c_str());
  std::_Exit(1);
}

params::params(std::string workload, std::string_view defaults, int count, char** arguments)
    : workload_(std::move(workload)) {
  set("w=1", true);
  while (!defaults.empty()) {
    const auto end = std::min(defaults.find(' '), defaults.size());
    set(defaults.substr(0, end), true);
    defaults.remove_prefix(std::min(end + 1, defaults.size()));
  }
  for (int i = 0; i < count; ++i) {
    set(arguments[i], false);
    as_given_ += (i > 0 ? "," : "") + std::string(arguments[i]);
  }
  if (as_given_.empty()) as_given_ = "-";
}

void params::set(std::string_view argument, bool is_default) {
  const auto equals = argument.find('=');
  const std::string key(argument.substr(0, equals));
  if (equals == argument.npos || (!is_default && values_.count(key) == 0))
    fail(workload_ + " has no parameter `" + std::string(argument) + "`");
  values_[key] = argument.substr(equals + 1);
}

const std::string& params::text(std::string_view key) const {
  const auto found = values_.find(key);
  if (found == values_.end()) fail(workload_ + " has no parameter `" + std::string(key) + "`");
  return found->second;
}

std::int64_t params::operator()(std::string_view key) const {
  const std::string& value = text(key);
  std::int64_t number = -1;
  const auto parsed = std::from_chars(value.data(), value.data() + value.size(), number);
  if (parsed.ec != std::errc{} || parsed.ptr != value.data() + value.size() || number < 0)
    fail(std::string(key) + "=" + value + " is no whole number");
  return number;
}

bool params::choice(std::string_view key, std::string_view first, std::string_view second) const {
  const std::string& value = text(key);
  if (value != first && value != second)
    fail(std::string(key) + "=" + value + ": there are " + std::string(first) + " and " +
         std::string(second));
  return value == first;
}

int run_named(const workload* first, const workload* last, int argc, char** argv) {
  for (const workload* w = first; argc > 1 && w != last; ++w) {
    if (std::string_view(argv[1]) != w->name) continue;
    w->run(params(w->name, w->defaults, argc - 2, argv + 2));
    return 0;
  }
  std::fprintf(stderr, "usage: %s WORKLOAD [k=v ...]; w=1 is the number of workers\n", argv[0]);
  for (const workload* w = first; w != last; ++w)
    std::fprintf(stderr, "  %-9s %s\n            %s\n", w->name, w->what, w->defaults);
  return 2;
}

void out(const params& p, double value, const char* unit, const char* format, ...) {
  char pairs[256];
  va_list rest;
  va_start(rest, format);
  std::vsnprintf(pairs, sizeof pairs, format, rest);
  va_end(rest);
  std::printf("%s %s %s %.4g %s%s%s peak_rss_mb=%lld\n", program_name, p.workload().c_str(),
              p.as_given().c_str(), value, unit, pairs[0] != '\0' ? " " : "", pairs,
              static_cast<long long>(status_kb("VmHWM") / 1024));
  std::fflush(stdout);
}

std::int64_t status_kb(std::string_view field) {
  std::FILE* file = std::fopen("/proc/self/status", "r");
  if (file == nullptr) return 0;
  char line[256];
  std::int64_t kb = 0;
  while (std::fgets(line, sizeof line, file) != nullptr) {
    const std::string_view text(line);
    if (text.substr(0, field.size()) == field && text.substr(field.size(), 1) == ":")
      kb = std::atoll(line + field.size() + 1);
  }
  std::fclose(file);
  return kb;
}

double cpu_seconds() {
  rusage used;
  getrusage(RUSAGE_SELF, &used);
  return static_cast<double>(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
         static_cast<double>(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
}

double histogram::us(double quantile) const {
  const auto want = static_cast<std::int64_t>(quantile * static_cast<double>(count_));
  std::int64_t seen = 0;
  for (std::size_t i = 0; i < buckets_.size(); ++i) {
    seen += buckets_[i];
    if (seen > want)
      return i < fine ? static_cast<double>(i) / 10 : static_cast<double>(i - fine) * 10;
  }
  return max_us();
}

// The empty asm keeps the loop as it is written.
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

std::int64_t spins_for(std::int64_t ms) {
  constexpr std::int64_t sample = 200'000'000;
  stopwatch watch;
  spin(sample);
  return static_cast<std::int64_t>(static_cast<double>(sample * ms) * 1e6 / watch.ns());
}

void out_hog(const params& p, const histogram& seen, double wall_s) {
  const char* remark = "";
  if (seen.count() == 0)
    remark = " hogs_never_parallel=1";
  else if (seen.count() < 20)
    remark = " starved=1";
  out(p, seen.us(.5), "us(p50)", "p99_us=%.1f max_us=%.0f rtts=%lld wall_s=%.2f%s", seen.us(.99),
      seen.max_us(), static_cast<long long>(seen.count()), wall_s, remark);
}

void out_timers(const params& p, std::vector<std::int32_t>& late_us, double cpu_s, double wall_s) {
  std::sort(late_us.begin(), late_us.end());
  if (!late_us.empty() && late_us.front() < 0) fail("timers: somebody woke too early");
  const auto at = [&](std::size_t percent) {
    return late_us.empty() ? 0 : late_us[late_us.size() * percent / 100];
  };
  out(p, cpu_s, "cpu_s", "wall_s=%.3f p50_late_us=%d p99_late_us=%d", wall_s, at(50), at(99));
}

}  // namespace bench
