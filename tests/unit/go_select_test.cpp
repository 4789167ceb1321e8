// SPDX-License-Identifier: Apache-2.0
// What Go's own tests ask of select, asked of ours: nil and closed channels, fairness, several
// selects that meet each other, the same channel twice, timers, and what the losers leave behind.
#include "unit_test.hpp"

#include <greenroom/channel.hpp>
#include <greenroom/select.hpp>

#include <array>
#include <stdexcept>
#include <thread>
#include <utility>
#include <vector>

using unit::gate;

namespace {

const gr::runtime_options one_by_one{.workers = 1, .threads_max = 1};

// Nobody stands in either line of a rendezvous.
bool is_deserted(const gr::sender<int>& tx, const gr::receiver<int>& rx) {
  const auto sent = tx.try_send(0);
  return !sent && sent.error().why == gr::error::full &&
         rx.try_receive().error() == gr::error::empty;
}

template <std::size_t... I>
bool select_all(const std::vector<gr::receiver<int>>& all, std::vector<int>& counts,
                std::index_sequence<I...>) {
  return gr::select(all[I].on([&](int) { ++counts[I]; })...);
}

}  // namespace

TEST_CASE("a case on an empty end never happens, and a select of such alone ends at once") {
  const gr::receiver<int> no_rx;
  const gr::sender<int> no_tx;
  int happened = 0;
  const auto never = [&](auto...) { happened += 100; };
  CHECK_FALSE(gr::select(no_rx.on(never), no_tx.on(1, never)));
  CHECK_FALSE(gr::select());
  CHECK(gr::select(no_rx.on(never), no_tx.on(1, never), gr::otherwise([&] { ++happened; })));
  CHECK(gr::select(no_rx.on(never), no_tx.on(1, never), gr::after(1us, [&] { ++happened; })));
  auto [tx, rx] = gr::channel<int>(1);
  CHECK(gr::select(no_rx.on(never), tx.on(7, [&] { ++happened; }), no_tx.on(1, never)));
  CHECK(gr::select(no_rx.on(never), rx.on([&](int v) { happened += v == 7 ? 1 : 50; })));
  CHECK(happened == 4);
}

TEST_CASE("otherwise happens when nothing else can at once, and only then") {
  int happened = 0;
  const auto wrong = [&](auto...) { happened += 100; };
  const auto right = [&](auto...) { ++happened; };
  for (const std::uint32_t capacity : {0u, 1u}) {
    auto [tx, rx] = gr::channel<int>(capacity);
    CHECK(gr::select(rx.on(wrong), gr::otherwise(right)));
    if (capacity == 0) {
      CHECK(gr::select(tx.on(1, wrong), gr::otherwise(right)));
      CHECK(gr::select(tx.on(1, wrong), rx.on(wrong), gr::otherwise(right)));
    } else {
      CHECK(gr::select(tx.on(1, right), gr::otherwise(wrong)));
      CHECK(gr::select(tx.on(1, wrong), gr::otherwise(right)));
      CHECK(gr::select(rx.on(right), gr::otherwise(wrong)));
    }
  }
  CHECK(happened == 7);
}

TEST_CASE("the end of a channel is a case of its own; without it a closed channel never happens") {
  auto [tx, rx] = gr::channel<int>(2);
  auto [other, from_other] = gr::channel<int>(1);
  tx.send(1);
  tx.close();
  int got = 0, ended = 0;
  const auto take = [&](int v) { got += v; };
  const auto end = [&] { ++ended; };
  CHECK(gr::select(rx.on(take), rx.on_end(end)));
  CHECK((got == 1 && ended == 0));
  CHECK(gr::select(rx.on(take), rx.on_end(end)));
  CHECK((got == 1 && ended == 1));
  CHECK_FALSE(gr::select(rx.on(take)));
  other.send(2);
  CHECK(gr::select(rx.on(take), from_other.on(take)));
  CHECK(got == 3);
  from_other.close();
  CHECK_FALSE(gr::select(rx.on(take), other.on(1, [&] { got += 100; })));
  CHECK(gr::select(rx.on(take), gr::after(1us, end)));
  CHECK(ended == 2);
}

