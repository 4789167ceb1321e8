// SPDX-License-Identifier: Apache-2.0
// One value from one to one: delivered, dropped, given back.
#include "unit_test.hpp"

#include <memory>
#include <thread>

namespace {

// No default constructor, no copy.
struct parcel {
  explicit parcel(int n) : content(std::make_unique<int>(n)) {}
  std::unique_ptr<int> content;
};

}  // namespace

TEST_CASE("a oneshot delivers its value once, before or after the wait begins") {
  auto [tx, rx] = gr::oneshot<parcel>();
  CHECK(rx.try_receive().error() == gr::error::empty);
  CHECK(rx.receive_for(1ms).error() == gr::error::timeout);
  CHECK(tx.wanted());
  CHECK(tx.send(parcel(7)));
  CHECK_FALSE(tx.wanted());
  auto again = tx.send(parcel(8));
  REQUIRE_FALSE(again);
  CHECK(again.error().why == gr::error::closed);
  CHECK(*again.error().message.content == 8);
  CHECK(*rx.receive()->content == 7);
  CHECK(rx.receive().error() == gr::error::closed);

  gr::runtime rt;
  auto [later, waiting] = gr::oneshot<int>();
  auto receiver = rt.spawn([&my_rx = waiting] { CHECK(my_rx.receive() == 5); });
  std::jthread sender([my_tx = std::move(later)]() mutable { (void)my_tx.send(5); });
  CHECK(receiver.join());
}

TEST_CASE("a oneshot's receiver hears that the sender went without a value") {
  auto [tx, rx] = gr::oneshot<int>();
  std::atomic<bool> heard{false};
  gr::runtime rt;
  auto receiver =
      rt.spawn([&my_rx = rx, &heard] { heard = my_rx.receive().error() == gr::error::dropped; });
  tx = {};
  CHECK(receiver.join());
  CHECK(heard);
  CHECK(rx.try_receive().error() == gr::error::dropped);
}

TEST_CASE("a oneshot's value comes back when the receiver is gone, and none leaks") {
  const unit::no_leaks watch;
  {
    auto [tx, rx] = gr::oneshot<unit::counted>();
    rx = {};
    CHECK_FALSE(tx.wanted());
    auto back = tx.send(unit::counted(3));
    REQUIRE_FALSE(back);
    CHECK(back.error().message.value() == 3);
  }
  {
    auto [tx, rx] = gr::oneshot<unit::counted>();
    CHECK(tx.send(unit::counted(4)));  // never received
  }
  gr::oneshot_sender<int> none;
  CHECK(none.send(1).error().why == gr::error::closed);
  CHECK(gr::oneshot_receiver<int>().receive().error() == gr::error::closed);
}

// Goal: no user code under our lock: a destructor that comes back to the same oneshot would wait
// for itself for ever.
TEST_CASE("a value that nobody received may use its oneshot as it is destroyed") {
  struct curious {
    gr::oneshot_sender<curious>* tx = nullptr;
    bool* wanted = nullptr;
    curious(gr::oneshot_sender<curious>* t, bool* w) : tx(t), wanted(w) {}
    curious(curious&& other) noexcept
        : tx(std::exchange(other.tx, nullptr)), wanted(other.wanted) {}
    ~curious() {
      if (tx != nullptr) *wanted = tx->wanted();
    }
  };
  bool wanted = true;
  auto ends = gr::oneshot<curious>();
  CHECK(ends.tx.send(curious(&ends.tx, &wanted)));
  ends.rx = {};
  CHECK_FALSE(wanted);
}

// Goal: a value that meets a time-out, a cancel or the receiver's end is received, still there, or
// given back. Method: random patience; what was sent is counted at either side.
TEST_CASE("a oneshot's value is conserved, whoever gives up") {
  const std::uint32_t seed = unit::seed_of_this_run();
  CAPTURE(seed);
  const unit::no_leaks watch;
  const int rounds = unit::scaled(20'000, 2'000);
  std::minstd_rand random(seed);
  std::atomic<int> received{0}, back{0}, dropped{0};
  gr::runtime rt({.workers = 2});
  unit::on_green_thread(rt, [&] {
    for (int i = 0; i < rounds; ++i) {
      auto [tx, rx] = gr::oneshot<unit::counted>();
      const auto patience = std::chrono::microseconds(random() % 20);
      const bool gives_up = random() % 2 == 0;
      auto receiver = gr::spawn([&, my_rx = std::move(rx), patience, gives_up]() mutable {
        auto got = my_rx.receive_for(patience);
        if (!got && !gives_up) got = my_rx.receive();
        if (got)
          ++received;
        else if (gives_up)
          ++dropped;
      });
      if (random() % 8 == 0) receiver.cancel();
      if (random() % 2 == 0) gr::yield();
      if (!tx.send(unit::counted(i))) ++back;
      (void)receiver.join();
    }
  });
  CHECK(received + back <= rounds);
  CHECK(received > 0);
}
