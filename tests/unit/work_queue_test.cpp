// SPDX-License-Identifier: Apache-2.0
// Work queues: each value once, to somebody, up to the end.
#include "unit_test.hpp"

#include <memory>
#include <stdexcept>
#include <thread>
#include <vector>

namespace {

struct job {
  explicit job(int n) : number(std::make_unique<int>(n)) {}
  std::unique_ptr<int> number;
};

}  // namespace

TEST_CASE("a work queue holds exactly its capacity") {
  CHECK_THROWS_AS((void)gr::work_queue<int>(0), std::invalid_argument);
  auto [tx, rx] = gr::work_queue<job>(3);
  CHECK(tx.capacity() == 3);
  CHECK(rx.try_receive().error() == gr::error::empty);
  CHECK(rx.receive_for(1ms).error() == gr::error::timeout);
  for (int i = 0; i < 3; ++i) CHECK(tx.try_send(job(i)));
  CHECK(tx.size() == 3);
  auto back = tx.try_send(job(9));
  REQUIRE_FALSE(back);
  CHECK(back.error().why == gr::error::full);
  CHECK(*back.error().message.number == 9);
  back = tx.send_for(1ms, job(8));
  CHECK(back.error().why == gr::error::timeout);
  CHECK(*back.error().message.number == 8);
  CHECK(rx.receive());
  CHECK(tx.try_send(job(4)));
  auto [wide, any] = gr::work_queue<char>(gr::unbounded);
  for (int i = 0; i < 10'000; ++i) CHECK(wide.try_send('x'));
  CHECK(any.size() == 10'000);
  CHECK(any.receive() == 'x');
}

TEST_CASE("workers get what is left when a work queue is closed, then the end") {
  auto [tx, rx] = gr::work_queue<int>(10);
  auto other = tx;
  CHECK(tx.send(1));
  tx = {};
  CHECK(other.send(2));
  other.close();
  auto back = other.send(3);
  CHECK(back.error().why == gr::error::closed);
  CHECK(back.error().message == 3);
  int sum = 0;
  for (const int v : rx) sum += v;
  CHECK(sum == 3);
  CHECK(rx.try_receive().error() == gr::error::closed);
  CHECK(rx.receive().error() == gr::error::closed);
}

TEST_CASE("producers hear that no worker is left, and keep their values") {
  const unit::no_leaks leaks;
  gr::runtime rt;
  auto [tx, rx] = gr::work_queue<unit::counted>(1);
  CHECK(tx.send(unit::counted(1)));
  std::atomic<int> begun{0}, closed{0};
  std::vector<gr::green_thread> all;
  for (int i = 0; i < 5; ++i)
    all.push_back(rt.spawn([&, my_tx = tx] {
      ++begun;
      auto back = my_tx.send(unit::counted(7));
      if (!back && back.error().why == gr::error::closed && back.error().message.value() == 7)
        ++closed;
    }));
  unit::yield_until([&] { return begun == 5; });
  rx = {};
  for (const auto& g : all) CHECK(g.join());
  CHECK(closed == 5);
}

TEST_CASE("workers that wait are woken, one for each value, and all at the end") {
  gr::runtime rt;
  auto [tx, rx] = gr::work_queue<int>(4);
  std::atomic<int> got{0}, ended{0};
  std::vector<gr::green_thread> all;
  for (int i = 0; i < 50; ++i)
    all.push_back(rt.spawn([&, my_rx = rx] {
      for ([[maybe_unused]] const int v : my_rx) ++got;
      ++ended;
    }));
  std::jthread foreign([&, my_rx = rx] {
    for ([[maybe_unused]] const int v : my_rx) ++got;
    ++ended;
  });
  for (int i = 0; i < 200; ++i) CHECK(tx.send(i));
  tx = {};
  for (const auto& g : all) CHECK(g.join());
  foreign.join();
  CHECK(got == 200);
  CHECK(ended == 51);
}

// Goal: each value is received once, given back, or destroyed with the queue, under time-outs,
// cancels, close and many threads on one end. Method: random patience and a close in the middle of
// each round; values are counted and added up.
TEST_CASE("work is conserved, whoever gives up and whenever it is closed") {
  const std::uint32_t seed = unit::seed_of_this_run();
  CAPTURE(seed);
  const unit::no_leaks leaks;
  const int rounds = unit::scaled(60, 10);
  const int each = unit::scaled(500, 100);
  for (int round = 0; round < rounds; ++round) {
    std::atomic<long> tried{0}, sent{0}, received{0}, wrong{0};
    gr::runtime rt({.workers = 2});
    auto [tx, rx] = gr::work_queue<unit::counted>(3);
    const auto seed_of = [&](int n) { return seed + static_cast<std::uint32_t>(round * 100 + n); };
    std::vector<gr::green_thread> all;
    const auto produce = [&](const gr::work_sender<unit::counted>& to, int n) {
      std::minstd_rand random(seed_of(n));
      for (int i = 0; i < each; ++i) {
        auto how = random() % 2 == 0
                       ? to.send(unit::counted(i))
                       : to.send_for(std::chrono::microseconds(random() % 20), unit::counted(i));
        if (how)
          ++sent;
        else if (how.error().message.value() != i)
          ++wrong;
        ++tried;
      }
    };
    const auto work = [&](const gr::work_receiver<unit::counted>& from, int n) {
      std::minstd_rand random(seed_of(n));
      for (;;) {
        auto got = random() % 2 == 0 ? from.receive()
                                     : from.receive_for(std::chrono::microseconds(random() % 20));
        if (got) ++received;
        if (!got && got.error() == gr::error::closed) return;
        if (random() % 16 == 0) gr::yield();
      }
    };
    for (int i = 0; i < 4; ++i) {
      all.push_back(rt.spawn([&, i, my_tx = tx] { produce(my_tx, i); }));
      all.push_back(rt.spawn([&, i] { produce(tx, 10 + i); }));  // all through one end
      all.push_back(rt.spawn([&, i, my_rx = rx] { work(my_rx, 20 + i); }));
      all.push_back(rt.spawn([&, i] { work(rx, 30 + i); }));
    }
    std::jthread foreign([&, my_tx = tx] { produce(my_tx, 50); });
    std::jthread worker([&, my_rx = rx] { work(my_rx, 51); });
    if (round % 2 == 0) {
      const auto some = static_cast<long>(seed_of(60) % 2'000);
      unit::yield_until([&] { return received > some || tried == 9L * each; });
      tx.close();
    } else {
      foreign.join();
      for (int i = 0; i < 16; ++i)
        if (i % 4 < 2) CHECK(all[static_cast<std::size_t>(i)].join());
      tx.close();
    }
    for (const auto& g : all) CHECK(g.join());
    if (foreign.joinable()) foreign.join();
    worker.join();
    CHECK(sent == received);
    CHECK(wrong == 0);
  }
}

TEST_CASE("a worker that is cancelled takes no value with it") {
  const unit::no_leaks leaks;
  const int rounds = unit::scaled(3'000, 300);
  gr::runtime rt({.workers = 2});
  auto [tx, rx] = gr::work_queue<unit::counted>(100);
  std::atomic<int> received{0};
  unit::on_green_thread(rt, [&] {
    for (int i = 0; i < rounds; ++i) {
      auto victim = gr::spawn([&, my_rx = rx] {
        if (my_rx.receive()) ++received;
      });
      if (i % 2 == 0) gr::yield();
      if (!tx.send(unit::counted(i))) received = -1'000'000;
      victim.cancel();
      (void)victim.join();
      if (rx.try_receive()) ++received;
    }
  });
  while (rx.try_receive()) ++received;
  CHECK(received == rounds);
}