// Goal: among cases that are always ready each is taken about as often. Method: of n selects each
// of k cases gets n / k, give or take many standard deviations.
TEST_CASE("a select is fair among the ready") {
  constexpr std::size_t cases = 8;
  constexpr int n = 8'000;
  std::vector<gr::sender<int>> senders;
  std::vector<gr::receiver<int>> receivers;
  for (std::size_t i = 0; i < cases; ++i) {
    auto [tx, rx] = gr::channel<int>(n);
    for (int k = 0; k < n; ++k) tx.send(k);
    senders.push_back(tx);
    receivers.push_back(rx);
  }
  std::vector<int> counts(cases);
  for (int i = 0; i < n; ++i) select_all(receivers, counts, std::make_index_sequence<cases>());
  int total = 0;
  for (const int count : counts) {
    CHECK(count > n / static_cast<int>(cases) / 2);
    CHECK(count < n / static_cast<int>(cases) * 2);
    total += count;
  }
  CHECK(total == n);
}

TEST_CASE("a select that sends one of two values into the same channel chooses at random") {
  constexpr int n = 2'000;
  for (const std::uint32_t capacity : {0u, 1u, std::uint32_t{n}}) {
    CAPTURE(capacity);
    gr::runtime rt{{.workers = 2}};
    auto [tx, rx] = gr::channel<int>(capacity);
    auto sender = rt.spawn([out = std::move(tx)] {
      for (int i = 0; i < n; ++i) gr::select(out.on(0, [] {}), out.on(1, [] {}));
    });
    int ones = 0, all = 0;
    for (const int v : rx) {
      ones += v;
      ++all;
    }
    CHECK(all == n);
    CHECK(ones > n / 4);
    CHECK(ones < n / 4 * 3);
    CHECK(sender.join());
  }
}

TEST_CASE("a prioritized select takes the first that is ready, in the order of its cases") {
  auto [a, from_a] = gr::channel<int>(100);
  auto [b, from_b] = gr::channel<int>(100);
  for (int i = 0; i < 100; ++i) {
    a.send(1);
    b.send(2);
  }
  std::vector<int> order;
  const auto note = [&](int v) { order.push_back(v); };
  for (int i = 0; i < 200; ++i)
    CHECK(gr::select(gr::prioritized, from_a.on(note), from_b.on(note), gr::otherwise([] {})));
  std::vector<int> expected(100, 1);
  expected.resize(200, 2);
  CHECK(order == expected);
}

// Goal: a select that sends one value on any of four channels sends it on one. Method: four
// receivers pass all they get to one reader, which looks for doubles.
TEST_CASE("a value that is offered on four channels is taken once") {
  const int n = unit::scaled(20'000, 2'000);
  std::vector<gr::sender<int>> out(4);
  gr::runtime rt{{.workers = 4}};
  auto [joined, all] = gr::channel<int>(0);
  for (auto& each : out) {
    auto [tx, rx] = gr::channel<int>(0);
    each = std::move(tx);
    rt.spawn([in = std::move(rx), to = joined] {
      for (const int v : in) to.send(v);
    });
  }
  joined.close();
  rt.spawn([to = std::move(out)] {
    for (int i = 0; i < n; ++i)
      gr::select(to[0].on(i, [] {}), to[1].on(i, [] {}), to[2].on(i, [] {}), to[3].on(i, [] {}));
  });
  std::vector<int> times(static_cast<std::size_t>(n));
  for (const int v : all) ++times[static_cast<std::size_t>(v)];
  CHECK(std::count(times.begin(), times.end(), 1) == n);
  unit::yield_until([&] { return rt.actors() == 0; });
}

