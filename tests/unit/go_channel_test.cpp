// SPDX-License-Identifier: Apache-2.0
// What Go's own tests ask of channels, asked of ours: without a buffer, with one, nil, closed, in
// line, in chains, from green and OS threads.
#include "unit_test.hpp"

#include <greenroom/channel.hpp>

#include <algorithm>
#include <array>
#include <string>
#include <thread>
#include <vector>

using unit::gate;

namespace {

// Green threads of such a runtime take turns and nobody else runs them: what one does before it
// waits, it has done before the next runs.
const gr::runtime_options one_by_one{.workers = 1, .threads_max = 1};

// In which order they came. One at a time, and ThreadSanitizer is told so.
struct line_up {
  std::array<int, 20> who{};
  std::atomic<std::size_t> size{0};

  void add(int one) {
    who[size.load()] = one;
    ++size;
  }
  [[nodiscard]] bool is_full() const { return size.load() == who.size(); }
};

constexpr std::array<std::uint32_t, 4> capacities{0, 1, 10, 200};

}  // namespace

TEST_CASE("without room nothing is sent or received unless the other waits") {
  gr::runtime rt;
  auto [tx, rx] = gr::channel<int>(0);
  CHECK(tx.capacity() == 0);
  const auto refused = tx.try_send(1);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().why == gr::error::full);
  CHECK(refused.error().message == 1);
  CHECK(rx.try_receive().error() == gr::error::empty);
  CHECK(rx.size() == 0);
  int got = 0;
  auto waits = rt.spawn([&, in = rx] { got = in.receive().value_or(-1); });
  unit::yield_until([&] { return tx.try_send(2).has_value(); });
  CHECK(waits.join());
  CHECK(got == 2);
  auto sends = rt.spawn([out = tx] { out.send(3); });
  unit::yield_until([&] { return (got = rx.try_receive().value_or(0)) != 0; });
  CHECK(got == 3);
  CHECK(sends.join());
}

TEST_CASE("a channel holds as many values as it has room for, and keeps their order") {
  for (const std::uint32_t capacity : {1u, 2u, 7u, 64u, 1000u}) {
    CAPTURE(capacity);
    auto [tx, rx] = gr::channel<std::uint32_t>(capacity);
    CHECK(rx.capacity() == capacity);
    for (int round = 0; round < 3; ++round) {
      for (std::uint32_t i = 0; i < capacity; ++i) CHECK(tx.try_send(i));
      CHECK(tx.size() == capacity);
      CHECK(tx.try_send(0).error().why == gr::error::full);
      for (std::uint32_t i = 0; i < capacity; ++i) CHECK(rx.try_receive() == i);
      CHECK(rx.size() == 0);
      CHECK(rx.try_receive().error() == gr::error::empty);
    }
  }
}

TEST_CASE("an unbounded channel takes all there is") {
  constexpr int n = 100'000;
  auto [tx, rx] = gr::channel<int>(gr::unbounded);
  for (int i = 0; i < n; ++i) tx.send(i);
  CHECK(rx.size() == n);
  tx.close();
  int next = 0;
  for (const int i : rx) next += i == next ? 1 : 0;
  CHECK(next == n);
}

TEST_CASE("an empty end says closed, at once, and gives values back") {
  gr::sender<std::string> tx;
  gr::receiver<std::string> rx;
  CHECK_FALSE(tx);
  CHECK_FALSE(rx);
  CHECK((tx.size() == 0 && tx.capacity() == 0 && rx.size() == 0 && rx.capacity() == 0));
  CHECK(tx.send("a").error().message == "a");
  CHECK(tx.try_send("b").error().why == gr::error::closed);
  CHECK(tx.send_for(unit::long_time, "c").error().message == "c");
  CHECK(tx.send_until(gr::never, "d").error().why == gr::error::closed);
  CHECK(rx.receive().error() == gr::error::closed);
  CHECK(rx.try_receive().error() == gr::error::closed);
  CHECK(rx.receive_for(unit::long_time).error() == gr::error::closed);
  CHECK(rx.receive_until(gr::never).error() == gr::error::closed);
  int values = 0;
  for (const std::string& s : rx) values += s.empty() ? 1 : 2;
  CHECK(values == 0);
  tx.close();
  rx.close();
}

