// SPDX-License-Identifier: Apache-2.0
// How long actors, their objects and their messages live.
#include "unit_test.hpp"

#include <optional>
#include <stdexcept>
#include <vector>

using unit::counted;
using unit::gate;

namespace {

struct number {
  int value;
};
struct parcel {
  counted content;
};
struct question {
  using reply = counted;
  counted payload;
};
struct ask_address {
  using reply = gr::address<number>;
};

// Lives in the actor; says when it goes.
struct resident {
  counted mine;
  unit::opens_at_end at_end;
};

}  // namespace

TEST_CASE("an actor ends when its last address goes, wherever that was kept") {
  gate ended;
  int seen = 0;
  gr::runtime rt;
  auto actor = [&](gr::mailbox<number>& in, const unit::opens_at_end&) {
    while (in.receive([&](number) { ++seen; })) {}
  };
  auto keeper = [](gr::mailbox<number>& in, const gr::address<number>& kept) {
    (void)kept;
    while (in.receive([](number) {})) {}
  };
  {
    gr::address<number> holder;
    {
      auto to = rt.spawn(actor, unit::opens_at_end(ended));
      to.send(number{1});
      holder = rt.spawn(keeper, to);
    }
    unit::on_green_thread(rt, [] {
      for (int i = 0; i < 100; ++i) gr::yield();
    });
    CHECK_FALSE(ended.is_open());  // the keeper's argument holds it
  }
  ended.wait_on_os_thread();
  CHECK(seen == 1);
}

TEST_CASE("a weak address does not keep its actor, and locks only while others do") {
  gate ended;
  gr::runtime rt;
  auto actor = [&](gr::mailbox<number>& in, const unit::opens_at_end&) {
    while (in.receive([](number) {})) {}
  };
  gr::weak_address<number> weak;
  CHECK_FALSE(weak.lock());
  {
    auto to = rt.spawn(actor, unit::opens_at_end(ended));
    weak = to;
    CHECK(weak.lock() == to);
    CHECK(weak.lock().send(number{1}));
    gr::weak_address<number> copy = weak;
    to = copy.lock();
    CHECK(to);
  }
  ended.wait_on_os_thread();
  CHECK_FALSE(weak.lock());
  CHECK_FALSE(gr::weak_address<number>(weak).lock());
}

TEST_CASE("an address that the actor hands out keeps it alive, and its own do not") {
  gate ended;
  int seen = 0;
  gr::runtime rt;
  auto actor = [&](gr::mailbox<ask_address, number>& in, const unit::opens_at_end&) {
    while (in.receive([&](ask_address) { return gr::address<number>(in.address()); },
                      [&](number) { ++seen; })) {}
  };
  {
    gr::address<number> handed_out;
    {
      auto to = rt.spawn(actor, unit::opens_at_end(ended));
      handed_out = to.ask(ask_address{}, unit::long_time).value();
    }
    for (int i = 0; i < 100; ++i) CHECK(handed_out.send(number{i}));
    CHECK_FALSE(ended.is_open());
  }
  ended.wait_on_os_thread();
  CHECK(seen == 100);
}

TEST_CASE("an actor without an address may make one again before it looks") {
  gate dropped, ended;
  int seen = 0;
  gr::runtime rt;
  auto actor = [&](gr::mailbox<number>& in, const unit::opens_at_end&) {
    dropped.wait_on_green_thread();
    auto revived = in.address();
    for (int i = 0; i < 5; ++i) revived.send(number{i});
    in.receive([&](number) { ++seen; });
    revived = {};
    while (in.receive([&](number) { ++seen; })) {}
  };
  rt.spawn(actor, unit::opens_at_end(ended));
  dropped.open();
  ended.wait_on_os_thread();
  CHECK(seen == 5);
}

