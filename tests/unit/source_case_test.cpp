// SPDX-License-Identifier: Apache-2.0
// Latches, semaphores, oneshots, watches, broadcasts and work queues as cases of a select.
#include "unit_test.hpp"

#include <greenroom/select.hpp>

#include <string>
#include <vector>

TEST_CASE("each of them is a case that happens when it is ready") {
  gr::latch l(1);
  gr::semaphore s(0);
  auto [tell, told] = gr::oneshot<int>();
  auto [set, setting] = gr::watch(0);
  auto tx = gr::broadcast<int>(2, gr::slow::drop_oldest);
  auto rx = tx.subscribe();
  auto [give, work] = gr::work_queue<int>(2);
  std::string happened;
  const auto one = [&] {
    return gr::select(
        gr::prioritized, l.on([&] { happened += "latch "; }),
        s.on(2, [&](gr::permit p) { happened += "permits " + std::to_string(p.count()) + ' '; }),
        told.on([&](int v) { happened += "oneshot " + std::to_string(v) + ' '; }),
        setting.on([&](int v) { happened += "watch " + std::to_string(v) + ' '; }),
        rx.on([&](int v) { happened += "broadcast " + std::to_string(v) + ' '; }),
        work.on([&](int v) { happened += "work " + std::to_string(v) + ' '; }),
        gr::otherwise([&] { happened += "none "; }));
  };
  CHECK(one());
  CHECK(give.send(1));
  CHECK(one());
  for (int i = 0; i < 3; ++i) CHECK(tx.send(i));  // one is missed, which is only counted
  CHECK(one());
  CHECK(rx.missed() == 1);
  CHECK(set.send(3));
  CHECK(one());
  CHECK(tell.send(4));
  CHECK(one());
  s.release(3);
  CHECK(one());
  CHECK(s.available() == 3);
  l.count_down();
  CHECK(one());
  CHECK(happened == "none work 1 broadcast 1 watch 3 oneshot 4 permits 2 latch ");
}

TEST_CASE("a case whose function takes an expected hears of errors, too") {
  auto tx = gr::broadcast<int>(1, gr::slow::drop_oldest);
  auto rx = tx.subscribe();
  for (int i = 0; i < 4; ++i) CHECK(tx.send(i));
  std::string text;
  CHECK(gr::select(rx.on([&](std::expected<int, gr::error> got) { text = got.error().text(); })));
  CHECK(text == "lagged: 3 values were missed");
  CHECK(gr::select(rx.on([&](std::expected<int, gr::error> got) { CHECK(got == 3); })));
  auto [tell, told] = gr::oneshot<int>();
  tell = {};
  CHECK(gr::select(told.on(
      [&](std::expected<int, gr::error> got) { CHECK(got.error() == gr::error::dropped); })));
}

TEST_CASE("a select ends when all of its sources have ended, and never waits for an empty one") {
  auto [tell, told] = gr::oneshot<int>();
  auto [set, setting] = gr::watch(0);
  auto tx = gr::broadcast<int>(2, gr::slow::wait);
  auto rx = tx.subscribe();
  auto [give, work] = gr::work_queue<int>(2);
  gr::broadcast_receiver<int> none;
  std::atomic<bool> ended{false};
  gr::runtime rt;
  auto waiter = rt.spawn([&, &my_told = told, &my_setting = setting, &my_work = work] {
    const auto no = [](int) {};
    while (gr::select(my_told.on(no), my_setting.on(no), rx.on(no), my_work.on(no), none.on(no))) {}
    ended = true;
  });
  tell = {};
  set = {};
  tx = {};
  give = {};
  CHECK(waiter.join());
  CHECK(ended);
}

// Goal: exactly one case happens, and the others leave nothing behind: no permit and no value is
// lost to a select that took something else. Method: selects over all of them against senders that
// count; then all must add up.
TEST_CASE("what a select did not take is still there") {
  const std::uint32_t seed = unit::seed_of_this_run();
  CAPTURE(seed);
  const unit::no_leaks leaks;
  const int many = unit::scaled(5'000, 500);
  constexpr int takers = 4;
  std::atomic<int> jobs{0}, permits{0}, heard{0}, ended{0};
  gr::semaphore s(0);
  {
    gr::runtime rt({.workers = 2});
    auto [give, work] = gr::work_queue<unit::counted>(3);
    auto tx = gr::broadcast<unit::counted>(3, gr::slow::wait);
    gr::latch over(1);
    std::vector<gr::green_thread> all;
    for (int i = 0; i < takers; ++i)
      all.push_back(rt.spawn([&, &my_work = work, rx = tx.subscribe()]() mutable {
        for (bool on = true; on;)
          gr::select(my_work.on([&](unit::counted) { ++jobs; }),
                     s.on([&](gr::permit) { ++permits; }), rx.on([&](unit::counted) { ++heard; }),
                     over.on([&] { on = false; }), gr::after(std::chrono::microseconds(50)));
        while (rx.try_receive()) ++heard;
        ++ended;
      }));
    auto jobs_sender = rt.spawn([&, my_give = give] {
      for (int i = 0; i < many; ++i) (void)my_give.send(unit::counted(i));
    });
    auto speaker = rt.spawn([&, tx = std::move(tx)] {
      for (int i = 0; i < many; ++i) (void)tx.send(unit::counted(i));
    });
    auto releaser = rt.spawn([&] {
      for (int i = 0; i < many / 10; ++i) {
        s.release();
        gr::yield();
      }
    });
    CHECK(jobs_sender.join());
    CHECK(speaker.join());
    CHECK(releaser.join());
    over.count_down();
    for (const auto& g : all) CHECK(g.join());
    while (work.try_receive()) ++jobs;
  }
  CHECK(jobs == many);
  CHECK(heard == takers * many);
  CHECK(ended == takers);
  CHECK(s.available() == many / 10);  // each was given back after its function
}
