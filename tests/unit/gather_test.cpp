// SPDX-License-Identifier: Apache-2.0
// Several asks and functions at once: each has its result, and none outlives the gather.
#include "unit_test.hpp"

#include <greenroom/gather_all.hpp>

#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

using unit::counted;
using unit::gate;

namespace {

constexpr gr::duration soon = 2ms;

struct get {
  using reply = std::string;
  int id;
};
struct pick {
  using reply = std::vector<int>;
  int id;
};
struct note {
  using reply = void;
};

struct page {
  std::string who;
  std::vector<int> ads;
};
struct services {
  gr::address<get> users;
  gr::address<pick> ads;
};

// doc: gather
std::expected<page, gr::error> render(const services& s, int id, gr::duration within) {
  return gr::with_deadline(within, [&]() -> std::expected<page, gr::error> {
    auto [who, ads] = gr::gather(s.users.request(get{id}), s.ads.request(pick{id}));
    if (!who) return std::unexpected(who.error());  // the name is needed, the rest may be late
    return page{*who, ads.value_or(std::vector<int>{})};
  });
}
// end

auto users() {
  return [](gr::mailbox<get>& in) {
    while (in.receive([](get g) { return "user " + std::to_string(g.id); })) {}
  };
}
// Answers once the gate is open.
auto ads(gate& done) {
  return [&done](gr::mailbox<pick>& in) {
    while (in.receive([&](pick p) {
      const gr::shield until_then;
      done.wait_on_green_thread();
      return std::vector<int>{p.id, p.id + 1};
    })) {}
  };
}

template <class Body>
void on_both(gr::runtime& rt, Body body) {
  CHECK(rt.spawn([&] { body(); }).join());
  std::thread(body).join();
}

}  // namespace

TEST_CASE("gather asks all at once and gives the answers in order") {
  gate done;
  done.open();
  gr::runtime rt;
  const services s{rt.spawn(users()), rt.spawn(ads(done))};
  on_both(rt, [&] {
    const auto got = render(s, 7, unit::long_time);
    REQUIRE(got);
    CHECK(got->who == "user 7");
    CHECK(got->ads == std::vector{7, 8});
    const auto [who, list] =
        gr::gather_for(unit::long_time, s.users.request(get{1}), s.ads.request(pick{2}));
    CHECK(who.value() == "user 1");
    CHECK(list.value() == std::vector{2, 3});
  });
}

TEST_CASE("what is late when the time is over is a timeout, and the rest is there") {
  gate done;
  gr::runtime rt;
  const services s{rt.spawn(users()), rt.spawn(ads(done))};
  on_both(rt, [&] {
    const auto got = render(s, 7, soon * 10);
    // The name may be late as well on a slow machine, never lost in another way.
    if (got) {
      CHECK(got->who == "user 7");
      CHECK(got->ads.empty());
    } else {
      CHECK(got.error() == gr::error::timeout);
    }
    const auto [late] = gr::gather_for(soon, s.ads.request(pick{2}));
    CHECK(late.error() == gr::error::timeout);
  });
  done.open();
}

TEST_CASE("gather takes functions: of values, of nothing, of results; move-only ones too") {
  gr::runtime rt;
  CHECK(unit::on_green_thread(rt, [] {
    bool ran = false;
    auto [number, nothing, result, told, moved] = gr::gather(
        [] { return 7; }, [&] { ran = true; },
        []() -> std::expected<int, gr::error> { return std::unexpected(gr::error::refused); },
        []() -> gr::status { return gr::error::io; },
        [p = std::make_unique<int>(3)]() mutable { return std::move(p); });
    CHECK(number.value() == 7);
    CHECK(nothing);
    CHECK(ran);
    CHECK(result.error() == gr::error::refused);
    CHECK(told.error() == gr::error::io);
    CHECK(**moved == 3);
    CHECK(gr::gather() == std::tuple<>());
  }));
}

TEST_CASE("the functions of a gather run at once, each on a green thread") {
  gr::runtime rt;
  CHECK(unit::on_green_thread(rt, [] {
    gate first, second;
    const auto [a, b] = gr::gather(
        [&] {
          first.open();
          second.wait_on_green_thread();
          return gr::self().id();
        },
        [&] {
          first.wait_on_green_thread();
          second.open();
          return gr::self().id();
        });
    CHECK(a.value() != b.value());
    CHECK(a.value() != gr::self().id());
  }));
}

