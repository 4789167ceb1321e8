// SPDX-License-Identifier: Apache-2.0
// An actor's own mailbox as a case of a select: beside channels, timers and its own end.
#include "unit_test.hpp"

#include <greenroom/channel.hpp>
#include <greenroom/select_set.hpp>

#include <array>
#include <string>
#include <thread>
#include <vector>

using unit::counted;
using unit::gate;

namespace {

struct number {
  int value;
};
struct text {
  std::string value;
};
struct question {
  using reply = int;
  int value = 0;
};

}  // namespace

TEST_CASE("an actor hears its mailbox and channels in one select, everything once and in order") {
  const int n = unit::scaled(20'000, 2'000);
  gr::runtime rt{{.workers = 2}};
  for (const std::uint32_t capacity : {0u, 4u}) {
    CAPTURE(capacity);
    auto [tx, rx] = gr::channel<int>(capacity);
    gate over;
    std::array<int, 2> next{};
    int wrong = 0;
    auto both = rt.spawn({.capacity = 8}, [&, in_channel = std::move(rx)](gr::mailbox<number>& in) {
      const unit::opens_at_end last(over);
      while (gr::select(in.on([&](number m) { wrong += m.value == next[0]++ ? 0 : 1; }),
                        in_channel.on([&](int v) { wrong += v == next[1]++ ? 0 : 1; }))) {}
    });
    auto sends = rt.spawn([to = both] {
      for (int i = 0; i < n; ++i) to.send(number{i});
    });
    both = {};
    std::thread os([out = std::move(tx)] {
      for (int i = 0; i < n; ++i) out.send(i);
    });
    CHECK(sends.join());
    os.join();
    over.wait_on_os_thread();
    CHECK(wrong == 0);
    CHECK((next[0] == n && next[1] == n));
  }
}

TEST_CASE("a message that lost against another case stays in the mailbox, in its order") {
  std::vector<std::string> order;
  gate sent, over;
  gr::runtime rt;
  auto [tx, rx] = gr::channel<int>(3);
  for (int i = 0; i < 3; ++i) tx.send(i);
  tx.close();
  auto actor = rt.spawn([&, from = rx](gr::mailbox<text>& in) {
    const unit::opens_at_end last(over);
    sent.wait_on_green_thread();
    const auto note = [&](const text& t) { order.push_back(t.value); };
    const auto count = [&](int v) { order.push_back(std::to_string(v)); };
    while (gr::select(gr::prioritized, from.on(count), in.on(note))) {}
  });
  for (const char* each : {"a", "b", "c"}) actor.send(text{each});
  actor = {};
  sent.open();
  over.wait_on_os_thread();
  CHECK(order == std::vector<std::string>{"0", "1", "2", "a", "b", "c"});
}

TEST_CASE("a mailbox that is closed and empty is a case of its own, else it never happens") {
  gate over;
  int messages = 0, ended = 0;
  bool possible = true;
  gr::runtime rt;
  auto actor = rt.spawn([&](gr::mailbox<number>& in) {
    const unit::opens_at_end last(over);
    for (bool open = true; open;)
      gr::select(in.on([&](number) { ++messages; }), in.on_end([&] {
        ++ended;
        open = false;
      }));
    possible = gr::select(in.on([&](number) { messages = -100; }));
  });
  for (int i = 0; i < 10; ++i) actor.send(number{i});
  actor = {};
  over.wait_on_os_thread();
  CHECK((messages == 10 && ended == 1));
  CHECK_FALSE(possible);
}

TEST_CASE("requests in a select are answered, at once or by a promise") {
  gr::runtime rt;
  auto [tx, rx] = gr::channel<int>(0);
  auto actor = rt.spawn([from = rx](gr::mailbox<question>& in) {
    int factor = 1;
    for (int i = 0; gr::select(from.on([&](int v) { factor = v; }),
                               in.on([&](question q) { return factor * q.value; }));
         ++i)
      if (i == 5) break;
    gr::promise<int> later;
    gr::select(in.on([&](question, gr::promise<int> p) { later = std::move(p); }));
    gr::select(from.on([&](int v) { later.set(v); }));
  });
  for (int i = 0; i < 3; ++i) {
    CHECK(actor.ask(question{i}, unit::long_time) == i * (i == 0 ? 1 : i));
    tx.send(i + 1);
  }
  auto asks = rt.spawn([to = actor] { CHECK(to.ask(question{0}, unit::long_time) == 99); });
  CHECK(tx.send(99));
  CHECK(asks.join());
}

