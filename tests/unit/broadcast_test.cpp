// SPDX-License-Identifier: Apache-2.0
// Broadcasts: everybody sees everything, and what becomes of the slow.
#include "unit_test.hpp"

#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

TEST_CASE("every receiver sees every value sent after it subscribed") {
  for (const gr::slow policy : {gr::slow::wait, gr::slow::drop_oldest, gr::slow::disconnect}) {
    auto tx = gr::broadcast<std::string>(4, policy);
    CHECK(tx.send("nobody hears this"));
    auto a = tx.subscribe();
    CHECK(a.try_receive().error() == gr::error::empty);
    CHECK(a.receive_for(1ms).error() == gr::error::timeout);
    CHECK(tx.send("one"));
    auto b = a.subscribe();
    CHECK(tx.receivers() == 2);
    CHECK(tx.send("two"));
    CHECK(a.receive() == "one");
    CHECK(a.receive() == "two");
    CHECK(b.receive() == "two");
    CHECK(tx.send("three"));
    tx = {};
    CHECK(a.receive() == "three");
    CHECK(a.receive().error() == gr::error::closed);
    CHECK(b.try_receive() == "three");
    CHECK(b.try_receive().error() == gr::error::closed);
  }
}

TEST_CASE("a broadcast holds exactly its capacity, and no sense is refused") {
  CHECK_THROWS_AS((void)gr::broadcast<int>(0, gr::slow::wait), std::invalid_argument);
  CHECK_THROWS_WITH_AS(
      (void)gr::broadcast<int>(2'000'000, gr::slow::wait),
      "greenroom: broadcast with a capacity of 2000000: it must lie between 1 and 2^20",
      std::invalid_argument);
  for (const std::uint32_t capacity : {1u, 2u, 3u, 5u, 64u, 1000u}) {
    CAPTURE(capacity);
    auto tx = gr::broadcast<int>(capacity, gr::slow::wait);
    auto rx = tx.subscribe();
    auto other = tx.subscribe();
    for (std::uint32_t i = 0; i < capacity; ++i) CHECK(tx.try_send(static_cast<int>(i)));
    auto back = tx.try_send(-1);
    REQUIRE_FALSE(back);
    CHECK(back.error().why == gr::error::full);
    CHECK(back.error().message == -1);
    CHECK(tx.send_for(1ms, -1).error().why == gr::error::timeout);
    CHECK(rx.receive() == 0);
    CHECK_FALSE(tx.try_send(-1));  // the other has not read
    CHECK(other.receive() == 0);
    CHECK(tx.try_send(static_cast<int>(capacity)));
    CHECK_FALSE(tx.try_send(-1));
    other = {};
    for (std::uint32_t i = 1; i <= capacity; ++i) CHECK(rx.receive() == static_cast<int>(i));
    CHECK(rx.try_receive().error() == gr::error::empty);
  }
}

TEST_CASE("a receiver that lags behind is told how many values it missed, and goes on") {
  auto tx = gr::broadcast<int>(3, gr::slow::drop_oldest);
  auto rx = tx.subscribe();
  for (int i = 0; i < 10; ++i) CHECK(tx.send(i));
  auto got = rx.receive();
  REQUIRE_FALSE(got);
  CHECK(got.error() == gr::error::lagged);
  CHECK(std::string(got.error().text()) == "lagged: 7 values were missed");
  CHECK(rx.missed() == 7);
  CHECK(rx.receive() == 7);
  CHECK(tx.send(10));
  CHECK(tx.send(11));
  got = rx.try_receive();
  CHECK(std::string(got.error().text()) == "lagged: 1 value was missed");
  CHECK(rx.missed() == 8);
  tx = {};
  std::string seen;
  for (const int v : rx) seen += std::to_string(v) + ' ';
  CHECK(seen == "9 10 11 ");
}

TEST_CASE("a receiver that lags behind is disconnected, if that is the policy") {
  auto tx = gr::broadcast<int>(3, gr::slow::disconnect);
  auto slow = tx.subscribe();
  auto quick = tx.subscribe();
  for (int i = 0; i < 4; ++i) {
    CHECK(tx.send(i));
    CHECK(quick.receive() == i);
  }
  CHECK(slow.receive().error() == gr::error::lagged);
  CHECK(slow.receive().error() == gr::error::closed);
  CHECK(slow.receive_for(1s).error() == gr::error::closed);
  CHECK(slow.missed() == 1);
}