// Goal: a select with both ends of one channel never meets itself. Method: two of them offer and
// take on the same channel; without room each value must be the other's.
TEST_CASE("selects with both ends of one channel meet each other, never themselves") {
  const int n = unit::scaled(10'000, 1'000);
  gr::runtime rt{{.workers = 2}};
  for (const std::uint32_t capacity : {0u, 10u}) {
    CAPTURE(capacity);
    auto [tx, rx] = gr::channel<int>(capacity);
    std::atomic<int> own{0}, sent{0}, received{0};
    std::array<gr::green_thread, 2> both;
    for (int me = 0; me < 2; ++me)
      both[static_cast<std::size_t>(me)] = rt.spawn([&, me, out = tx, in = rx] {
        // The other may have ended, so nobody waits for ever.
        for (int i = 0; i < n; ++i)
          gr::select(out.on(me, [&] { ++sent; }), in.on([&](int from) {
            ++received;
            if (from == me) ++own;
          }),
                     gr::after(1ms));
      });
    for (const auto& each : both) CHECK(each.join());
    CHECK(sent == received + static_cast<int>(rx.size()));
    if (capacity == 0) CHECK(own == 0);
  }
}

// Goal: selects that can meet on several channels agree on one. Method: A offers on `there` or
// takes from `back`, B the other way round; they must have the same history.
TEST_CASE("two selects that meet agree on what happened") {
  const int n = unit::scaled(10'000, 1'000);
  gr::runtime rt{{.workers = 2}};
  auto [there, from_there] = gr::channel<int>(0);
  auto [back, from_back] = gr::channel<int>(0);
  std::vector<int> a, b;
  auto first = rt.spawn([&, out = there, in = from_back] {
    for (int i = 0; i < n; ++i)
      gr::select(out.on(i, [&] { a.push_back(i); }), in.on([&](int v) { a.push_back(-v); }));
  });
  std::thread second([&, out = back, in = from_there] {
    for (int i = 0; i < n; ++i)
      gr::select(in.on([&](int v) { b.push_back(v); }), out.on(i, [&] { b.push_back(-i); }));
  });
  CHECK(first.join());
  second.join();
  CHECK(a == b);
}