// Goal: a request whose asker has given up is no case that happened. Method: it lies in the mailbox
// when the select begins.
TEST_CASE("a request that nobody waits for any more does not count as a case") {
  gate asked, over;
  bool answered = false, otherwise = false;
  gr::runtime rt;
  auto actor = rt.spawn([&](gr::mailbox<question>& in) {
    const unit::opens_at_end last(over);
    asked.wait_on_green_thread();
    gr::select(in.on([&](question) {
      answered = true;
      return 1;
    }),
               gr::otherwise([&] { otherwise = true; }));
  });
  CHECK(actor.ask(question{}, 1ms).error() == gr::error::timeout);
  asked.open();
  over.wait_on_os_thread();
  CHECK_FALSE(answered);
  CHECK(otherwise);
}

TEST_CASE("an idle actor hears its timer, a busy one its messages") {
  int idle = 0, heard = 0;
  gate silent, over;
  gr::runtime rt;
  auto actor = rt.spawn([&](gr::mailbox<number>& in) {
    const unit::opens_at_end last(over);
    while (idle == 0) gr::select(in.on([&](number) { ++heard; }), gr::after(1ms, [&] { ++idle; }));
    silent.open();
    while (gr::select(in.on([&](number) { ++heard; }))) {}
  });
  silent.wait_on_os_thread();
  for (int i = 0; i < 5; ++i) actor.send(number{i});
  actor = {};
  over.wait_on_os_thread();
  CHECK((idle == 1 && heard == 5));
}

TEST_CASE("otherwise happens when the mailbox is empty") {
  gate over;
  std::atomic<int> turns{0};
  int heard = 0;
  gr::runtime rt;
  auto actor = rt.spawn([&](gr::mailbox<number>& in) {
    const unit::opens_at_end last(over);
    while (heard == 0)
      gr::select(in.on([&](number m) { heard = m.value; }), gr::otherwise([&] {
                   ++turns;
                   gr::yield();
                 }));
  });
  unit::yield_until([&] { return turns > 3; });
  actor.send(number{7});
  over.wait_on_os_thread();
  CHECK(heard == 7);
}

TEST_CASE("functions of a select may receive from the mailbox, and select on it again") {
  gate over;
  std::vector<int> order;
  gr::runtime rt;
  auto [tx, rx] = gr::channel<int>(1);
  tx.send(100);
  auto actor = rt.spawn([&, from = rx](gr::mailbox<number>& in) {
    const unit::opens_at_end last(over);
    const auto note = [&](number m) { order.push_back(m.value); };
    gr::select(from.on([&](int v) {
      order.push_back(v);
      in.receive(note);
      gr::select(in.on(note), from.on([](int) {}));
    }));
    gr::select(in.on([&](number m) {
      order.push_back(m.value);
      gr::select(in.on(note));
      in.receive(note);
    }));
    in.receive(note);
  });
  for (int i = 1; i <= 6; ++i) actor.send(number{i});
  over.wait_on_os_thread();
  CHECK(order == std::vector{100, 1, 2, 3, 4, 5, 6});
}

