// SPDX-License-Identifier: Apache-2.0
// Waiting for green threads to end.
#include "unit_test.hpp"

#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

using unit::gate;

TEST_CASE("join waits for the end, from OS and green threads, and any number of times") {
  gate go;
  int result = 0;
  gr::runtime rt;
  auto thread = rt.spawn([&] {
    go.wait_on_green_thread();
    result = 42;
  });
  std::atomic<int> right{0};
  std::vector<gr::green_thread> green;
  for (int i = 0; i < 10; ++i)
    green.push_back(rt.spawn([&, thread] {
      if (thread.join() && result == 42) ++right;
    }));
  std::vector<std::jthread> os;
  for (int i = 0; i < 3; ++i)
    os.emplace_back([&, thread] {
      if (thread.join() && result == 42) ++right;
    });
  go.open();
  for (const auto& g : green) CHECK(g.join());
  os.clear();
  CHECK(right == 13);
  CHECK(thread.join());
  CHECK(thread.join());
}

TEST_CASE("join reports failed with type and text of the exception, also afterwards") {
  unit::log_book log;
  gr::runtime rt({.logger = log.logger()});
  auto thread = rt.spawn({.name = "clumsy"}, [] { throw std::runtime_error("dropped a cup"); });
  for (int i = 0; i < 2; ++i) {
    const gr::status s = thread.join();
    REQUIRE_FALSE(s);
    CHECK(s.error() == gr::error::failed);
    const std::string text = s.error().text();
    CHECK(text.find("std::runtime_error") != std::string::npos);
    CHECK(text.find("dropped a cup") != std::string::npos);
  }
  auto odd = rt.spawn([] { throw 3; });
  CHECK(odd.join().error() == gr::error::failed);
  CHECK(log.has("clumsy"));
  CHECK(log.errors() == 2);
}

TEST_CASE("a handle is copied, moved and dropped without touching its thread") {
  gate go;
  int runs = 0;
  gr::runtime rt;
  {
    gr::green_thread a = rt.spawn([&] {
      go.wait_on_green_thread();
      ++runs;
    });
    gr::green_thread b = a;
    gr::green_thread c = std::move(a);
    CHECK_FALSE(a);  // NOLINT: a moved-from handle is empty
    CHECK(b.id() == c.id());
    CHECK(b.id() != 0);
    b = {};
    go.open();
    CHECK(c.join());
  }
  CHECK(runs == 1);
  const gr::green_thread nobody;
  CHECK(nobody.join().error() == gr::error::shutdown);
  CHECK(nobody.id() == 0);
  nobody.cancel();
}

TEST_CASE("a green thread that joins itself is told of the deadlock") {
  gr::green_thread self;
  gate set;
  gr::error::code_type code{};
  gr::runtime rt;
  self = rt.spawn([&] {
    set.wait_on_green_thread();
    const gr::green_thread mine = self;
    code = mine.join().error().code();
  });
  set.open();
  CHECK(self.join());
  CHECK(code == gr::error::deadlock);
}

TEST_CASE("join tells that the green thread was cancelled, not that the caller is") {
  gate ready;
  gr::runtime rt;
  const auto sleeper = rt.spawn({.name = "sleeper"}, [&] {
    ready.open();
    gr::sleep_for(24h);
  });
  ready.wait_on_os_thread();
  sleeper.cancel();
  const gr::status ended = sleeper.join();
  CHECK(ended.error() == gr::error::cancelled);
  CHECK(ended.error().text() == std::string("sleeper was cancelled"));
}

TEST_CASE("arguments are moved into the green thread") {
  int got = 0;
  gr::runtime rt;
  auto thread =
      rt.spawn([&](std::unique_ptr<int> p, int q) { got = *p + q; }, std::make_unique<int>(40), 2);
  CHECK(thread.join());
  CHECK(got == 42);
}

TEST_CASE("joins race with ends and cancels of the joiner, and each comes back") {
  const std::uint32_t seed = unit::seed_of_this_run();
  CAPTURE(seed);
  const int rounds = unit::scaled(20'000, 1'000);
  std::atomic<int> joined{0}, cancelled{0};
  gr::runtime rt;
  unit::on_green_thread(rt, [&] {
    std::minstd_rand random(seed);
    for (int i = 0; i < rounds; ++i) {
      auto worker = gr::spawn([waits = random() % 3] {
        for (auto w = waits; w != 0; --w) gr::yield();
      });
      auto joiner = gr::spawn([&, worker] {
        const gr::status s = worker.join();
        if (s)
          ++joined;
        else if (s.error() == gr::error::cancelled)
          ++cancelled;
      });
      for (auto w = random() % 3; w != 0; --w) gr::yield();
      if (random() % 2 == 0) joiner.cancel();
      worker = {};
      joiner.join();
    }
  });
  CHECK(joined + cancelled == rounds);
}

TEST_CASE("a tree of green threads of which each joins its children comes back whole") {
  std::atomic<int> leaves{0};
  gr::runtime rt;
  struct tree {
    static void grow(int depth, std::atomic<int>& leaves) {
      if (depth == 0) {
        ++leaves;
        return;
      }
      auto left = gr::spawn([&leaves, depth] { grow(depth - 1, leaves); });
      auto right = gr::spawn([&leaves, depth] { grow(depth - 1, leaves); });
      left.join();
      right.join();
    }
  };
  const int depth = unit::scaled(14, 8);
  CHECK(unit::on_green_thread(rt, [&] { tree::grow(depth, leaves); }));
  CHECK(leaves == 1 << depth);
}