TEST_CASE("a moved or closed end is empty; a copy is not") {
  auto [tx, rx] = gr::channel<int>(2);
  gr::sender<int> copy = tx;
  gr::sender<int> moved = std::move(tx);
  CHECK((copy && moved));
  CHECK(copy == moved);
  moved.close();
  CHECK_FALSE(moved);
  CHECK(copy.try_send(1));
  gr::receiver<int> other = rx;
  rx.close();
  CHECK(other.try_receive() == 1);
  CHECK(copy.try_send(2));
}

TEST_CASE("after the last sender has gone receivers get what is left, then the end, for ever") {
  auto [tx, rx] = gr::channel<int>(3);
  {
    const gr::sender<int> second = tx;
    second.send(1);
    tx.send(2);
    tx.close();
    CHECK(second.try_send(3));
  }
  for (int i = 1; i <= 3; ++i) CHECK(rx.receive() == i);
  for (int i = 0; i < 3; ++i) {
    CHECK(rx.receive().error() == gr::error::closed);
    CHECK(rx.try_receive().error() == gr::error::closed);
    CHECK(rx.receive_for(unit::long_time).error() == gr::error::closed);
  }
}

TEST_CASE("after the last receiver has gone every send gives its value back") {
  for (const std::uint32_t capacity : {0u, 3u, gr::unbounded}) {
    auto [tx, rx] = gr::channel<std::string>(capacity);
    { const gr::receiver<std::string> second = std::move(rx); }
    CHECK(tx);
    CHECK(tx.send("a").error().why == gr::error::closed);
    CHECK(tx.try_send("b").error().message == "b");
    CHECK(tx.send_for(unit::long_time, "c").error().message == "c");
  }
}

// Goal: a close wakes all who wait to receive. Method: they wait on a channel without values, on
// one worker; the last sender goes when all are in line.
TEST_CASE("a close tells all who wait to receive") {
  std::atomic<int> waiting{0}, closed{0};
  gr::runtime rt(one_by_one);
  REQUIRE(unit::on_green_thread(rt, [&] {
    auto [tx, rx] = gr::channel<int>(0);
    std::vector<gr::green_thread> all;
    for (int i = 0; i < 100; ++i)
      all.push_back(gr::spawn([&, in = rx] {
        ++waiting;
        closed += in.receive().error() == gr::error::closed ? 1 : 0;
      }));
    unit::yield_until([&] { return waiting == 100; });
    CHECK(closed == 0);
    tx.close();
    for (const auto& each : all) CHECK(each.join());
  }));
  CHECK(closed == 100);
}

TEST_CASE("when the last receiver goes all who wait to send get their value back") {
  gr::runtime rt(one_by_one);
  for (const std::uint32_t capacity : {0u, 2u}) {
    std::atomic<int> waiting{0}, came_back{0};
    REQUIRE(unit::on_green_thread(rt, [&] {
      auto [tx, rx] = gr::channel<int>(capacity);
      std::vector<gr::green_thread> all;
      for (int i = 0; i < 100; ++i)
        all.push_back(gr::spawn([&, i, out = tx] {
          ++waiting;
          const auto sent = out.send(i);
          if (!sent && sent.error().why == gr::error::closed && sent.error().message == i)
            ++came_back;
        }));
      unit::yield_until([&] { return waiting == 100; });
      CHECK(came_back == 0);
      rx.close();
      for (const auto& each : all) CHECK(each.join());
    }));
    CHECK(came_back == 100 - static_cast<int>(capacity));
  }
}

