// SPDX-License-Identifier: Apache-2.0
// Function actors and their mailboxes: what arrives, in which order, and when a receive ends.
#include "unit_test.hpp"

#include <array>
#include <cstring>
#include <memory>
#include <string>
#include <thread>
#include <unordered_set>
#include <vector>

using unit::gate;

namespace {

struct number {
  int value;
};
struct word {
  std::string text;
};
struct nothing_at_all {};
struct total {
  using reply = int;
};
struct owned {
  std::unique_ptr<int> value;
};
struct big {
  std::array<unsigned char, 4000> bytes;
};
struct alignas(16) aligned {
  long double value;
};

}  // namespace

TEST_CASE("a message goes to the handler for exactly its type") {
  std::string seen;
  gr::runtime rt;
  auto actor = [&](gr::mailbox<number, word, nothing_at_all>& in) {
    while (in.receive([&](word w) { seen += w.text; },
                      [&](number n) { seen += std::to_string(n.value); },
                      [&](nothing_at_all) { seen += "."; })) {}
  };
  {
    gr::address<number, word, nothing_at_all> to = rt.spawn(actor);
    CHECK(to.send(number{1}));
    CHECK(to.send(word{"two"}));
    CHECK(to.send(nothing_at_all{}));
    CHECK(to.send(number{3}));
  }
  CHECK(rt.shutdown(unit::long_time).ok());
  CHECK(seen == "1two.3");
}

TEST_CASE("a handler may take its message by value, by reference to const, or by move") {
  int sum = 0;
  gr::runtime rt;
  auto actor = [&](gr::mailbox<number, word, owned>& in) {
    while (in.receive([&](const number& n) { sum += n.value; },
                      [&](word&& w) { sum += static_cast<int>(w.text.size()); },
                      [&](owned o) { sum += *o.value; })) {}
  };
  {
    auto to = rt.spawn(actor);
    to.send(number{1});
    to.send(word{std::string(100, 'x')});
    to.send(owned{std::make_unique<int>(1000)});
  }
  CHECK(rt.shutdown(unit::long_time).ok());
  CHECK(sum == 1101);
}

TEST_CASE("messages of any size and alignment arrive whole") {
  int good = 0;
  gr::runtime rt;
  auto actor = [&](gr::mailbox<big, aligned, nothing_at_all>& in) {
    while (in.receive(
        [&](big b) {
          for (std::size_t i = 0; i < b.bytes.size(); ++i)
            if (b.bytes[i] != static_cast<unsigned char>(i)) return;
          ++good;
        },
        [&](const aligned& a) {
          if (reinterpret_cast<std::uintptr_t>(&a) % 16 == 0 && a.value == 2.5L) ++good;
        },
        [&](nothing_at_all) { ++good; })) {}
  };
  {
    auto to = rt.spawn(actor);
    big b;
    for (std::size_t i = 0; i < b.bytes.size(); ++i) b.bytes[i] = static_cast<unsigned char>(i);
    for (int i = 0; i < 100; ++i) {
      to.send(b);
      to.send(aligned{2.5L});
      to.send(nothing_at_all{});
    }
  }
  CHECK(rt.shutdown(unit::long_time).ok());
  CHECK(good == 300);
}

TEST_CASE("receive is false after the last message once the last address is gone") {
  int seen = 0;
  gate ended;
  gr::runtime rt;
  auto actor = [&](gr::mailbox<number>& in) {
    while (in.receive([&](number) { ++seen; })) {}
    CHECK_FALSE(in.receive([&](number) { ++seen; }));  // and stays so
    ended.open();
  };
  {
    auto to = rt.spawn(actor);
    for (int i = 0; i < 500; ++i) to.send(number{i});
    auto copy = to;
    to = {};
    copy.send(number{500});
  }
  ended.wait_on_os_thread();
  CHECK(seen == 501);
}

