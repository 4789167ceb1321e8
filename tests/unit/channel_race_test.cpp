// SPDX-License-Identifier: Apache-2.0
// Channels while they close, and while waits time out and are cancelled: what was sent is received
// once, or still there, or came back to its sender.
#include "unit_test.hpp"

#include <greenroom/channel.hpp>
#include <greenroom/select.hpp>

#include <algorithm>
#include <thread>
#include <vector>

using unit::counted;
using unit::gate;

namespace {

// How often each number was sent, came back and was received.
class ledger {
 public:
  explicit ledger(int n) : times_(static_cast<std::size_t>(n)) {}
  void sent(int number) { times_[static_cast<std::size_t>(number)].sent.fetch_add(1); }
  void received(int number) { times_[static_cast<std::size_t>(number)].received.fetch_add(1); }

  // How many are not received exactly as often as they were sent, which is once at most.
  [[nodiscard]] int wrong() const {
    return static_cast<int>(std::ranges::count_if(times_, [](const entry& e) {
      return e.sent.load() > 1 || e.sent.load() != e.received.load();
    }));
  }
  [[nodiscard]] int all_received() const {
    int all = 0;
    for (const entry& e : times_) all += e.received.load();
    return all;
  }

 private:
  struct entry {
    std::atomic<int> sent{0}, received{0};
  };
  std::vector<entry> times_;
};

}  // namespace