// Goal: first come, first served. Method: on one worker they stand in line as they were spawned.
TEST_CASE("who waits longest receives first") {
  gr::runtime rt(one_by_one);
  line_up lined_up;
  std::array<int, 20> got{};
  REQUIRE(unit::on_green_thread(rt, [&] {
    auto [tx, rx] = gr::channel<int>(0);
    std::vector<gr::green_thread> all;
    for (std::size_t i = 0; i < got.size(); ++i)
      all.push_back(gr::spawn([&, i, in = rx] {
        lined_up.add(static_cast<int>(i));
        got[i] = in.receive().value_or(-1);
      }));
    unit::yield_until([&] { return lined_up.is_full(); });
    for (const int who : lined_up.who) tx.send(who);
    for (const auto& each : all) CHECK(each.join());
  }));
  for (std::size_t i = 0; i < got.size(); ++i) CHECK(got[i] == static_cast<int>(i));
}

TEST_CASE("who waits longest sends first, and nobody passes the line") {
  gr::runtime rt(one_by_one);
  for (const std::uint32_t capacity : {0u, 1u, 3u}) {
    CAPTURE(capacity);
    line_up lined_up;
    std::vector<int> got;
    REQUIRE(unit::on_green_thread(rt, [&] {
      auto [tx, rx] = gr::channel<int>(capacity);
      std::vector<gr::green_thread> all;
      for (int i = 0; i < 20; ++i)
        all.push_back(gr::spawn([&, i, out = tx] {
          lined_up.add(i);
          out.send(i);
        }));
      unit::yield_until([&] { return lined_up.is_full(); });
      for (int i = 0; i < 20; ++i) {
        if (i < 20 - static_cast<int>(capacity)) CHECK_FALSE(tx.try_send(1000));
        got.push_back(rx.receive().value_or(-1));
      }
      for (const auto& each : all) CHECK(each.join());
    }));
    CHECK(std::ranges::equal(got, lined_up.who));
  }
}