TEST_CASE("a mailbox closed by its actor admits nothing, and what is in it can be received") {
  gate filled, closed, looked;
  int seen = 0;
  gr::runtime rt;
  auto actor = [&](gr::mailbox<number>& in) {
    filled.wait_on_green_thread();
    in.close();
    closed.open();
    looked.wait_on_green_thread();
    while (in.receive([&](number n) { seen += n.value; })) {}
  };
  auto to = rt.spawn(actor);
  to.send(number{1});
  to.send(number{2});
  filled.open();
  closed.wait_on_os_thread();
  const gr::status late = to.send(number{4});
  CHECK_FALSE(late);
  CHECK(late.error() == gr::error::closed);
  const auto given_back = to.try_send(number{8});
  REQUIRE_FALSE(given_back);
  CHECK(given_back.error().why == gr::error::closed);
  CHECK(given_back.error().message.value == 8);
  looked.open();
  CHECK(rt.shutdown(unit::long_time).ok());
  CHECK(seen == 3);
  CHECK(rt.dead_letters().closed == 1);  // a message given back is none
}

TEST_CASE("a receive with a deadline tells a message from nothing and from closed") {
  std::vector<gr::received> got;
  gate first, second;
  gr::runtime rt;
  auto actor = [&](gr::mailbox<number>& in) {
    const auto ignore = [](number) {};
    got.push_back(in.receive_for(1ms, ignore));
    first.open();
    got.push_back(in.receive_for(unit::long_time, ignore));
    got.push_back(in.receive_until(gr::now() - 1s, ignore));
    got.push_back(in.receive_for(-5s, ignore));
    second.open();
    got.push_back(in.receive_for(unit::long_time, ignore));
  };
  {
    auto to = rt.spawn(actor);
    first.wait_on_os_thread();
    to.send(number{1});
    second.wait_on_os_thread();
  }
  CHECK(rt.shutdown(unit::long_time).ok());
  using enum gr::received;
  CHECK(got == std::vector{nothing, message, nothing, nothing, closed});
}

TEST_CASE("a receive with a deadline in the past still takes a message that is there") {
  gate filled;
  gr::runtime rt;
  gr::received got{};
  auto actor = [&](gr::mailbox<number>& in) {
    filled.wait_on_green_thread();
    got = in.receive_until(gr::time_point::min(), [](number) {});
  };
  auto to = rt.spawn(actor);
  to.send(number{1});
  filled.open();
  CHECK(rt.shutdown(unit::long_time).ok());
  CHECK(got == gr::received::message);
}

TEST_CASE("try_receive takes what is there and never waits") {
  std::vector<gr::received> got;
  gate looked, filled;
  gr::runtime rt;
  auto actor = [&](gr::mailbox<number>& in) {
    const auto ignore = [](number) {};
    got.push_back(in.try_receive(ignore));
    looked.open();
    filled.wait_on_green_thread();
    for (int i = 0; i < 3; ++i) got.push_back(in.try_receive(ignore));
  };
  {
    auto to = rt.spawn(actor);
    looked.wait_on_os_thread();
    to.send(number{1});
    to.send(number{2});
  }
  filled.open();
  CHECK(rt.shutdown(unit::long_time).ok());
  using enum gr::received;
  CHECK(got == std::vector{nothing, message, message, closed});
}

TEST_CASE("a mailbox tells how many messages wait in it, bounded or not") {
  for (const std::uint32_t capacity : {1024u, 8u, gr::unbounded}) {
    CAPTURE(capacity);
    std::vector<std::size_t> sizes;
    gate filled, ended;
    gr::runtime rt;
    auto actor = [&](gr::mailbox<number>& in) {
      filled.wait_on_green_thread();
      sizes.push_back(in.size());
      for (int i = 0; i < 5; ++i) in.receive([&](number) { sizes.push_back(in.size()); });
      ended.open();
    };
    auto to = rt.spawn({.capacity = capacity}, actor);
    for (int i = 0; i < 5; ++i) to.send(number{i});
    filled.open();
    ended.wait_on_os_thread();
    CHECK(sizes == std::vector<std::size_t>{5, 4, 3, 2, 1, 0});
  }
}

