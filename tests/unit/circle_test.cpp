// SPDX-License-Identifier: Apache-2.0
// Senders that wait for each other: the send that would close a circle of waits is refused.
#include "unit_test.hpp"

#include <string>
#include <vector>

using unit::gate;

namespace {

struct number {
  int value;
};

struct neighbour {
  gr::address<number> next;
};

// A ring of actors with full mailboxes; each then sends to its neighbour, none receives before
// that is done.
struct ring {
  static constexpr const char* names[] = {"ann", "bob", "cid", "dan", "eve"};

  std::atomic<int> ready{0}, full{0}, refused{0}, sent{0}, ended{0};
  std::string sentence;
  unit::log_book log;
  gate fill, go;

  void member(gr::mailbox<neighbour, number>& in) {
    gr::address<number> next;
    in.receive([&](neighbour n) { next = n.next; }, [](number) {});
    ++ready;
    fill.wait_on_green_thread();
    while (next.try_send(number{0})) {}
    ++full;
    go.wait_on_green_thread();
    const gr::status s = next.send(number{1});
    if (s) {
      ++sent;
    } else if (s.error() == gr::error::deadlock) {
      sentence = s.error().text();
      ++refused;
    }
    next = {};
    while (in.receive([](neighbour) {}, [](number) {})) {}
    ++ended;
  }
};

}  // namespace

TEST_CASE("a send to oneself is refused as a deadlock when the mailbox is full") {
  std::string sentence;
  gr::runtime rt;
  gr::error::code_type code{};
  int fit = 0;
  auto actor = [&](gr::mailbox<number>& in) {
    auto me = in.address();
    for (;;) {
      const gr::status s = me.send(number{fit});
      if (!s) {
        code = s.error().code();
        sentence = s.error().text();
        break;
      }
      ++fit;
    }
    me = {};
    int handled = 0;
    while (in.receive([&](number) { ++handled; })) {}
    CHECK(handled == 5);
  };
  rt.spawn({.name = "narcissus", .capacity = 5}, actor);
  CHECK(rt.shutdown(unit::long_time).ok());
  CHECK(fit == 5);
  CHECK(code == gr::error::deadlock);
  CHECK(sentence.find("narcissus") != std::string::npos);
  CHECK(sentence.find("number") != std::string::npos);
  CHECK(sentence.find('5') != std::string::npos);
  CHECK(rt.dead_letters().deadlock == 1);
}

TEST_CASE("the send that closes a circle of full mailboxes is refused and names all of it") {
  for (int size = 2; size <= 5; ++size) {
    CAPTURE(size);
    gr::runtime rt;
    ring r;
    {
      std::vector<gr::address<neighbour, number>> all;
      for (int i = 0; i < size; ++i)
        all.push_back(rt.spawn({.name = ring::names[i], .capacity = 4},
                               [&r](gr::mailbox<neighbour, number>& in) { r.member(in); }));
      for (std::size_t i = 0; i < all.size(); ++i)
        all[i].send(neighbour{all[(i + 1) % all.size()]});
    }
    unit::yield_until([&] { return r.ready == size; });
    r.fill.open();
    unit::yield_until([&] { return r.full == size; });
    r.go.open();
    unit::yield_until([&] { return r.ended == size; });
    // One is refused; with that it goes on and receives, and so the others' sends get through.
    CHECK(r.refused == 1);
    CHECK(r.sent == size - 1);
    CHECK(rt.dead_letters().deadlock == 1);
    for (int i = 0; i < size; ++i) {
      CAPTURE(r.sentence);
      CHECK(r.sentence.find(ring::names[i]) != std::string::npos);
    }
  }
}

TEST_CASE("a wait with a deadline closes no circle") {
  std::atomic<int> ready{0}, full{0}, timeouts{0};
  gate fill, go;
  gr::runtime rt;
  auto member = [&](gr::mailbox<neighbour, number>& in) {
    gr::address<number> next;
    in.receive([&](neighbour n) { next = n.next; }, [](number) {});
    ++ready;
    fill.wait_on_green_thread();
    while (next.try_send(number{0})) {}
    ++full;
    go.wait_on_green_thread();
    const auto s = next.send_for(1ms, number{1});
    if (!s && s.error().why == gr::error::timeout) ++timeouts;
    full.fetch_sub(1);
    unit::yield_until([&] { return full == 0; });
  };
  {
    auto a = rt.spawn({.capacity = 2}, member);
    auto b = rt.spawn({.capacity = 2}, member);
    a.send(neighbour{b});
    b.send(neighbour{a});
  }
  unit::yield_until([&] { return ready == 2; });
  fill.open();
  unit::yield_until([&] { return full == 2; });
  go.open();
  unit::yield_until([&] { return full == 0; });
  CHECK(rt.shutdown(unit::long_time).ok());
  CHECK(timeouts == 2);
}

TEST_CASE("a busy pipeline that always moves is never called a deadlock") {
  // Five stages with tiny mailboxes: nearly every send waits, no circle of waits exists, since
  // the last stage sends nothing.
  constexpr int stages = 5;
  constexpr int sources = 4;
  const int each = unit::scaled(20'000, 1'500);
  std::atomic<int> refused{0};
  int arrived = 0;
  gate ended;
  gr::runtime rt;
  auto stage = [&](gr::mailbox<number>& in, gr::address<number> next) {
    while (in.receive([&](number n) {
      if (!next) {
        ++arrived;
      } else if (!next.send(n)) {
        ++refused;
      }
    })) {}
    if (!next) ended.open();
  };
  {
    gr::address<number> first;
    for (int i = 0; i < stages; ++i) first = rt.spawn({.capacity = 1}, stage, first);
    for (int s = 0; s < sources; ++s)
      rt.spawn([&, first] {
        for (int i = 0; i < each; ++i)
          if (!first.send(number{i})) ++refused;
      });
  }
  ended.wait_on_os_thread();
  CHECK(refused == 0);
  CHECK(arrived == sources * each);
}

TEST_CASE("two who send to each other all the time, one always ready to receive, never deadlock") {
  // The client sends a burst that fits and receives as many answers before the next: mailboxes
  // are full now and then, and a send may wait, but the circle is never closed.
  const int rounds = unit::scaled(20'000, 1'500);
  std::atomic<int> refused{0};
  int answers = 0;
  gr::runtime rt;
  auto server = [&](gr::mailbox<neighbour, number>& in) {
    gr::address<number> client;
    while (in.receive([&](neighbour n) { client = n.next; },
                      [&](number n) {
                        if (!client.send(n)) ++refused;
                      })) {}
  };
  auto client = [&](gr::mailbox<number>& in, gr::address<neighbour, number> to) {
    to.send(neighbour{in.address()});
    for (int i = 0; i < rounds; ++i) {
      for (int k = 0; k < 4; ++k)
        if (!to.send(number{k})) ++refused;
      for (int k = 0; k < 4; ++k) in.receive([&](number) { ++answers; });
    }
  };
  {
    auto s = rt.spawn({.capacity = 2}, server);
    rt.spawn({.capacity = 2}, client, gr::address<neighbour, number>(s));
  }
  CHECK(rt.shutdown(unit::long_time).ok());
  CHECK(refused + answers == 4 * rounds);
  CHECK(refused == 0);
}