TEST_CASE("a long chain of actors that hold each other dies without using up the stack") {
  struct link {
    using messages = gr::messages<number>;
    counted mine;
    gr::address<number> next;
    void on(number) {}
  };
  const unit::no_leaks watch;
  const int length = unit::scaled(1'000'000, 50'000);
  gr::runtime rt;
  gr::address<number> first;
  for (int i = 0; i < length; ++i) first = rt.spawn<link>(counted(i), std::move(first));
  CHECK(counted::alive() >= length);
  first = {};
  CHECK(rt.shutdown(unit::long_time).ok());
  CHECK(rt.actors() == 0);
}

TEST_CASE("a chain of function actors dies as well") {
  const unit::no_leaks watch;
  const int length = unit::scaled(5'000, 500);
  gr::runtime rt;
  auto body = [](gr::mailbox<number>& in, const counted&, const gr::address<number>&) {
    while (in.receive([](number) {})) {}
  };
  gr::address<number> first;
  for (int i = 0; i < length; ++i) first = rt.spawn(body, counted(i), std::move(first));
  first = {};
  unit::yield_until([&] { return rt.actors() == 0; });
}

TEST_CASE("addresses, weak addresses and handles outlive the runtime and report closed") {
  gr::address<number, question> to;
  gr::weak_address<number, question> weak;
  gr::green_thread thread;
  gr::address<number, question> object;
  {
    struct silent {
      using messages = gr::messages<number, question>;
      void on(number) {}
      counted on(question) { return counted(1); }
    };
    gr::runtime rt;
    to = rt.spawn([](gr::mailbox<number, question>& in) {
      while (in.receive([](number) {}, [](question) { return counted(1); })) {}
    });
    object = rt.spawn<silent>();
    weak = to;
    thread = rt.spawn([] {});
  }
  for (const auto& a : {to, object}) {
    CHECK(a.send(number{1}).error() == gr::error::closed);
    CHECK(a.try_send(number{1}).error().why == gr::error::closed);
    CHECK(a.send_for(1s, number{1}).error().why == gr::error::closed);
    CHECK(a.ask(question{}, unit::long_time).error() == gr::error::closed);
    CHECK_FALSE(gr::send_after(1ms, a, number{1}).cancel());
  }
  CHECK(thread.join());
  thread.cancel();
  // A runtime that comes later is another one.
  gr::runtime again;
  CHECK(to.send(number{1}).error() == gr::error::closed);
  CHECK(weak.lock().send(number{1}).error() == gr::error::closed);
}

TEST_CASE("what is left in a mailbox is destroyed exactly once, and counted") {
  const unit::no_leaks watch;
  gate filled;
  gr::runtime rt;
  auto actor = [&](gr::mailbox<parcel, question>& in) {
    filled.wait_on_green_thread();
    in.receive([](parcel) {}, [](question) { return counted(1); });
  };
  auto to = rt.spawn(actor);
  for (int i = 0; i < 10; ++i) to.send(parcel{counted(i)});
  auto asker = rt.spawn([to] {
    const auto r = to.ask(question{counted(1)}, unit::long_time);
    CHECK_FALSE(r.has_value());
    if (!r) CHECK(r.error() == gr::error::closed);
  });
  filled.open();
  CHECK(asker.join());
  CHECK(to.send(parcel{counted(1)}).error() == gr::error::closed);
  CHECK(rt.shutdown(unit::long_time).ok());
  // The ask was there in time, and then undelivered, or not, and then closed.
  const auto dead = rt.dead_letters();
  CHECK(dead.undelivered + dead.closed == 11);
  CHECK(dead.undelivered >= 9);
  CHECK(dead.total() == 11);
}

TEST_CASE("an actor's objects are destroyed when it returns, stops, throws, or is shut down") {
  const unit::no_leaks watch;
  unit::log_book log;
  enum class way { returns, stops, throws, shut_down };
  for (const way how : {way::returns, way::stops, way::throws, way::shut_down}) {
    CAPTURE(static_cast<int>(how));
    gate entered, ended;
    gr::runtime rt({.logger = log.logger()});
    auto actor = [&](gr::mailbox<parcel>& in, const resident&) {
      const counted on_stack(1);
      in.receive([&](parcel) {
        const counted in_handler(2);
        if (how == way::stops) gr::self().stop();
        if (how == way::throws) throw std::runtime_error("as planned");
      });
      entered.open();
      if (how == way::returns) return;
      while (in.receive([](parcel) {})) {}
    };
    auto to = rt.spawn(actor, resident{counted(3), unit::opens_at_end(ended)});
    for (int i = 0; i < 3; ++i) to.send(parcel{counted(i)});
    if (how == way::shut_down) CHECK(rt.shutdown(unit::long_time).ok());
    ended.wait_on_os_thread();
    CHECK(to.send(parcel{counted(9)}).error() == gr::error::closed);
  }
  CHECK(log.errors() == 1);
}