TEST_CASE("a full mailbox whose actor selects lets its waiting senders in") {
  const unit::no_leaks watch;
  const int n = unit::scaled(5'000, 500);
  struct parcel {
    counted value;
  };
  gate over;
  gr::runtime rt{{.workers = 2}};
  auto [tx, rx] = gr::channel<int>(0);
  int messages = 0, values = 0;
  auto actor = rt.spawn({.capacity = 1}, [&, from = std::move(rx)](gr::mailbox<parcel>& in) {
    const unit::opens_at_end last(over);
    while (gr::select(in.on([&](const parcel&) { ++messages; }), from.on([&](int) { ++values; }))) {
    }
  });
  std::vector<gr::green_thread> all;
  for (int s = 0; s < 4; ++s) {
    all.push_back(rt.spawn([to = actor] {
      for (int i = 0; i < n; ++i) to.send(parcel{counted(i)});
    }));
    all.push_back(rt.spawn([out = tx] {
      for (int i = 0; i < n; ++i) out.send(i);
    }));
  }
  actor = {};
  tx.close();
  for (const auto& each : all) CHECK(each.join());
  over.wait_on_os_thread();
  CHECK((messages == 4 * n && values == 4 * n));
}

TEST_CASE("mailbox and channels are fair to each other") {
  constexpr int n = 2'000;
  gate sent, over;
  gr::runtime rt;
  auto [tx, rx] = gr::channel<int>(n);
  int first_messages = 0, messages = 0, values = 0;
  auto actor = rt.spawn({.capacity = n}, [&, from = std::move(rx)](gr::mailbox<number>& in) {
    const unit::opens_at_end last(over);
    sent.wait_on_green_thread();
    for (int i = 0; i < n; ++i)
      gr::select(in.on([&](number) { ++messages; }), from.on([&](int) { ++values; }));
    first_messages = messages;
  });
  for (int i = 0; i < n; ++i) {
    actor.send(number{i});
    tx.send(i);
  }
  sent.open();
  over.wait_on_os_thread();
  CHECK(first_messages > n / 4);
  CHECK(first_messages < n / 4 * 3);
  CHECK(messages + values == n);
}

// Goal: a message that comes while the select decides for another case, or for its timer, is
// neither lost nor waits for the next poke. Method: messages, values and short timers race.
TEST_CASE("messages, values and timers that come together are all heard") {
  const std::uint32_t seed = unit::seed_of_this_run();
  CAPTURE(seed);
  const int n = unit::scaled(10'000, 1'000);
  gate over;
  gr::runtime rt{{.workers = 2}};
  auto [tx, rx] = gr::channel<int>(0);
  int messages = 0, values = 0;
  auto actor = rt.spawn([&, from = std::move(rx)](gr::mailbox<number>& in) {
    const unit::opens_at_end last(over);
    std::minstd_rand random(seed);
    while (messages < n || values < n)
      gr::select(in.on([&](number) { ++messages; }), from.on([&](int) { ++values; }),
                 gr::after(std::chrono::microseconds(random() % 20)));
  });
  auto sends = rt.spawn([seed, to = actor] {
    std::minstd_rand random(seed + 1);
    for (int i = 0; i < n; ++i) {
      to.send(number{i});
      if (random() % 4 == 0) gr::yield();
    }
  });
  std::thread os([out = std::move(tx)] {
    for (int i = 0; i < n; ++i) out.send(i);
  });
  CHECK(sends.join());
  os.join();
  over.wait_on_os_thread();
  CHECK((messages == n && values == n));
}

// Goal: two actors that select on their mailbox and on channels to each other do not miss a wake.
// Method: ping by message, pong by channel, many times.
TEST_CASE("two actors answer messages by a channel and values by a message") {
  const int n = unit::scaled(20'000, 2'000);
  gr::runtime rt{{.workers = 2}};
  auto [tx, rx] = gr::channel<int>(0);
  gate over;
  int back = 0;
  auto pong = rt.spawn([out = std::move(tx)](gr::mailbox<number>& in) {
    while (gr::select(in.on([&](number m) { out.send(m.value); }))) {}
  });
  auto ping = rt.spawn([&, to = std::move(pong), from = std::move(rx)] {
    const unit::opens_at_end last(over);
    for (int i = 0; i < n; ++i) {
      to.send(number{i});
      gr::select(from.on([&](int v) { back += v == i ? 1 : 0; }));
    }
  });
  CHECK(ping.join());
  CHECK(back == n);
}

TEST_CASE("stop, shutdown and cancel reach an actor that selects") {
  const unit::no_leaks watch;
  auto [tx, rx] = gr::channel<int>(0);
  int ended = 0, unwound = 0;
  {
    gr::runtime rt;
    rt.spawn_detached([&, from = rx](gr::mailbox<number>& in) {
      const counted mine(1);
      bool open = true;
      while (open)
        gr::select(from.on([](int) {}), in.on([](number) {}), in.on_end([&] { open = false; }));
      ++ended;
    });
    rt.spawn_detached([&, from = rx](gr::mailbox<number>& in) {
      struct at_end {
        int& n;
        ~at_end() { ++n; }
      } const last{unwound};
      for (;;) gr::select(from.on([](int) {}), in.on([](number) {}));
    });
    CHECK(rt.shutdown(unit::long_time).ok());
  }
  CHECK(ended == 1);
  CHECK(unwound == 1);
  CHECK(tx.try_send(1).error().why == gr::error::full);
}

TEST_CASE("a mailbox may be a case of a set, beside inputs that come and go") {
  gr::runtime rt{{.workers = 2}};
  struct input {
    gr::receiver<int> from;
  };
  gate over;
  long sum = 0;
  auto server = rt.spawn([&](gr::mailbox<input>& in) {
    const unit::opens_at_end last(over);
    gr::select_set set;
    set.add(in.on([&](const input& one) { set.add(one.from.on([&](int v) { sum += v; })); }));
    while (set.wait()) {}
  });
  for (int i = 0; i < 100; ++i) {
    auto [tx, rx] = gr::channel<int>(0);
    server.send(input{std::move(rx)});
    rt.spawn([out = std::move(tx), i] { out.send(i); });
  }
  server = {};
  over.wait_on_os_thread();
  CHECK(sum == 4'950);
}