TEST_CASE("a copy that throws leaves the value to be received again") {
  struct fragile {
    int value;
    int* fails;
    fragile(int v, int* f) : value(v), fails(f) {}
    fragile(fragile&&) noexcept = default;
    fragile(const fragile& other) : value(other.value), fails(other.fails) {
      if ((*fails)-- > 0) throw std::runtime_error("no copy today");
    }
  };
  for (const gr::slow policy : {gr::slow::wait, gr::slow::drop_oldest}) {
    int fails = 1;
    auto tx = gr::broadcast<fragile>(4, policy);
    auto rx = tx.subscribe();
    CHECK(tx.send(fragile(1, &fails)));
    CHECK(tx.send(fragile(2, &fails)));
    CHECK_THROWS_AS((void)rx.receive(), std::runtime_error);
    CHECK(rx.receive()->value == 1);
    CHECK(rx.receive()->value == 2);
  }
}

// Goal: no user code under our lock. Method: a destructor that sends to the same broadcast.
TEST_CASE("a value may use its broadcast as it is destroyed") {
  struct echo {
    const gr::broadcast_sender<int>* to;
    explicit echo(const gr::broadcast_sender<int>* t) : to(t) {}
    echo(const echo&) = default;
    echo(echo&& other) noexcept : to(std::exchange(other.to, nullptr)) {}
    ~echo() {
      if (to != nullptr) (void)to->try_send(1);
    }
  };
  auto heard = gr::broadcast<int>(64, gr::slow::drop_oldest);
  auto ear = heard.subscribe();
  auto tx = gr::broadcast<echo>(1, gr::slow::drop_oldest);
  auto rx = tx.subscribe();
  CHECK(tx.send(echo(&heard)));
  CHECK(ear.try_receive().error() == gr::error::empty);
  CHECK(tx.send(echo(&heard)));
  CHECK(ear.try_receive() == 1);
}

TEST_CASE("who holds a broadcast up lets it go when it is dropped") {
  gr::runtime rt;
  auto tx = gr::broadcast<int>(2, gr::slow::wait);
  auto slow = tx.subscribe();
  auto quick = tx.subscribe();
  std::atomic<int> sent{0};
  auto sender = rt.spawn([&, tx] {
    for (int i = 0; i < 4; ++i)
      if (tx.send(i)) ++sent;
  });
  CHECK(quick.receive() == 0);
  CHECK(quick.receive() == 1);
  CHECK(sent <= 2);
  slow = {};
  CHECK(quick.receive() == 2);
  CHECK(quick.receive() == 3);
  CHECK(sender.join());
  CHECK(sent == 4);
}

TEST_CASE("senders that wait for the slow hear the end, and keep their value") {
  gr::runtime rt;
  auto tx = gr::broadcast<int>(1, gr::slow::wait);
  auto rx = tx.subscribe();
  CHECK(tx.send(0));
  std::atomic<int> begun{0}, closed{0};
  std::vector<gr::green_thread> all;
  for (int i = 1; i <= 5; ++i)
    all.push_back(rt.spawn([&, tx, i] {
      ++begun;
      auto back = tx.send(i);
      if (!back && back.error().why == gr::error::closed && back.error().message == i) ++closed;
    }));
  unit::yield_until([&] { return begun == 5; });
  tx.close();
  for (const auto& g : all) CHECK(g.join());
  CHECK(closed == 5);
  CHECK(rx.receive() == 0);
  CHECK(rx.receive().error() == gr::error::closed);
}

TEST_CASE("a sender that waits for the slow is cancelled, and the next in line goes on") {
  gr::runtime rt;
  auto tx = gr::broadcast<int>(1, gr::slow::wait);
  auto rx = tx.subscribe();
  CHECK(tx.send(0));
  std::atomic<bool> first{false};
  auto cut = rt.spawn([&, tx] {
    first = true;
    (void)tx.send(1);
    (void)tx.send(1);
  });
  unit::yield_until([&] { return first.load(); });
  auto next = rt.spawn([&, tx] { (void)tx.send(2); });
  cut.cancel();
  CHECK_FALSE(cut.join());
  CHECK(rx.receive() == 0);
  CHECK(rx.receive() == 2);
  CHECK(next.join());
}

