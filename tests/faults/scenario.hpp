// SPDX-License-Identifier: Apache-2.0
// Runs a scenario once for each allocation in it, with that one failing alone, and once for each
// with all from there on failing. Whatever fails, the scenario must come to its end, every step in
// it must succeed or say its documented error, and everything that it made must be gone.
#pragma once

#include "faults.hpp"

#include <greenroom/greenroom.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <initializer_list>
#include <new>
#include <string_view>
#include <utility>

namespace gr = greenroom;
using namespace std::chrono_literals;

namespace faults {

// A value with memory of its own: its copies may fail, its moves do not. Counts those alive.
class tracked {
 public:
  tracked() : tracked(0) {}
  explicit tracked(int value) : owned_(new int(value)) { ++alive_; }
  tracked(const tracked& other) : owned_(new int(other.value())) { ++alive_; }
  tracked(tracked&& other) noexcept : owned_(std::exchange(other.owned_, nullptr)) { ++alive_; }
  tracked& operator=(tracked other) noexcept {
    std::swap(owned_, other.owned_);
    return *this;
  }
  ~tracked() {
    delete owned_;
    --alive_;
  }
  [[nodiscard]] int value() const noexcept { return owned_ == nullptr ? -1 : *owned_; }
  static long alive() noexcept { return alive_.load(); }

 private:
  int* owned_;
  static inline std::atomic<long> alive_{0};
};

// Says what is wrong and ends: a check of the framework would allocate.
[[noreturn]] inline void wrong(const char* what, const char* got) {
  disarm();
  std::fprintf(stderr, "\nfaults: %s: %s\n", what, got);
  std::abort();
}
inline void must(bool holds, const char* what) {
  if (!holds) wrong("does not hold", what);
}

// A step that may run out of memory, by an exception or an error of one of these codes.
template <class Step>
void attempt(const char* what, Step&& step) {
  try {
    step();
  } catch (const std::bad_alloc&) {
  } catch (const gr::error& e) {
    if (!(e == gr::error::no_memory)) wrong(what, e.text());
  } catch (const std::exception& e) { wrong(what, e.what()); }
}

inline void expect(const char* what, const gr::error& got,
                   std::initializer_list<gr::error::code_type> may) {
  for (const gr::error::code_type each : may)
    if (got == each) return;
  wrong(what, got.text());
}
inline void expect(const char* what, const gr::status& got,
                   std::initializer_list<gr::error::code_type> may) {
  if (!got) expect(what, got.error(), may);
}

// Keeps the failures to a part of a scenario.
class armed {
 public:
  armed(which how, std::uint64_t at) noexcept { arm(how, at); }
  ~armed() { disarm(); }
  armed(const armed&) = delete;
  armed& operator=(const armed&) = delete;
};

// What a scenario is told: which failure this run has.
struct plan {
  which how;
  std::uint64_t at;
};

#if defined(GREENROOM_ASAN) || defined(GREENROOM_TSAN)
inline constexpr unsigned seconds_max = 300;
#else
inline constexpr unsigned seconds_max = 60;
#endif

// Replay a failure with GREENROOM_FAULT_AT=<its number>: only that run of each scenario.
inline std::uint64_t only_at() {
  const char* const wish = std::getenv("GREENROOM_FAULT_AT");
  return wish == nullptr ? 0 : std::strtoull(wish, nullptr, 10);
}

// The scenario gets the plan and makes an `armed` of it. How many runs had a failure.
template <class Scenario>
std::uint64_t each_failure(const char* name, Scenario&& scenario) {
  constexpr std::uint64_t runs_max = 20'000;
  static const int once = (watch_this_process(), 0);
  (void)once;
  describe(name);
  allow_seconds(seconds_max);
  scenario(plan{which::the_one, 0});
  std::uint64_t runs = 0;
  for (const which how : {which::the_one, which::from_there_on}) {
    for (std::uint64_t at = std::max<std::uint64_t>(only_at(), 1); at < runs_max; ++at) {
      if (only_at() != 0 && at != only_at()) break;
      allow_seconds(seconds_max);
      const long before = tracked::alive();
      scenario(plan{how, at});
      must(tracked::alive() == before, "values of a scenario are gone at its end");
      if (!has_failed()) break;
      ++runs;
    }
  }
  allow_seconds(0);
  return runs;
}

// Swallows what the library logs; a test may look at the newest line.
struct last_line {
  static void write(void*, gr::log_level, std::string_view text) {
    const std::size_t n = text.size() < sizeof line - 1 ? text.size() : sizeof line - 1;
    std::memcpy(line, text.data(), n);
    line[n] = '\0';
  }
  static inline char line[512] = "";
};

inline gr::runtime_options options(unsigned workers) {
  static constexpr gr::logger::operations to_last_line{&last_line::write, nullptr, nullptr};
  gr::runtime_options o;
  o.workers = workers;
  o.capacity = 4;
  o.logger = gr::logger(nullptr, &to_last_line);
  return o;
}

}  // namespace faults
