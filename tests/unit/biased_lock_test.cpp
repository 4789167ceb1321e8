// SPDX-License-Identifier: Apache-2.0
// The lock of channels, which one worker takes for nothing.
#include "unit_test.hpp"

#include <greenroom/detail/biased_lock.hpp>

#include <thread>
#include <vector>

using greenroom::detail::biased_guard;
using greenroom::detail::biased_lock;
using greenroom::detail::sync::prepare_heavy_fence;

namespace {

constexpr int enough = 100'000;  // turns in a row, for any bias

// How many of that many turns were made by bias.
int turns_by_bias(biased_lock& lock, int turns) {
  int biased = 0;
  for (int i = 0; i < turns; ++i) {
    const bool by_bias = lock.lock();
    lock.unlock(by_bias);
    biased += by_bias ? 1 : 0;
  }
  return biased;
}

}  // namespace

TEST_CASE("a lock that one worker alone takes is biased to it, until somebody else takes it") {
  gr::runtime rt({.workers = 1, .threads_max = 1});
  biased_lock lock;
  const auto on_worker = [&](int turns) {
    int biased = -1;
    CHECK(rt.spawn([&] { biased = turns_by_bias(lock, turns); }).join());
    return biased;
  };
  const bool may_bias = prepare_heavy_fence();
  CHECK((on_worker(enough) > 0) == may_bias);
  CHECK((on_worker(10) == 10) == may_bias);
  CHECK(turns_by_bias(lock, enough) == 0);  // an OS thread of ours is no worker
  CHECK(on_worker(10) == 0);
  CHECK((on_worker(enough) > 0) == may_bias);
}

// Goal: F1, never two inside. Method: green threads of several workers and plain OS threads add to
// plain numbers, each under a lock of its own, in runs long enough for a bias now and then. Some
// stay inside for longer than a heavy fence takes, so that who takes a bias away finds its owner
// there: additions that were lost show in the sum, and ThreadSanitizer sees what is not ordered.
TEST_CASE("a biased lock lets one in at a time, whoever has the bias") {
  constexpr int rounds = unit::scaled(80, 8);
  constexpr int burst = 1'500;
  constexpr int places = 20;  // a lock that has lost its bias often is seldom biased again
  constexpr int long_stay = unit::scaled(25'000, 2'500);  // some 10 us
  struct place {
    biased_lock lock;
    std::int64_t sum = 0;
  };
  std::vector<place> all_places(places);
  std::atomic<std::int64_t> by_bias{0};
  const auto work = [&](unsigned number) {
    for (int r = 0; r < rounds; ++r) {
      place& here = all_places[static_cast<std::size_t>(r % places)];
      for (int i = 0; i < burst; ++i) {
        const bool biased = here.lock.lock();
        const std::int64_t before = here.sum;
        for (int spins = i % 16 == 0 ? long_stay : 0; spins > 0; --spins) asm volatile("");
        here.sum = before + 1;
        here.lock.unlock(biased);
        if (biased) by_bias.fetch_add(1, std::memory_order_relaxed);
      }
      gr::sleep_for(std::chrono::microseconds(40 * ((number + static_cast<unsigned>(r)) % 7)));
    }
  };
  constexpr int greens = 3;
  constexpr int others = 2;
  {
    gr::runtime rt({.workers = 3});
    std::vector<gr::green_thread> all;
    for (unsigned i = 0; i < greens; ++i) all.push_back(rt.spawn([&work, i] { work(i); }));
    std::vector<std::jthread> threads;
    for (unsigned i = 0; i < others; ++i) threads.emplace_back([&work, i] { work(greens + i); });
    for (const auto& g : all) CHECK(g.join());
  }
  std::int64_t sum = 0;
  for (const place& p : all_places) sum += p.sum;
  CHECK(sum == std::int64_t{rounds} * burst * (greens + others));
  MESSAGE("by bias: ", by_bias.load());
}
