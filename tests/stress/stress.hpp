// SPDX-License-Identifier: Apache-2.0
// What the stress tests share: sizes that fit the build, a seed that can be replayed, and a way
// for a green thread to change its worker.
#pragma once

#include <greenroom/greenroom.hpp>
#include <greenroom/park.hpp>

#include <doctest/doctest.h>

#include <atomic>
#include <cstdint>
#include <mutex>
#include <random>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace gr = greenroom;
using namespace std::chrono_literals;

namespace stress {

#if defined(GREENROOM_TSAN) || defined(GREENROOM_ASAN)
inline constexpr bool is_sanitized = true;
#else
inline constexpr bool is_sanitized = false;
#endif

// The first in a plain build, the second where code runs many times slower.
constexpr int scaled(int plain, int sanitized) { return is_sanitized ? sanitized : plain; }

// For runtimes whose warnings a test brings about on purpose.
inline gr::logger nobody_hears() {
  static constexpr gr::logger::operations how{[](void*, gr::log_level, std::string_view) {},
                                              nullptr, nullptr};
  return {nullptr, &how};
}

// Of this run; printed at its start, and set by GREENROOM_SEED to replay one.
std::uint32_t seed();

// A stream of random numbers that depends on the run's seed and the number alone.
class random_stream {
 public:
  explicit random_stream(std::uint32_t number) : engine_(seed() * 2654435769u + number) {}
  std::uint32_t below(std::uint32_t bound) { return static_cast<std::uint32_t>(engine_()) % bound; }

 private:
  std::minstd_rand engine_;
};

// The calling OS thread, through an accessor that no compiler can look through: the address of a
// thread_local that was taken before a wait is another thread's after it.
std::uint64_t this_os_thread();

// An OS thread that wakes green threads. What is woken from outside goes to any worker that has
// time, so a stay with the mover moves.
class mover {
 public:
  mover();
  ~mover();
  mover(const mover&) = delete;
  mover& operator=(const mover&) = delete;

  // Parks the caller until the mover has woken it. True when it is on another OS thread now.
  bool move();

 private:
  void run();

  std::atomic<std::uint32_t> signal_{0};
  std::mutex mutex_;
  std::vector<gr::detail::wait_ticket> waiting_;
  bool over_ = false;
  std::thread thread_;
};

// Waits in one of all ways: yields, sleeps, or goes to the mover. True when it has migrated.
bool wander(mover& away, random_stream& random);

// Counts a group of green threads down to none; their parent waits for them.
class group {
 public:
  template <class F>
  void spawn(gr::runtime& rt, F&& body) {
    all_.push_back(rt.spawn(std::forward<F>(body)));
  }
  template <class F>
  void spawn(gr::runtime& rt, const gr::spawn_options& how, F&& body) {
    all_.push_back(rt.spawn(how, std::forward<F>(body)));
  }
  // All of them ended well.
  bool join() {
    bool well = true;
    for (const gr::green_thread& each : all_) {
      const gr::status ended = each.join();
      if (!ended) {
        well = false;
        MESSAGE("a green thread ended badly: ", ended.error().text());
      }
    }
    all_.clear();
    return well;
  }

 private:
  std::vector<gr::green_thread> all_;
};

// What a failure in a green thread says: doctest's own macros must not run on several threads at
// once, nor be entered again while one waits.
class verdict {
 public:
  void expect(bool holds, const char* sentence) {
    if (holds) return;
    failures_.fetch_add(1, std::memory_order_relaxed);
    first_.store(sentence, std::memory_order_release);
  }
  // On the test's own thread, at the end.
  void report() const {
    const char* const sentence = first_.load(std::memory_order_acquire);
    INFO("did not hold: " << std::string(sentence == nullptr ? "" : sentence));
    CHECK(failures_.load() == 0);
  }

 private:
  std::atomic<long> failures_{0};
  std::atomic<const char*> first_{nullptr};
};

}  // namespace stress