TEST_CASE("a function of a gather that the time cuts short unwinds, and is a timeout") {
  const unit::no_leaks watch;
  gr::runtime rt;
  CHECK(unit::on_green_thread(rt, [] {
    const auto [quick, slow] = gr::gather_for(
        soon, [] { return 1; },
        [] {
          const counted mine(1);
          gr::sleep_for(24h);
          return 2;
        });
    CHECK((quick || quick.error() == gr::error::timeout));
    CHECK(slow.error() == gr::error::timeout);
    // Begun when it is too late already: nothing is run, and said once.
    int ran = 0, told = 0;
    const gr::status s = gr::with_deadline(0s, [&] {
      for (;;) {
        const auto [late] = gr::gather([&] { ++ran; });
        if (late.error() == gr::error::timeout) ++told;
      }
    });
    CHECK(s.error() == gr::error::timeout);
    CHECK(ran == 0);
    CHECK(told == 1);
  }));
}

TEST_CASE("an exception in one function ends the others and comes out of gather") {
  const unit::no_leaks watch;
  gr::runtime rt;
  CHECK(unit::on_green_thread(rt, [] {
    CHECK_THROWS_WITH_AS((void)gr::gather(
                             [] {
                               const counted mine(1);
                               gr::sleep_for(24h);
                             },
                             [] { throw std::runtime_error("no luck"); }),
                         "no luck", std::runtime_error);
  }));
}

TEST_CASE("a request without any deadline is refused with a sentence, and not sent") {
  gate done;
  done.open();
  gr::runtime rt;
  const services s{rt.spawn(users()), rt.spawn(ads(done))};
  on_both(rt, [&] {
    const auto [who] = gr::gather(s.users.request(get{1}));
    REQUIRE_FALSE(who);
    CHECK(who.error() == gr::error::invalid);
    CHECK(std::string(who.error().text()).find("needs a deadline") != std::string::npos);
  });
}

TEST_CASE("a gather in a handler inherits the deadline of the request") {
  gate done;
  gr::runtime rt;
  auto slow = rt.spawn(ads(done));
  struct through {
    using reply = int;
  };
  std::atomic<int> seen{-1};
  auto middle = rt.spawn([&](gr::mailbox<through>& in) {
    while (in.receive([&](through) {
      const auto [got] = gr::gather(slow.request(pick{1}));
      seen = got ? -2 : got.error().code();
      return 0;
    })) {}
  });
  (void)middle.ask(through{}, soon);  // the handler's answer may just come in time
  unit::yield_until([&] { return seen != -1; });
  CHECK(seen == gr::error::timeout);
  done.open();
}

TEST_CASE("an owner that is cancelled in a gather cancels all of it, and unwinds") {
  const unit::no_leaks watch;
  gate runs;
  bool passed = false;
  gr::runtime rt;
  auto owner = rt.spawn([&] {
    (void)gr::gather(
        [&] {
          const counted mine(1);
          runs.open();
          gr::sleep_for(24h);
        },
        [] { gr::sleep_for(24h); });
    passed = true;
  });
  runs.wait_on_os_thread();
  owner.cancel();
  CHECK(owner.join().error() == gr::error::cancelled);
  CHECK_FALSE(passed);
}

TEST_CASE("requests to empty addresses and of nothing are gathered like others") {
  gr::runtime rt;
  auto noted = rt.spawn([](gr::mailbox<note>& in) {
    while (in.receive([](note) {})) {}
  });
  on_both(rt, [&] {
    const auto [ok, gone] =
        gr::gather_for(unit::long_time, noted.request(note{}), gr::address<get>().request(get{1}));
    CHECK(ok);
    CHECK(gone.error() == gr::error::closed);
  });
}

TEST_CASE("a gather of as many requests as there are keeps their order, and says who was late") {
  gate done;
  gr::runtime rt;
  auto quick = rt.spawn([](gr::mailbox<get>& in) {
    while (in.receive([](get g) { return "user " + std::to_string(g.id); })) {}
  });
  std::vector<gr::deferred_ask<get>> asks;
  for (int id = 0; id < 20; ++id) asks.push_back(quick.request(get{id}));
  const auto all = gr::gather_all_for(unit::long_time, asks);  // from an OS thread
  REQUIRE(all.size() == 20);
  for (int id = 0; id < 20; ++id)
    CHECK(all[static_cast<std::size_t>(id)] == "user " + std::to_string(id));
  unit::on_green_thread(rt, [&] {
    std::vector<std::function<int()>> work;
    for (int i = 0; i < 3; ++i)
      work.push_back([&, i] {
        if (i == 1) done.wait_on_green_thread();  // until the time is over
        return i;
      });
    const auto some = gr::gather_all_for(1ms, std::move(work));
    CHECK(some[1].error() == gr::error::timeout);
    CHECK(gr::gather_all(std::vector<std::function<int()>>{}).empty());
  });
}

TEST_CASE("a gather through empty addresses says closed, on an OS thread too") {
  const gr::address<get> nobody;
  auto [one, two] = gr::gather_for(1s, nobody.request(get{1}), nobody.request(get{2}));
  CHECK(one.error() == gr::error::closed);
  CHECK(two.error() == gr::error::closed);
  CHECK(gr::race_for(1s, nobody.request(get{1})).error() == gr::error::closed);
}
