// SPDX-License-Identifier: Apache-2.0
// Object actors: the runtime owns the loop, and between messages they hold no stack.
#include "unit_test.hpp"

#include "scheduler/fiber.hpp"

#include <array>
#include <stdexcept>
#include <string>
#include <vector>

using unit::counted;
using unit::gate;

namespace {

struct number {
  int value;
};
struct total {
  using reply = int;
};
struct later {
  using reply = int;
};
struct halt {};

struct account {
  using messages = gr::messages<number, total, later, halt>;
  int sum = 0;
  gr::promise<int> kept = {};

  void on(number n) { sum += n.value; }
  int on(total) { return sum; }
  void on(later, gr::promise<int> p) { kept = std::move(p); }
  void on(halt) { gr::self().stop(); }
};

template <std::size_t Size>
struct sized {
  using messages = gr::messages<number, total>;
  counted mine = counted(1);
  std::array<unsigned char, Size> bytes{};
  void on(number n) { bytes.fill(static_cast<unsigned char>(n.value)); }
  int on(total) {
    int sum = 0;
    for (const unsigned char b : bytes) sum += b;
    return sum;
  }
};

int stacks_in_use() {
  int n = 0;
  gr::detail::for_each_fiber(
      [](gr::detail::fiber* f, void* count) {
        if (f->current.load() != nullptr) ++*static_cast<int*>(count);
      },
      &n);
  return n;
}

}  // namespace

TEST_CASE("an object actor handles messages, replies and promises") {
  gr::runtime rt;
  auto to = rt.spawn<account>();
  for (int i = 1; i <= 100; ++i) to.send(number{i});
  CHECK(to.ask(total{}, unit::long_time).value() == 5050);
  auto asker = rt.spawn([to] { return void(to.ask(later{}, unit::long_time).error().code()); });
  CHECK(to.ask(total{}, unit::long_time).value() == 5050);
  to.send(halt{});
  CHECK(asker.join());  // the promise went with the object
}

TEST_CASE("object actors at rest hold no stack, also after a handler that waited") {
  struct waiter {
    using messages = gr::messages<number, total>;
    gr::address<number, total, later, halt> other;
    int waits = 0;
    void on(number) {
      gr::yield();
      waits += other.ask(total{}, unit::long_time).has_value() ? 1 : 0;
    }
    int on(total) { return waits; }
  };
  constexpr int many = 200;
  gr::runtime rt;
  std::vector<gr::address<number, total>> all;
  auto other = rt.spawn<account>();
  for (int i = 0; i < many; ++i) {
    all.push_back(rt.spawn<waiter>(other));
    all.back().send(number{1});
  }
  for (const auto& one : all) CHECK(one.ask(total{}, unit::long_time).value() == 1);
  unit::yield_until([] { return stacks_in_use() == 0; });
  CHECK(rt.actors() == many + 1);
}

TEST_CASE("a handler may wait, and nothing else is handled meanwhile") {
  struct slow {
    using messages = gr::messages<number, total>;
    const gate& go;
    gate& entered;
    bool inside = false;
    int mixed = 0;
    void on(number) {
      if (std::exchange(inside, true)) ++mixed;
      entered.open();
      go.wait_on_green_thread();
      inside = false;
    }
    int on(total) { return inside ? 1000 : mixed; }
  };
  for (const std::uint32_t capacity : {1024u, 4u}) {
    gate go, entered;
    gr::runtime rt;
    auto to = rt.spawn<slow>({.capacity = capacity}, go, entered);
    to.send(number{1});
    entered.wait_on_os_thread();
    to.send(number{2});
    CHECK(to.ask(total{}, 1ms).error() == gr::error::timeout);
    go.open();
    CHECK(to.ask(total{}, unit::long_time).value() == 0);
  }
}

TEST_CASE("stop ends an object actor after the message it handles; the rest are dead letters") {
  const unit::no_leaks watch;
  struct stopper {
    using messages = gr::messages<counted>;
    std::vector<int>& seen;
    const gate& filled;
    unit::opens_at_end at_end;
    counted mine = counted(1);
    void on(counted c) {
      filled.wait_on_green_thread();
      seen.push_back(c.value());
      if (c.value() == 3) gr::self().stop();
    }
  };
  for (const std::uint32_t capacity : {1024u, 5u}) {
    gate filled, ended;
    std::vector<int> seen;
    gr::runtime rt;
    auto to = rt.spawn<stopper>({.capacity = capacity}, seen, filled, unit::opens_at_end(ended));
    for (int i = 1; i <= 5; ++i) to.send(counted(i));
    filled.open();
    ended.wait_on_os_thread();
    CHECK(to.send(counted(6)).error() == gr::error::closed);
    CHECK(rt.shutdown(unit::long_time).ok());
    CHECK(seen == std::vector{1, 2, 3});
    CHECK(rt.dead_letters().undelivered == 2);
    CHECK(rt.dead_letters().closed == 1);
  }
}