// Goal: each value comes once, and those of one sender in their order, whoever receives them.
// Method: four senders of the same row of numbers, four receivers, all capacities, many workers.
TEST_CASE("many senders, many receivers: each value arrives once, each sender's in order") {
  constexpr int senders = 4, receivers = 4;
  const int n = unit::scaled(2'000, 200);
  gr::runtime rt{{.workers = 4}};
  struct item {
    int from, number;
  };
  for (const std::uint32_t capacity : capacities) {
    CAPTURE(capacity);
    auto [tx, rx] = gr::channel<item>(capacity);
    std::vector<gr::green_thread> all;
    std::array<std::vector<item>, receivers> got;
    for (auto& mine : got)
      all.push_back(rt.spawn([&mine, in = rx] {
        for (const item i : in) mine.push_back(i);
      }));
    for (int s = 0; s < senders; ++s)
      all.push_back(rt.spawn([s, out = tx] {
        for (int i = 0; i < n; ++i) out.send({s, i});
      }));
    tx.close();
    for (const auto& each : all) CHECK(each.join());
    std::vector<int> times(static_cast<std::size_t>(senders * n));
    bool in_order = true;
    for (const auto& mine : got) {
      std::array<int, senders> last{-1, -1, -1, -1};
      for (const item i : mine) {
        ++times[static_cast<std::size_t>(i.from * n + i.number)];
        in_order =
            in_order && std::exchange(last[static_cast<std::size_t>(i.from)], i.number) < i.number;
      }
    }
    CHECK(in_order);
    CHECK(std::ranges::count(times, 1) == senders * n);
  }
  CHECK(rt.actors() == 0);
}

// Goal: a chain of filters gives the primes, and falls apart when nobody receives any more.
// Method: the receiver drops its end; each filter's send then fails, up to the source.
TEST_CASE("the sieve finds the primes, and leaves no green thread behind") {
  std::vector<int> primes;
  gr::runtime rt{{.workers = 2}};
  REQUIRE(unit::on_green_thread(rt, [&] {
    auto [first, in] = gr::channel<int>(0);
    gr::spawn([out = std::move(first)] {
      for (int i = 2; out.send(i);) ++i;
    });
    for (int i = 0; i < 100; ++i) {
      const int prime = in.receive().value_or(-1);
      primes.push_back(prime);
      auto [next, rest] = gr::channel<int>(0);
      gr::spawn([from = std::move(in), to = std::move(next), prime] {
        for (const int v : from)
          if (v % prime != 0 && !to.send(v)) return;
      });
      in = std::move(rest);
    }
  }));
  CHECK(primes.front() == 2);
  CHECK(primes.back() == 541);
  unit::yield_until([&] { return rt.actors() == 0; });
}

TEST_CASE("a value passes through a chain of a thousand green threads, which adds up") {
  constexpr int links = 1'000;
  gr::runtime rt{{.workers = 2}};
  auto [tx, rx] = gr::channel<int>(0);
  gr::receiver<int> last = rx;
  rx.close();
  for (int i = 0; i < links; ++i) {
    auto [next, end] = gr::channel<int>(0);
    rt.spawn([in = std::move(last), out = std::move(next)] {
      for (const int v : in) out.send(v + 1);
    });
    last = std::move(end);
  }
  for (int i = 0; i < 10; ++i) {
    tx.send(i);
    CHECK(last.receive() == i + links);
  }
  tx.close();
  CHECK(last.receive().error() == gr::error::closed);
  unit::yield_until([&] { return rt.actors() == 0; });
}

TEST_CASE("channels travel through channels") {
  struct question {
    int value;
    gr::sender<int> answer;
  };
  gr::runtime rt;
  auto [ask, questions] = gr::channel<question>(1);
  auto server = rt.spawn([in = std::move(questions)] {
    for (question q : in) q.answer.send(q.value * 2);
  });
  for (int i = 0; i < 100; ++i) {
    auto [tx, rx] = gr::channel<int>(i % 2 == 0 ? 0 : 1);
    ask.send({i, std::move(tx)});
    CHECK(rx.receive() == 2 * i);
    CHECK(rx.receive().error() == gr::error::closed);
  }
  ask.close();
  CHECK(server.join());
}

TEST_CASE("plain OS threads send and receive, among themselves and with green threads") {
  const int n = unit::scaled(5'000, 500);
  gr::runtime rt{{.workers = 2}};
  for (const std::uint32_t capacity : capacities) {
    CAPTURE(capacity);
    auto [tx, rx] = gr::channel<int>(capacity);
    std::atomic<long> sum{0};
    const auto sends = [](const gr::sender<int>& out) {
      for (int i = 1; i <= n; ++i) out.send(i);
    };
    const auto receives = [&sum](const gr::receiver<int>& in) {
      for (const int i : in) sum += i;
    };
    std::vector<std::thread> os;
    std::vector<gr::green_thread> green;
    for (int i = 0; i < 2; ++i) {
      os.emplace_back([&, out = tx] { sends(out); });
      os.emplace_back([&, in = rx] { receives(in); });
      green.push_back(rt.spawn([&, out = tx] { sends(out); }));
      green.push_back(rt.spawn([&, in = rx] { receives(in); }));
    }
    tx.close();
    for (auto& each : os) each.join();
    for (const auto& each : green) CHECK(each.join());
    CHECK(sum == 4L * n * (n + 1) / 2);
  }
}

TEST_CASE("a channel joins two runtimes, and outlives one of them") {
  auto [tx, rx] = gr::channel<int>(4);
  gr::runtime receives;
  long sum = 0;
  auto reader = receives.spawn([&, in = rx] {
    for (const int i : in) sum += i;
  });
  for (int round = 0; round < 3; ++round) {
    gr::runtime sends;
    auto writer = sends.spawn([out = tx] {
      for (int i = 1; i <= 1'000; ++i) out.send(i);
    });
    CHECK(writer.join());
  }
  tx.close();
  CHECK(reader.join());
  CHECK(sum == 3 * 500'500);
}
