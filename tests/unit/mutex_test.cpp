// SPDX-License-Identifier: Apache-2.0
// The mutex that parks: one owner at a time, first come first served, and mistakes that are told.
#include "child_process.hpp"
#include "unit_test.hpp"

#include <memory>
#include <mutex>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

// Goal: one at a time, with waits under the lock and workers that change. Method: a plain counter,
// raised in two steps with a yield between them.
TEST_CASE("a mutex lets one in at a time, green threads and OS threads") {
  const int each = unit::scaled(2'000, 200);
  gr::mutex m;
  long count = 0;
  gr::runtime rt({.workers = 2});
  const auto work = [&] {
    for (int i = 0; i < each; ++i) {
      const std::lock_guard hold(m);
      const long before = count;
      if (i % 8 == 0) gr::yield();
      count = before + 1;
    }
  };
  std::vector<gr::green_thread> all;
  for (int i = 0; i < 8; ++i) all.push_back(rt.spawn(work));
  std::vector<std::jthread> foreign;
  for (int i = 0; i < 2; ++i) foreign.emplace_back(work);
  foreign.clear();
  for (const auto& g : all) CHECK(g.join());
  CHECK(count == 10L * each);
}

TEST_CASE("a mutex is handed over in order, and nobody passes") {
  gr::runtime rt({.workers = 1, .threads_max = 1});
  gr::mutex m;
  std::string order;
  unit::on_green_thread(rt, [&] {
    m.lock();
    std::vector<gr::green_thread> all;
    for (char name : {'a', 'b', 'c'}) {
      all.push_back(gr::spawn([&, name] {
        const std::lock_guard hold(m);
        order += name;
      }));
      for (int k = 0; k < 5; ++k) gr::yield();
    }
    m.unlock();
    if (m.try_lock()) order += "passed";  // it is a's already
    for (const auto& g : all) (void)g.join();
    if (m.try_lock()) {
      order += 'd';
      m.unlock();
    }
  });
  CHECK(order == "abcd");
}

TEST_CASE("who locks a mutex twice is told") {
  gr::mutex m;
  m.lock();
  CHECK_FALSE(m.try_lock());
  CHECK(m.lock_for(1ms).error() == gr::error::deadlock);
  try {
    m.lock();
    FAIL("a second lock went through");
  } catch (const std::system_error& e) {
    CHECK(e.code() == std::errc::resource_deadlock_would_occur);
  }
  gr::runtime rt;
  gr::error::code_type told = gr::error::closed;
  unit::on_green_thread(rt, [&] { told = m.lock_for(1ms).error().code(); });
  CHECK(told == gr::error::timeout);
  m.unlock();
  {
    std::unique_lock hold(m);
    hold.unlock();
    CHECK(hold.try_lock());
  }
}

TEST_CASE("an actor may keep a mutex from one message to the next") {
  struct take {
    using reply = bool;
  };
  struct give {
    using reply = bool;
  };
  struct keeper {
    using messages = gr::messages<take, give>;
    explicit keeper(gr::mutex& m) : m_(m) {}
    bool on(take) { return m_.try_lock(); }
    bool on(give) {
      m_.unlock();
      return true;
    }
    gr::mutex& m_;
  };
  gr::mutex m;
  gr::runtime rt({.workers = 2});
  auto k = rt.spawn<keeper>(m);
  CHECK(k.ask(take{}, unit::long_time).value());
  CHECK_FALSE(m.try_lock());
  CHECK_FALSE(k.ask(take{}, unit::long_time).value());
  CHECK(k.ask(give{}, unit::long_time).value());
  CHECK(m.try_lock());
  m.unlock();
}

// Goal: a cancel or a deadline that meets the hand-over leaves the lock with one of the two.
// Method: random patience around short holds; afterwards the lock must be free.
TEST_CASE("a mutex is not lost to those who give up") {
  const std::uint32_t seed = unit::seed_of_this_run();
  CAPTURE(seed);
  const int each = unit::scaled(3'000, 300);
  gr::mutex m;
  int inside = 0;
  std::atomic<int> wrong{0};
  std::vector<gr::green_thread> all;
  gr::runtime rt({.workers = 2});
  for (std::uint32_t n = 0; n < 6; ++n)
    all.push_back(rt.spawn([&, n] {
      std::minstd_rand random(seed + n);
      for (int i = 0; i < each; ++i) {
        if (!m.lock_for(std::chrono::microseconds(random() % 30))) continue;
        if (++inside != 1) ++wrong;
        if (random() % 4 == 0) gr::yield();
        --inside;
        m.unlock();
      }
    }));
  std::atomic<bool> over{false};
  auto canceller = rt.spawn([&] {
    std::minstd_rand random(seed + 100);
    while (!over) {
      auto victim = gr::spawn([&] {
        for (;;) {
          const std::lock_guard hold(m);
          if (++inside != 1) ++wrong;
          --inside;
          if (gr::cancel_requested()) break;
        }
      });
      gr::sleep_for(std::chrono::microseconds(random() % 100));
      victim.cancel();
      (void)victim.join();
    }
  });
  for (const auto& g : all) CHECK(g.join());
  over = true;
  CHECK(canceller.join());
  CHECK(wrong == 0);
  CHECK(m.try_lock());
  m.unlock();
}

TEST_CASE("who had a mutex last may destroy it at once") {
  const int rounds = unit::scaled(20'000, 2'000);
  std::atomic<gr::mutex*> shared{nullptr};
  std::atomic<int> state{0};  // 1: the other holds it
  gr::runtime rt({.workers = 2});
  std::atomic<bool> over{false};
  auto other = rt.spawn([&] {
    while (!over)
      if (gr::mutex* m = shared.exchange(nullptr)) {
        m->lock();
        state = 1;
        gr::yield();
        m->unlock();
      } else {
        gr::yield();
      }
  });
  unit::on_green_thread(rt, [&] {
    for (int i = 0; i < rounds; ++i) {
      auto m = std::make_unique<gr::mutex>();
      state = 0;
      shared = m.get();
      unit::yield_until([&] { return state == 1; });
      const std::lock_guard hold(*m);
    }
  });
  over = true;
  CHECK(other.join());
}

TEST_CASE("unlocking a mutex that somebody else holds ends the program with a sentence") {
  const auto how = child_process::run([] {
    gr::mutex m;
    m.unlock();
  });
  CHECK(how.killed_by(SIGABRT));
  CHECK(how.errors.find("greenroom: mutex: unlocked by somebody who does not hold it") !=
        std::string::npos);
}

TEST_CASE("who comes after an owner that has ended does not own the mutex") {
  gr::mutex m;
  gr::runtime rt({.workers = 1});
  CHECK(rt.spawn([&] { m.lock(); }).join());
  int twice = 0;
  for (int i = 0; i < 100; ++i)
    CHECK(rt.spawn([&] { twice += m.lock_for(0s).error() == gr::error::timeout ? 0 : 1; }).join());
  CHECK(twice == 0);
}