// Goal: timeouts on both sides lose and double nothing. Method: both sides give up after a few
// microseconds, without room and with a little, on green and OS threads.
TEST_CASE("a send that was in time is received, one that was too late is not") {
  const std::uint32_t seed = unit::seed_of_this_run();
  CAPTURE(seed);
  const unit::no_leaks watch;
  const int each = unit::scaled(4'000, 400);
  for (const std::uint32_t capacity : {0u, 1u, 3u}) {
    CAPTURE(capacity);
    gr::runtime rt{{.workers = 2}};
    ledger book(4 * each);
    auto [tx, rx] = gr::channel<counted>(capacity);
    const auto sends = [&book](const gr::sender<counted>& out, int who, std::uint32_t with) {
      std::minstd_rand random(with);
      for (int i = who * each; i < (who + 1) * each; ++i)
        if (out.send_for(std::chrono::microseconds(random() % 30), counted(i))) book.sent(i);
    };
    const auto receives = [&book](const gr::receiver<counted>& in, std::uint32_t with) {
      std::minstd_rand random(with);
      for (;;) {
        const auto got = in.receive_for(std::chrono::microseconds(random() % 30));
        if (got) book.received(got->value());
        if (!got && got.error() == gr::error::closed) return;
      }
    };
    std::vector<gr::green_thread> green;
    std::vector<std::thread> os;
    for (int who = 0; who < 4; ++who) {
      const auto with = seed + static_cast<std::uint32_t>(who);
      if (who % 2 == 0) {
        green.push_back(rt.spawn([&, who, with, out = tx] { sends(out, who, with); }));
        green.push_back(rt.spawn([&, with, in = rx] { receives(in, with); }));
      } else {
        os.emplace_back([&, who, with, out = tx] { sends(out, who, with); });
        os.emplace_back([&, with, in = rx] { receives(in, with); });
      }
    }
    tx.close();
    for (const auto& one : green) CHECK(one.join());
    for (auto& one : os) one.join();
    CHECK(book.wrong() == 0);
  }
}

// Goal: a cancelled wait takes no value with it and sends none. Method: senders and receivers are
// cancelled at random moments; what the last receivers leave is drained at the end.
TEST_CASE("cancels at random moments lose and double nothing") {
  const std::uint32_t seed = unit::seed_of_this_run();
  CAPTURE(seed);
  const unit::no_leaks watch;
  const int rounds = unit::scaled(2'000, 150);
  gr::runtime rt{{.workers = 2}};
  std::minstd_rand random(seed);
  for (const std::uint32_t capacity : {0u, 2u}) {
    CAPTURE(capacity);
    constexpr int values = 20;
    ledger book(rounds * values);
    auto [tx, rx] = gr::channel<counted>(capacity);
    for (int round = 0; round < rounds; ++round) {
      auto sender = rt.spawn([&book, round, out = tx] {
        for (int i = round * values; i < (round + 1) * values; ++i)
          if (out.send(counted(i))) book.sent(i);
      });
      auto receiver = rt.spawn([&book, in = rx] {
        for (;;)
          if (const auto got = in.receive()) book.received(got->value());
      });
      for (auto spins = random() % 400; spins != 0; --spins) gr::detail::sync::relax();
      (round % 2 == 0 ? sender : receiver).cancel();
      (round % 2 == 0 ? receiver : sender).cancel();
      (void)sender.join();
      (void)receiver.join();
    }
    while (const auto left = rx.try_receive()) book.received(left->value());
    CHECK(book.wrong() == 0);
  }
}

// Goal: the same with selects, whose value is moved in and given back. Method: as above, with two
// channels on either side, and deadlines.
TEST_CASE("selects that are cancelled or late lose and double nothing") {
  const std::uint32_t seed = unit::seed_of_this_run();
  CAPTURE(seed);
  const unit::no_leaks watch;
  const int rounds = unit::scaled(2'000, 150);
  gr::runtime rt{{.workers = 2}};
  std::minstd_rand random(seed);
  constexpr int values = 20;
  ledger book(rounds * values);
  auto [a, from_a] = gr::channel<counted>(0);
  auto [b, from_b] = gr::channel<counted>(1);
  for (int round = 0; round < rounds; ++round) {
    auto sender = rt.spawn([&book, round, to_a = a, to_b = b] {
      for (int i = round * values; i < (round + 1) * values; ++i) {
        counted mine(i);
        const auto note = [&] { book.sent(i); };
        gr::select(to_a.on(std::move(mine), note), gr::after(2us), to_b.on(counted(i), note));
      }
    });
    auto receiver = rt.spawn([&book, in_a = from_a, in_b = from_b] {
      const auto note = [&](const counted& got) { book.received(got.value()); };
      for (;;) gr::select(in_a.on(note), in_b.on(note), gr::after(3us));
    });
    for (auto spins = random() % 1'000; spins != 0; --spins) gr::detail::sync::relax();
    (round % 2 == 0 ? sender : receiver).cancel();
    (round % 2 == 0 ? receiver : sender).cancel();
    (void)sender.join();
    (void)receiver.join();
  }
  while (const auto left = from_b.try_receive()) book.received(left->value());
  CHECK(book.wrong() == 0);
  CHECK(from_a.try_receive().error() == gr::error::empty);
}

// Goal: the last receiver goes while senders send and wait: each value is received, destroyed in
// the channel, or comes back; and nobody waits for ever. Method: receivers leave at random.
TEST_CASE("senders that meet the last receiver's leave are told, and get their values back") {
  const std::uint32_t seed = unit::seed_of_this_run();
  CAPTURE(seed);
  const unit::no_leaks watch;
  gr::runtime rt{{.workers = 2}};
  std::minstd_rand random(seed);
  for (int round = 0; round < unit::scaled(2'000, 150); ++round) {
    const std::uint32_t capacity = static_cast<std::uint32_t>(round) % 3;
    auto [tx, rx] = gr::channel<counted>(capacity);
    std::atomic<int> sent{0}, back{0};
    std::vector<gr::green_thread> all;
    for (int s = 0; s < 3; ++s)
      all.push_back(rt.spawn([&, out = tx] {
        for (int i = 0;; ++i) {
          const auto result = out.send(counted(i));
          if (result) {
            ++sent;
          } else {
            if (result.error().why == gr::error::closed && result.error().message.value() == i)
              ++back;
            return;
          }
        }
      }));
    int received = 0;
    for (auto n = random() % 10; n != 0; --n) received += rx.receive().has_value() ? 1 : 0;
    rx.close();
    for (const auto& one : all) CHECK(one.join());
    CHECK(back == 3);
    CHECK(sent >= received);
    CHECK(sent <= received + static_cast<int>(capacity));
  }
}

// Goal: receivers that wait while the last senders go get all values and then the end, all of them.
// Method: green and OS threads; the senders end at about the same time.
TEST_CASE("receivers that meet the last sender's leave get everything, then the end") {
  const unit::no_leaks watch;
  gr::runtime rt{{.workers = 2}};
  for (int round = 0; round < unit::scaled(1'000, 100); ++round) {
    auto [tx, rx] = gr::channel<counted>(static_cast<std::uint32_t>(round) % 3);
    std::atomic<int> received{0}, ended{0};
    std::vector<gr::green_thread> all;
    const auto receives = [&](const gr::receiver<counted>& in) {
      for (const counted& c : in) received += c.value();
      ++ended;
    };
    for (int i = 0; i < 3; ++i) all.push_back(rt.spawn([&, in = rx] { receives(in); }));
    for (int i = 0; i < 3; ++i) all.push_back(rt.spawn([out = tx] { out.send(counted(1)); }));
    std::thread os([&, in = rx] { receives(in); });
    tx.send(counted(1));
    tx.close();
    for (const auto& one : all) CHECK(one.join());
    os.join();
    CHECK(received == 4);
    CHECK(ended == 4);
  }
}

// Goal: a select with the end of a channel as a case hears it once, also when values go at the
// same time. Method: values and the close race with two selects.
TEST_CASE("a select hears the end of a channel after its values") {
  gr::runtime rt{{.workers = 2}};
  for (int round = 0; round < unit::scaled(2'000, 150); ++round) {
    auto [tx, rx] = gr::channel<int>(static_cast<std::uint32_t>(round) % 3);
    std::atomic<int> received{0}, ended{0};
    std::vector<gr::green_thread> all;
    for (int i = 0; i < 2; ++i)
      all.push_back(rt.spawn([&, in = rx] {
        for (bool open = true; open;)
          gr::select(in.on_end([&] {
            open = false;
            ++ended;
          }),
                     in.on([&](int) { ++received; }));
      }));
    for (int i = 0; i < 3; ++i) tx.send(i);
    tx.close();
    for (const auto& one : all) CHECK(one.join());
    CHECK(received == 3);
    CHECK(ended == 2);
  }
}

// Goal: copies of ends made and dropped everywhere close the channel once, after the last. Method:
// green threads pass copies on to their children.
TEST_CASE("ends that are copied and dropped on many threads close the channel after the last") {
  gr::runtime rt{{.workers = 4}};
  for (int round = 0; round < unit::scaled(300, 40); ++round) {
    auto [tx, rx] = gr::channel<int>(1);
    rt.spawn([out = std::move(tx)] {
      for (int i = 0; i < 8; ++i)
        gr::spawn([out] {
          for (int k = 0; k < 4; ++k) gr::spawn([out] { out.send(1); });
        });
    });
    int all = 0;
    for (const int v : rx) all += v;
    CHECK(all == 32);
  }
  unit::yield_until([&] { return rt.actors() == 0; });
}

// Goal: a runtime that ends takes its waiters out of the lines of channels that others go on with.
// Method: it is shut down while its green threads wait on both sides.
TEST_CASE("a runtime that ends leaves no waiter in channels that outlive it") {
  const unit::no_leaks watch;
  auto [tx, rx] = gr::channel<counted>(0);
  for (int round = 0; round < unit::scaled(30, 5); ++round) {
    {
      gr::runtime rt{{.workers = 2, .shutdown_deadline = 1ms}};
      for (int i = 0; i < 4; ++i) {
        rt.spawn([in = rx] {
          while (in.receive()) {}
        });
        rt.spawn([in = rx, out = tx] {
          gr::select(in.on([](counted) {}), gr::after(24h));
          gr::select(out.on(counted(1), [] {}), gr::after(24h));
        });
      }
      for (int i = 0; i < 3; ++i) tx.send(counted(i));
    }
    CHECK(tx.try_send(counted(0)).error().why == gr::error::full);
    CHECK(rx.try_receive().error() == gr::error::empty);
  }
}