// Goal: under slow::wait everybody sees each sender's values in order, all of them, in the same
// order, while receivers come and go, time out and are dropped. Method: random patience; receivers
// that stay note what they see.
TEST_CASE("a broadcast that waits loses nothing, with many senders and receivers") {
  const std::uint32_t seed = unit::seed_of_this_run();
  CAPTURE(seed);
  const unit::no_leaks leaks;
  struct item {
    int sender;
    int number;
    unit::counted value;
  };
  constexpr int senders = 3;
  constexpr int stay = 20;
  const int each = unit::scaled(3'000, 300);
  std::atomic<int> wrong{0}, ended{0};
  std::atomic<int> given_back{0};
  {
    gr::runtime rt({.workers = 2});
    auto tx = gr::broadcast<item>(7, gr::slow::wait);
    std::vector<gr::green_thread> all;
    const auto follow = [&](gr::broadcast_receiver<item> rx, std::uint32_t number) {
      std::minstd_rand random(seed + number);
      std::vector<int> next(senders, 0);
      for (;;) {
        auto got = random() % 2 == 0 ? rx.receive()
                                     : rx.receive_for(std::chrono::microseconds(random() % 30));
        if (!got && got.error() == gr::error::timeout) continue;
        if (!got) break;
        if (got->number != next[static_cast<std::size_t>(got->sender)]++) ++wrong;
        if (random() % 64 == 0) gr::yield();
      }
      for (const int n : next)
        if (n != each) ++wrong;
      ++ended;
    };
    for (std::uint32_t i = 0; i < stay; ++i)
      all.push_back(rt.spawn([&, i, rx = tx.subscribe()]() mutable { follow(std::move(rx), i); }));
    std::jthread foreign([&, rx = tx.subscribe()]() mutable { follow(std::move(rx), 77); });
    std::atomic<bool> over{false};
    auto guests = rt.spawn([&, tx] {
      std::minstd_rand random(seed + 200);
      while (!over) {
        auto rx = tx.subscribe();
        for (auto k = random() % 10; k > 0; --k)
          (void)rx.receive_for(std::chrono::microseconds(random() % 20));
        gr::yield();
      }
    });
    std::vector<gr::green_thread> sending;
    for (int s = 0; s < senders; ++s)
      sending.push_back(rt.spawn([&, s, tx] {
        std::minstd_rand random(seed + 300 + static_cast<std::uint32_t>(s));
        for (int i = 0; i < each;) {
          auto how = random() % 2 == 0 ? tx.send(item{s, i, unit::counted(i)})
                                       : tx.send_for(std::chrono::microseconds(random() % 30),
                                                     item{s, i, unit::counted(i)});
          if (how)
            ++i;
          else
            ++given_back;
        }
      }));
    for (const auto& g : sending) CHECK(g.join());
    over = true;
    CHECK(guests.join());
    tx = {};
    for (const auto& g : all) CHECK(g.join());
    foreign.join();
  }
  CHECK(wrong == 0);
  CHECK(ended == stay + 1);
}

// Goal: under slow::drop_oldest each receiver's values and misses add up to what was sent. Method:
// receivers that are slow at random; the order is looked at, too.
TEST_CASE("what a lagging receiver saw and missed adds up") {
  const std::uint32_t seed = unit::seed_of_this_run();
  CAPTURE(seed);
  const unit::no_leaks leaks;
  const int many = unit::scaled(20'000, 2'000);
  std::atomic<int> wrong{0};
  std::atomic<std::uint64_t> missed{0};
  {
    gr::runtime rt({.workers = 2});
    auto tx = gr::broadcast<unit::counted>(5, gr::slow::drop_oldest);
    std::vector<gr::green_thread> all;
    for (std::uint32_t i = 0; i < 10; ++i)
      all.push_back(rt.spawn([&, i, rx = tx.subscribe()]() mutable {
        std::minstd_rand random(seed + i);
        std::uint64_t seen = 0;
        int last = -1;
        for (auto v : rx) {
          if (v.value() <= last) ++wrong;
          last = v.value();
          ++seen;
          if (random() % 4 == 0) gr::yield();
        }
        if (seen + rx.missed() != static_cast<std::uint64_t>(many)) ++wrong;
        if (last != many - 1) ++wrong;
        missed += rx.missed();
      }));
    auto sender = rt.spawn([&, tx = std::move(tx)] {
      for (int i = 0; i < many; ++i) {
        if (!tx.send(unit::counted(i))) ++wrong;
        if (i % 7 == 0) gr::yield();
      }
    });
    CHECK(sender.join());
    tx = {};
    for (const auto& g : all) CHECK(g.join());
  }
  CHECK(wrong == 0);
}
