// SPDX-License-Identifier: Apache-2.0
#include "scheduler/timer_heap.hpp"

#include <doctest/doctest.h>

#include <cstdlib>
#include <map>
#include <random>
#include <vector>

using greenroom::detail::timer_heap;
using greenroom::detail::timer_node;

namespace {

// Replay a failure with GREENROOM_SEED=<the seed printed>.
std::uint32_t seed_of_this_run() {
  const char* const wish = std::getenv("GREENROOM_SEED");
  return wish != nullptr ? static_cast<std::uint32_t>(std::strtoul(wish, nullptr, 10))
                         : std::random_device{}();
}

}  // namespace

TEST_CASE("an empty timer heap has nothing due and its earliest time is never") {
  timer_heap heap;
  CHECK(heap.empty());
  CHECK(heap.earliest() == INT64_MAX);
  CHECK(heap.pop_due(INT64_MAX) == nullptr);
}

TEST_CASE("timers come out in order of time, and only when they are due") {
  timer_heap heap;
  timer_node late, early, middle;
  heap.insert(&late, 30);
  heap.insert(&early, 10);
  heap.insert(&middle, 20);
  CHECK(heap.earliest() == 10);
  CHECK(heap.pop_due(9) == nullptr);
  CHECK(heap.pop_due(25) == &early);
  CHECK(heap.pop_due(25) == &middle);
  CHECK(heap.pop_due(25) == nullptr);
  CHECK(late.queued());
  CHECK_FALSE(early.queued());
  CHECK(heap.pop() == &late);
  CHECK(heap.empty());
}

TEST_CASE("timers of one time come out in the order they were inserted, wherever they lie") {
  timer_heap heap;
  std::vector<timer_node> nodes(500);
  // Stepping by a number that has no factor in common with the size visits every node, with
  // addresses that go up and down.
  for (std::size_t i = 0; i < nodes.size(); ++i) heap.insert(&nodes[i * 211 % nodes.size()], 7);
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    REQUIRE(heap.pop_due(7) == &nodes[i * 211 % nodes.size()]);
  }
  CHECK(heap.empty());
}

TEST_CASE("a timer that was erased can be inserted again and then stands behind its equals") {
  timer_heap heap;
  timer_node first, second;
  heap.insert(&first, 5);
  heap.insert(&second, 5);
  heap.erase(&first);
  CHECK_FALSE(first.queued());
  heap.insert(&first, 5);
  CHECK(heap.pop() == &second);
  CHECK(heap.pop() == &first);
}

// Goal: every operation leaves the heap as a sorted multimap would be. Method: random operations
// from a seed, with few distinct times so that ties are common; std::multimap keeps equal keys in
// the order of insertion.
TEST_CASE("a timer heap behaves as a sorted multimap under random operations") {
  const std::uint32_t seed = seed_of_this_run();
  CAPTURE(seed);
  std::mt19937 random(seed);
  timer_heap heap;
  std::vector<timer_node> nodes(3000);
  std::multimap<std::int64_t, timer_node*> model;
  std::vector<std::multimap<std::int64_t, timer_node*>::iterator> where(nodes.size());
  std::int64_t now = 0;
  for (int step = 0; step < 200'000; ++step) {
    CAPTURE(step);
    const std::size_t i = random() % nodes.size();
    timer_node* const node = &nodes[i];
    // Insertions prevail for a while, then erasures do, so that the heap grows and shrinks.
    const bool growing = step / 20'000 % 2 == 0;
    if (node->queued() ? !growing || random() % 4 == 0 : growing || random() % 4 == 0) {
      if (node->queued()) {
        heap.erase(node);
        model.erase(where[i]);
        REQUIRE_FALSE(node->queued());
      } else {
        const std::int64_t when = now + static_cast<std::int64_t>(random() % 300);
        heap.insert(node, when);
        where[i] = model.emplace(when, node);
      }
    } else if (random() % 16 == 0) {
      ++now;
      while (timer_node* const due = heap.pop_due(now)) {
        REQUIRE(due == model.begin()->second);
        REQUIRE_FALSE(due->queued());
        model.erase(model.begin());
      }
      REQUIRE((model.empty() || model.begin()->first > now));
    }
    REQUIRE(heap.size() == model.size());
    REQUIRE(heap.earliest() == (model.empty() ? INT64_MAX : model.begin()->first));
  }
  while (!heap.empty()) {
    REQUIRE(heap.pop() == model.begin()->second);
    model.erase(model.begin());
  }
  CHECK(model.empty());
}