// Goal: plain and selecting senders and receivers share channels. Method: each of four channels has
// both kinds at either end; sums must agree.
TEST_CASE("plain and selecting ends share four channels and lose nothing") {
  const int n = unit::scaled(5'000, 500);
  gr::runtime rt{{.workers = 4}};
  std::array<gr::sender<int>, 4> tx;
  std::array<gr::receiver<int>, 4> rx;
  for (std::size_t i = 0; i < 4; ++i) {
    auto [to, from] = gr::channel<int>(i == 3 ? 2 : 0);
    tx[i] = std::move(to);
    rx[i] = std::move(from);
  }
  std::atomic<long> sum{0}, count{0};
  const auto take = [&](int v) {
    sum += v;
    ++count;
  };
  std::vector<gr::green_thread> all;
  for (std::size_t i = 0; i < 4; ++i) {
    all.push_back(rt.spawn([out = tx[i]] {
      for (int k = 1; k <= n; ++k) out.send(k);
    }));
    all.push_back(rt.spawn([in = rx[i], take] {
      for (const int v : in) take(v);
    }));
  }
  all.push_back(rt.spawn([t = tx] {
    for (int k = 1; k <= 4 * n; ++k)
      gr::select(t[0].on(k, [] {}), t[1].on(k, [] {}), t[2].on(k, [] {}), t[3].on(k, [] {}));
  }));
  all.push_back(rt.spawn([r = rx, take] {
    while (gr::select(r[0].on(take), r[1].on(take), r[2].on(take), r[3].on(take))) {}
  }));
  for (auto& each : tx) each.close();
  for (auto& each : rx) each.close();
  for (const auto& each : all) CHECK(each.join());
  CHECK(count == 8L * n);
  CHECK(sum == 4L * n * (n + 1) / 2 + 4L * n * (4L * n + 1) / 2);
}

TEST_CASE("the same channel may stand in a select more than once") {
  gr::runtime rt(one_by_one);
  REQUIRE(unit::on_green_thread(rt, [] {
    auto [tx, rx] = gr::channel<int>(0);
    auto [other, from_other] = gr::channel<int>(0);
    int got = 0, from_dup = 0;
    auto dup = gr::spawn([&, in = rx] {
      gr::select(in.on([&](int v) { from_dup = v; }), in.on([&](int v) { from_dup = v; }),
                 in.on([&](int v) { from_dup = v; }));
    });
    auto two = gr::spawn([&, in = rx, in2 = from_other] {
      for (int i = 0; i < 2; ++i)
        gr::select(in.on([&](int v) { got += v; }), in2.on([&](int v) { got += v; }));
    });
    gr::yield();
    other.send(10);
    tx.send(1);
    tx.send(1);
    CHECK(dup.join());
    CHECK(two.join());
    CHECK(from_dup == 1);
    CHECK(got == 11);
    CHECK(is_deserted(tx, rx));
  }));
}

TEST_CASE("losing cases leave nothing behind: neither a waiter nor a value") {
  gr::runtime rt(one_by_one);
  REQUIRE(unit::on_green_thread(rt, [] {
    auto [a, from_a] = gr::channel<int>(0);
    auto [b, from_b] = gr::channel<int>(0);
    int late = 0;
    for (int i = 0; i < 100; ++i) {
      CHECK(gr::select(a.on(1, [&] { late = -1000; }), from_b.on([&](int) { late = -1000; }),
                       gr::after(1us, [&] { ++late; })));
      CHECK(is_deserted(a, from_a));
      CHECK(is_deserted(b, from_b));
    }
    CHECK(late == 100);
    auto sender = gr::spawn([out = b] { out.send(5); });
    int got = 0;
    CHECK(gr::select(a.on(1, [] {}), from_b.on([&](int v) { got = v; }), gr::after(24h)));
    CHECK(got == 5);
    CHECK(is_deserted(a, from_a));
    CHECK(sender.join());
  }));
}

TEST_CASE("a select that waits hears that its channels have closed") {
  bool possible = true, ended = false, gone = false;
  gr::runtime rt(one_by_one);
  REQUIRE(unit::on_green_thread(rt, [&] {
    auto [a, from_a] = gr::channel<int>(0);
    auto [b, from_b] = gr::channel<int>(0);
    const auto wrong = [&](auto...) { ended = gone = false; };
    auto none = gr::spawn(
        [&, in = from_a, out = b] { possible = gr::select(in.on(wrong), out.on(1, wrong)); });
    auto hears = gr::spawn(
        [&, in = from_a] { CHECK(gr::select(in.on(wrong), in.on_end([&] { ended = true; }))); });
    auto sends = gr::spawn(
        [&, out = b] { CHECK(gr::select(out.on(1, wrong), out.on_end([&] { gone = true; }))); });
    gr::yield();
    a.close();
    CHECK(hears.join());
    CHECK(possible);
    from_b.close();
    CHECK(none.join());
    CHECK(sends.join());
  }));
  CHECK_FALSE(possible);
  CHECK(ended);
  CHECK(gone);
}

TEST_CASE("functions of cases may wait, select again, and throw: the value was theirs") {
  gr::runtime rt;
  auto [tx, rx] = gr::channel<int>(4);
  REQUIRE(unit::on_green_thread(rt, [&] {
    for (int i = 1; i <= 4; ++i) tx.send(i);
    int sum = 0;
    CHECK(gr::select(rx.on([&](int v) {
      sum += v;
      gr::sleep_for(1us);
      CHECK(gr::select(rx.on([&](int w) { sum += 10 * w; })));
    })));
    CHECK(sum == 21);
    CHECK_THROWS_AS(gr::select(rx.on([](int v) {
                      if (v == 3) throw std::runtime_error("three");
                    })),
                    std::runtime_error);
    CHECK(rx.receive() == 4);
  }));
}

TEST_CASE("of several timers the first one happens; one that is due does not wait") {
  int which = 0;
  CHECK(gr::select(gr::after(24h, [&] { which = 1; }), gr::after(1ms, [&] { which = 2; }),
                   gr::after(1h, [&] { which = 3; })));
  CHECK(which == 2);
  CHECK(gr::select(gr::at(gr::now() - 1s, [&] { which = 4; }), gr::at(gr::never)));
  CHECK(which == 4);
  CHECK(gr::select(gr::after(-1s, [&] { which = 5; })));
  CHECK(which == 5);
}

TEST_CASE("a select that is cancelled leaves its lines and unwinds") {
  const unit::no_leaks watch;
  gr::runtime rt;
  auto [a, from_a] = gr::channel<int>(0);
  auto [b, from_b] = gr::channel<int>(0);
  for (int i = 0; i < unit::scaled(300, 50); ++i) {
    gate started;
    std::atomic<bool> happened{false};
    auto waits = rt.spawn([&, in = from_a, out = b] {
      const unit::counted mine(1);
      started.open();
      gr::select(in.on([&](int) { happened = true; }), out.on(1, [&] { happened = true; }),
                 gr::after(24h));
      happened = true;
    });
    started.wait_on_os_thread();
    waits.cancel();
    CHECK(waits.join().error() == gr::error::cancelled);
    CHECK_FALSE(happened);
    CHECK(is_deserted(a, from_a));
    CHECK(is_deserted(b, from_b));
  }
}

TEST_CASE("plain OS threads select too") {
  const int n = unit::scaled(3'000, 300);
  gr::runtime rt;
  auto [ping, pings] = gr::channel<int>(0);
  auto [pong, pongs] = gr::channel<int>(1);
  auto [stop, stopped] = gr::channel<int>(0);
  auto echo = rt.spawn([&, in = pings, out = pong, over = stopped] {
    for (bool on = true; on;)
      gr::select(in.on([&](int v) { gr::select(out.on(v + 1, [] {})); }),
                 over.on_end([&] { on = false; }));
  });
  int right = 0;
  for (int i = 0; i < n; ++i) {
    CHECK(gr::select(ping.on(i, [] {}), gr::after(unit::long_time)));
    CHECK(gr::select(pongs.on([&](int v) { right += v == i + 1 ? 1 : 0; })));
  }
  CHECK(right == n);
  stop.close();
  CHECK(echo.join());
}

TEST_CASE("a timer that is due is taken though a channel always has a value") {
  gr::runtime rt;
  auto [tx, rx] = gr::channel<int>(1);
  CHECK(tx.send(0));
  // Each turn takes either with the same chance.
  constexpr int turns_max = 1'000;
  const gr::time_point due = gr::now();
  int turns = 0;
  for (bool open = true; open && turns < turns_max; ++turns)
    gr::select(rx.on([&](int v) { CHECK(tx.try_send(v + 1)); }),
               gr::at(due, [&] { open = false; }));
  CHECK(turns < turns_max);
  int value = 0;
  gr::select(gr::prioritized, rx.on([&](int v) { value = v; }),
             gr::at(due, [&] { FAIL("it is the second"); }));
  CHECK(value == turns - 1);
}

TEST_CASE("two inputs are merged until both have ended") {
  gr::runtime rt{{.workers = 2}};
  auto [a, from_a] = gr::channel<int>(3);
  auto [b, from_b] = gr::channel<int>(0);
  const auto source = [](const gr::sender<int>& to, int from) {
    for (int i = from; i < 1'000; i += 2) to.send(i);
  };
  rt.spawn([&source, to = std::move(a)] { source(to, 0); });
  rt.spawn([&source, to = std::move(b)] { source(to, 1); });
  long sum = 0;
  const auto add = [&](int v) { sum += v; };
  while (gr::select(from_a.on(add), from_b.on(add))) {}
  CHECK(sum == 499'500);
}