TEST_CASE("a handler that throws ends its object actor only, alone or amid other messages") {
  const unit::no_leaks watch;
  struct bomb {
    using messages = gr::messages<counted, total>;
    const gate& filled;
    unit::opens_at_end at_end;
    counted mine = counted(1);
    void on(counted c) {
      filled.wait_on_green_thread();
      if (c.value() == 1) throw std::runtime_error("boom");
    }
    int on(total) { throw std::logic_error("no total today"); }
  };
  for (const int messages : {1, 4}) {
    for (const std::uint32_t capacity : {1024u, 5u}) {
      CAPTURE(messages);
      CAPTURE(capacity);
      unit::log_book log;
      gate filled, ended, alone;
      gr::runtime rt({.logger = log.logger()});
      auto innocent = rt.spawn<account>();
      auto to =
          rt.spawn<bomb>({.name = "bomb", .capacity = capacity}, filled, unit::opens_at_end(ended));
      for (int i = 1; i <= messages; ++i) to.send(counted(i));
      filled.open();
      ended.wait_on_os_thread();
      CHECK(innocent.ask(total{}, unit::long_time).value() == 0);
      auto second = rt.spawn<bomb>({.capacity = capacity}, filled, unit::opens_at_end(alone));
      const auto r = second.ask(total{}, unit::long_time);
      REQUIRE_FALSE(r);
      CHECK(r.error() == gr::error::failed);
      CHECK(std::string(r.error().text()).find("no total today") != std::string::npos);
      CHECK(rt.shutdown(unit::long_time).ok());
      CHECK(log.has("bomb"));
      CHECK(log.has("boom"));
      CHECK(log.errors() == 2);
      CHECK(rt.dead_letters().undelivered == static_cast<std::uint64_t>(messages - 1));
    }
  }
}

TEST_CASE("what a constructor of an object actor throws, spawn throws, and nothing is left") {
  const unit::no_leaks watch;
  struct never_made {
    using messages = gr::messages<number>;
    counted mine = counted(1);
    never_made() { throw std::runtime_error("not today"); }
    void on(number) {}
  };
  gr::runtime rt;
  for (int i = 0; i < 100; ++i) CHECK_THROWS_AS((void)rt.spawn<never_made>(), std::runtime_error);
  CHECK(rt.actors() == 0);
}

TEST_CASE("objects of any size work: small ones in the cell, big ones in a box") {
  const unit::no_leaks watch;
  gr::runtime rt;
  const auto check = [&]<std::size_t Size>(std::integral_constant<std::size_t, Size>) {
    auto a = rt.spawn<sized<Size>>();
    auto b = rt.spawn<sized<Size>>();
    a.send(number{3});
    b.send(number{5});
    CHECK(a.ask(total{}, unit::long_time).value() == 3 * static_cast<int>(Size));
    CHECK(b.ask(total{}, unit::long_time).value() == 5 * static_cast<int>(Size));
    using gr::detail::stored_size;
    static_assert(stored_size<sized<Size>>() ==
                  (sizeof(sized<Size>) <= 960 ? sizeof(sized<Size>) : sizeof(void*)));
  };
  check(std::integral_constant<std::size_t, 1>{});
  check(std::integral_constant<std::size_t, 100>{});
  check(std::integral_constant<std::size_t, 952>{});
  check(std::integral_constant<std::size_t, 956>{});
  check(std::integral_constant<std::size_t, 960>{});
  check(std::integral_constant<std::size_t, 100'000>{});
  CHECK(rt.shutdown(unit::long_time).ok());
}

TEST_CASE("an over-aligned object keeps its alignment") {
  struct alignas(64) aligned {
    using messages = gr::messages<total>;
    int on(total) { return static_cast<int>(reinterpret_cast<std::uintptr_t>(this) % 64); }
  };
  gr::runtime rt;
  for (int i = 0; i < 5; ++i) CHECK(rt.spawn<aligned>().ask(total{}, unit::long_time).value() == 0);
}

TEST_CASE("object actors of every small capacity handle all, in order, and never more at a time") {
  struct checker {
    using messages = gr::messages<number, total>;
    int next = 0;
    int breaks = 0;
    void on(number n) {
      if (n.value != next++) ++breaks;
      if (n.value % 7 == 0) gr::yield();
    }
    int on(total) { return breaks == 0 ? next : -1; }
  };
  const int many = unit::scaled(5'000, 500);
  gr::runtime rt;
  for (std::uint32_t capacity = 1; capacity <= 17; ++capacity) {
    CAPTURE(capacity);
    auto to = rt.spawn<checker>({.capacity = capacity});
    for (int i = 0; i < many / 2; ++i) to.send(number{i});
    unit::on_green_thread(rt, [&] {
      for (int i = many / 2; i < many; ++i) to.send(number{i});
    });
    CHECK(to.ask(total{}, unit::long_time).value() == many);
  }
  CHECK(rt.dead_letters().total() == 0);
}

TEST_CASE("an object actor that asked for a big stack has one for every message") {
  struct deep {
    using messages = gr::messages<number, total>;
    gr::address<number, total, later, halt> other;
    int on(total) {
      (void)other.ask(total{}, unit::long_time);  // waits, and so keeps the stack it began on
      return 1;
    }
    void on(number) {
      volatile char big[700'000];
      for (std::size_t i = 0; i < sizeof big; i += 1000) big[i] = 1;
      (void)big[0];
    }
  };
  gr::runtime rt;
  auto other = rt.spawn<account>();
  auto to = rt.spawn<deep>({.stack_size = 1u << 20}, other);
  for (int i = 0; i < 10; ++i) {
    to.send(number{1});
    CHECK(to.ask(total{}, unit::long_time).value() == 1);
  }
}

TEST_CASE("an object actor hands out counted addresses of its own") {
  struct sharer {
    using messages = gr::messages<number, later>;
    unit::opens_at_end at_end;
    int sum = 0;
    void on(number n) {
      sum += n.value;
      if (n.value > 1) gr::self().address<number>().send(number{n.value - 1});
    }
    int on(later) { return sum; }
  };
  gate ended;
  gr::runtime rt;
  {
    auto to = rt.spawn<sharer>(unit::opens_at_end(ended));
    to.send(number{10});
    unit::yield_until([&] { return to.ask(later{}, unit::long_time).value() == 55; });
  }
  ended.wait_on_os_thread();
}