TEST_CASE("an address narrows, compares, hashes, and knows its actor's id") {
  int sum = 0;
  gr::runtime rt;
  auto actor = [&](gr::mailbox<word, number, total>& in) {
    while (in.receive([&](number n) { sum += n.value; }, [](word) {}, [&](total) { return sum; })) {
    }
  };
  gr::address<word, number, total> whole = rt.spawn(actor);
  gr::address<word, number, total> other = rt.spawn(actor);
  gr::address<total, number> swapped = whole;
  gr::address<number> only_number = swapped;
  CHECK(only_number.send(number{42}));
  CHECK(swapped.ask(total{}, unit::long_time).value() == 42);
  CHECK(only_number == whole);
  CHECK_FALSE(only_number == other);
  CHECK(whole.id() != other.id());
  CHECK(only_number.id() == whole.id());
  std::unordered_set<gr::address<word, number, total>> set{whole, other, whole};
  CHECK(set.size() == 2);
  CHECK(whole);
}

TEST_CASE("an empty address reports closed and gives messages back") {
  const gr::address<number, total, owned> nobody;
  CHECK_FALSE(nobody);
  CHECK(nobody.id() == 0);
  CHECK(nobody.send(number{1}).error() == gr::error::closed);
  CHECK(nobody.ask(total{}, 1s).error() == gr::error::closed);
  auto unsent = nobody.try_send(owned{std::make_unique<int>(7)});
  REQUIRE_FALSE(unsent);
  CHECK(*unsent.error().message.value == 7);
  auto late = nobody.send_for(1s, owned{std::make_unique<int>(8)});
  REQUIRE_FALSE(late);
  CHECK(*late.error().message.value == 8);
}

TEST_CASE("an actor's arguments are moved into it") {
  int got = 0;
  gr::runtime rt;
  auto actor = [](gr::mailbox<number>&, std::unique_ptr<int> mine, int& out) { out = *mine; };
  {
    auto to = rt.spawn([&](gr::mailbox<number>& in,
                           std::unique_ptr<int> mine) { actor(in, std::move(mine), got); },
                       std::make_unique<int>(5));
  }
  CHECK(rt.shutdown(unit::long_time).ok());
  CHECK(got == 5);
}

TEST_CASE("an actor sends to itself") {
  int rounds = 0;
  gr::runtime rt;
  auto actor = [&](gr::mailbox<number>& in) {
    in.address().send(number{1000});
    while (in.receive([&](number n) {
      ++rounds;
      if (n.value > 0) in.address().send(number{n.value - 1});
    })) {}
  };
  auto to = rt.spawn(actor);
  to = {};
  CHECK(rt.shutdown(unit::long_time).ok());
  CHECK(rounds == 1001);
}

TEST_CASE("many OS threads send to one actor, each in order") {
  constexpr int threads = 4;
  const int each = unit::scaled(50'000, 3'000);
  gr::runtime rt;
  std::array<int, threads> next{};
  int breaks = 0;
  auto actor = [&](gr::mailbox<std::array<int, 2>>& in) {
    while (in.receive([&](std::array<int, 2> m) {
      auto& expected = next[static_cast<std::size_t>(m[0])];
      if (m[1] != expected++) ++breaks;
    })) {}
  };
  {
    auto to = rt.spawn({.capacity = 32}, actor);
    std::vector<std::jthread> all;
    for (int t = 0; t < threads; ++t)
      all.emplace_back([&, t, to] {
        for (int i = 0; i < each; ++i) to.send(std::array<int, 2>{t, i});
      });
  }
  CHECK(rt.shutdown(unit::long_time).ok());
  CHECK(breaks == 0);
  for (const int n : next) CHECK(n == each);
}
