// SPDX-License-Identifier: Apache-2.0
#include "bench.hpp"

#include <algorithm>
#include <charconv>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <utility>

namespace bench {

void fail(const std::string& sentence) {
  std::fprintf(stderr, "greenroom-bench: %s\n", sentence.c_str());
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
  if (equals == argument.npos || (!is_default && !values_.contains(key)))
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

bool params::form(std::string_view first, std::string_view second) const {
  const std::string& value = text("form");
  if (value != first && value != second)
    fail("form=" + value + ": there are " + std::string(first) + " and " + std::string(second));
  return value == first;
}

void out(const params& p, double value, const char* unit, const char* format, ...) {
  std::printf("greenroom %s %s %.4g %s ", p.workload().c_str(), p.as_given().c_str(), value, unit);
  va_list rest;
  va_start(rest, format);
  std::vprintf(format, rest);
  va_end(rest);
  std::printf("\n");
  std::fflush(stdout);
}

std::int64_t status_kb(std::string_view field) {
  std::FILE* file = std::fopen("/proc/self/status", "r");
  if (file == nullptr) return 0;
  char line[256];
  std::int64_t kb = 0;
  while (std::fgets(line, sizeof line, file) != nullptr) {
    const std::string_view text(line);
    if (text.starts_with(field) && text.substr(field.size()).starts_with(':'))
      kb = std::atoll(line + field.size() + 1);
  }
  std::fclose(file);
  return kb;
}

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

}  // namespace bench
