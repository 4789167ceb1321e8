// SPDX-License-Identifier: Apache-2.0
// What the unit tests share: sizes that fit the build, seeds that can be replayed, ways to wait
// for actors without clocks, and values that count how many of them are alive.
#pragma once

#include <greenroom/greenroom.hpp>

#include <doctest/doctest.h>

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <random>
#include <string>
#include <utility>

#if defined(GREENROOM_ASAN)
#include <sanitizer/lsan_interface.h>
#endif

namespace gr = greenroom;
using namespace std::chrono_literals;

namespace unit {

#if defined(GREENROOM_TSAN) || defined(GREENROOM_ASAN)
inline constexpr bool is_sanitized = true;
#else
inline constexpr bool is_sanitized = false;
#endif

// The first in a plain build, the second where code runs many times slower.
constexpr int scaled(int plain, int sanitized) { return is_sanitized ? sanitized : plain; }

// Long enough for any machine: no test passes or fails by it.
inline constexpr gr::duration long_time = 60s;

// Replay a failure with GREENROOM_SEED=<the seed printed>.
inline std::uint32_t seed_of_this_run() {
  const char* const wish = std::getenv("GREENROOM_SEED");
  return wish != nullptr ? static_cast<std::uint32_t>(std::strtoul(wish, nullptr, 10))
                         : std::random_device{}();
}

// Opens once. OS threads block on it, green threads let others run.
class gate {
 public:
  void open() {
    open_.store(1, std::memory_order_release);
    open_.notify_all();
  }
  void wait_on_os_thread() const { open_.wait(0, std::memory_order_acquire); }
  void wait_on_green_thread() const {
    while (open_.load(std::memory_order_acquire) == 0) gr::yield();
  }
  [[nodiscard]] bool is_open() const { return open_.load(std::memory_order_acquire) != 0; }

 private:
  std::atomic<int> open_{0};
};

// What is allocated meanwhile is left behind on purpose: a mailbox packs its pointers with other
// bits, so LeakSanitizer does not find the messages of an actor that never ends.
struct leaves_behind {
#if defined(GREENROOM_ASAN)
  leaves_behind() { __lsan_disable(); }
  ~leaves_behind() { __lsan_enable(); }
  leaves_behind(const leaves_behind&) = delete;
  leaves_behind& operator=(const leaves_behind&) = delete;
#endif
};

// Lets others run until the condition holds. On green and OS threads.
template <class Condition>
void yield_until(Condition&& holds) {
  while (!holds()) gr::yield();
}

// Opens a gate when its scope is left, in whatever way.
class opens_at_end {
 public:
  explicit opens_at_end(gate& g) : gate_(&g) {}
  opens_at_end(opens_at_end&& other) noexcept : gate_(std::exchange(other.gate_, nullptr)) {}
  opens_at_end& operator=(opens_at_end&&) = delete;
  ~opens_at_end() {
    if (gate_ != nullptr) gate_->open();
  }

 private:
  gate* gate_;
};

// Runs it on a green thread and waits for its end.
template <class F>
gr::status on_green_thread(gr::runtime& rt, F&& body) {
  return rt.spawn(std::forward<F>(body)).join();
}

// A value that counts how many of its kind are alive, copies and moved-from ones included.
class counted {
 public:
  counted() noexcept : counted(0) {}
  explicit counted(int value) noexcept : value_(value) { ++alive_; }
  counted(const counted& other) noexcept : value_(other.value_) { ++alive_; }
  counted(counted&& other) noexcept : value_(std::exchange(other.value_, -1)) { ++alive_; }
  counted& operator=(const counted&) noexcept = default;
  ~counted() { --alive_; }

  [[nodiscard]] int value() const noexcept { return value_; }
  static long alive() noexcept { return alive_.load(); }

 private:
  int value_;
  static inline std::atomic<long> alive_{0};
};

// Fails the test when values of a kind outlive its scope, or are destroyed twice.
class no_leaks {
 public:
  no_leaks() : before_(counted::alive()) {}
  no_leaks(const no_leaks&) = delete;
  no_leaks& operator=(const no_leaks&) = delete;
  ~no_leaks() { CHECK(counted::alive() == before_); }

 private:
  long before_;
};

// Keeps what a runtime says instead of printing it.
class log_book {
 public:
  gr::logger logger() {
    static constexpr gr::logger::operations how{
        [](void* target, gr::log_level level, std::string_view text) {
          static_cast<log_book*>(target)->add(level, text);
        },
        nullptr, nullptr};
    return {this, &how};
  }
  [[nodiscard]] std::string text() const {
    lock();
    std::string copy = text_;
    unlock();
    return copy;
  }
  [[nodiscard]] int errors() const { return errors_.load(); }
  [[nodiscard]] bool has(std::string_view part) const {
    return text().find(part) != std::string::npos;
  }

 private:
  void add(gr::log_level level, std::string_view text) {
    lock();
    text_.append(text).push_back('\n');
    unlock();
    if (level == gr::log_level::error) ++errors_;
  }
  // Held for a few instructions by OS threads that never wait under it.
  void lock() const {
    while (busy_.test_and_set(std::memory_order_acquire)) busy_.wait(true);
  }
  void unlock() const {
    busy_.clear(std::memory_order_release);
    busy_.notify_one();
  }

  mutable std::atomic_flag busy_;
  std::string text_;
  std::atomic<int> errors_{0};
};

}  // namespace unit
