// SPDX-License-Identifier: Apache-2.0
// Pools: like children that come and go while their supervisor runs, many of them.
#include "otp.hpp"

#include <memory>
#include <thread>
#include <vector>

using otp::diary;
using otp::part;
using otp::soon;

namespace {

struct device {
  using messages = gr::messages<otp::leave, otp::which_life>;
  explicit device(int number) : n(number) {
    if (number < 0) throw std::invalid_argument("no such device");
  }
  void on(otp::leave) { throw std::runtime_error("told to"); }
  int on(otp::which_life) { return n; }
  int n;
};

}  // namespace

TEST_CASE("a pool starts children by value, restarts each with what it was started with") {
  unit::log_book log;
  gr::runtime rt({.logger = log.logger()});
  gr::supervisor app(rt, gr::one_for_one, {.name = "app"});
  auto devices = app.pool<device>({.name = "devices"}, {.restarts_max = 1000});
  const auto early = devices.start(1);
  REQUIRE_FALSE(early);
  CHECK(early.error() == gr::error::shutdown);
  REQUIRE(app.start());
  std::vector<otp::part_address> all;
  for (int i = 0; i < 100; ++i) all.push_back(devices.start(i).value());
  CHECK(devices.size() == 100);
  CHECK(app.size() == 1);
  for (int i = 0; i < 100; ++i) {
    if (i % 3 == 0) all[static_cast<std::size_t>(i)].send(otp::leave{});
    CHECK(otp::life_of(all[static_cast<std::size_t>(i)]) == i);
  }
  CHECK(devices.restart_count() == 34);
  const auto bad = devices.start(-1);
  REQUIRE_FALSE(bad);
  CHECK(bad.error() == gr::error::failed);
  CHECK(std::string(bad.error().text()).find("no such device") != std::string::npos);
  REQUIRE(soon([&] { return devices.size() == 100; }));
  app.stop();
  CHECK(app.join());
  CHECK(otp::is_closed(all[0]));
  CHECK(devices.size() == 0);
  CHECK(devices.start(1).error() == gr::error::shutdown);
  unit::yield_until([&] { return rt.actors() == 0; });
}

TEST_CASE("a pool of functions; its handle is a value, good on any thread") {
  unit::log_book log;
  gr::runtime rt({.logger = log.logger()});
  gr::supervisor app(rt);
  REQUIRE(app.start());
  const std::string prefix = "room ";
  auto rooms = app.pool(
      "rooms", gr::transient,
      [prefix](gr::mailbox<otp::leave, otp::which_life>& in, std::string name, int answer) {
        CHECK(prefix + name == "room lobby");
        while (in.receive([](otp::leave) { throw std::runtime_error("told to"); },
                          [&](otp::which_life) { return answer; })) {}
      });
  auto copy = std::make_unique<decltype(rooms)>(rooms);
  auto lobby = copy->start("lobby", 42).value();
  copy.reset();
  CHECK(otp::life_of(lobby) == 42);
  lobby.send(otp::leave{});
  CHECK(otp::life_of(lobby) == 42);
  CHECK(rooms.restart_count() == 1);
}

TEST_CASE("a pool forgets children that end for good, by themselves or stopped through it") {
  for (const gr::restarts when : {gr::permanent, gr::transient, gr::temporary}) {
    CAPTURE(when);
    unit::log_book log;
    gr::runtime rt({.logger = log.logger()});
    gr::supervisor app(rt);
    auto devices = app.pool<device>("devices", when);
    REQUIRE(app.start());
    auto a = devices.start(1).value(), b = devices.start(2).value(), c = devices.start(3).value();
    devices.stop(a);
    CHECK(soon([&] { return otp::is_closed(a); }));
    devices.kill(b);
    CHECK(soon([&] { return otp::is_closed(b); }));
    c.send(otp::leave{});
    if (when == gr::temporary) {
      CHECK(soon([&] { return otp::is_closed(c); }));
    } else {
      CHECK(otp::life_of(c) == 3);
      gr::stop(c);
      if (when == gr::permanent)
        CHECK(soon([&] { return devices.restart_count() == 2; }));
      else
        CHECK(soon([&] { return otp::is_closed(c); }));
    }
    CHECK(soon([&] { return devices.size() == (when == gr::permanent ? 1 : 0); }));
  }
}

TEST_CASE("one that is stopped for good while it waits for its restart is not left over") {
  unit::log_book log;
  gr::manual_clock clock;
  gr::runtime rt({.logger = log.logger()});
  gr::supervisor app(rt, gr::one_for_one, {.clock = &clock});
  auto devices =
      app.pool<device>({.name = "devices"}, {.delay = {.first = 1s, .most = 1s, .jitter = 0}});
  REQUIRE(app.start());
  auto a = devices.start(1).value();
  a.send(otp::leave{});
  REQUIRE(soon([&] { return clock.sleepers() == 1; }));
  devices.stop(a);
  clock.advance(1s);
  CHECK(soon([&] { return otp::is_closed(a); }));
  CHECK(soon([&] { return devices.size() == 0; }));
}

TEST_CASE("a pool that gives up is empty, and works again when it was restarted") {
  unit::log_book log;
  gr::runtime rt({.logger = log.logger()});
  gr::supervisor app(rt);
  auto devices = app.pool<device>({.name = "devices"}, {.restarts_max = 1, .within = 3600s});
  REQUIRE(app.start());
  auto a = devices.start(1).value(), b = devices.start(2).value();
  a.send(otp::leave{});
  CHECK(otp::life_of(a) == 1);
  a.send(otp::leave{});
  CHECK(soon([&] { return otp::is_closed(a) && otp::is_closed(b); }));
  CHECK(soon([&] { return app.restart_count() == 1; }));
  std::expected<otp::part_address, gr::error> c = std::unexpected(gr::error(gr::error::shutdown));
  CHECK(soon([&] { return (c = devices.start(3)).has_value(); }));
  CHECK(otp::life_of(*c) == 3);
}

TEST_CASE("a pool kills all that have not stopped in time, at once") {
  constexpr int many = 20;
  gr::latch never_opens(1);
  std::atomic<int> live{0};
  gr::manual_clock clock;
  gr::runtime rt;
  gr::supervisor app(rt, gr::one_for_one, {.clock = &clock});
  auto all = app.pool({.name = "all", .stop_within = 3s}, {}, [&](gr::mailbox<otp::leave>&) {
    ++live;
    never_opens.wait();
  });
  REQUIRE(app.start());
  for (int i = 0; i < many; ++i) REQUIRE(all.start());
  REQUIRE(soon([&] { return live == many; }));
  app.stop();
  REQUIRE(soon([&] { return clock.next() == clock.now() + 3s; }));
  clock.advance(3s);
  CHECK(app.join());
  unit::yield_until([&] { return rt.actors() == 0; });
}

// Goal: entries, cells and lists hold while all happens at once. Method: OS threads start, fail,
// stop and kill children of one pool, and the tree is stopped in the midst of it.
TEST_CASE("many threads start, fail, stop and kill children of a pool that is stopped meanwhile") {
  const int rounds = unit::scaled(40, 6);
  const std::uint32_t seed = unit::seed_of_this_run();
  CAPTURE(seed);
  for (int round = 0; round < rounds; ++round) {
    unit::log_book log;
    gr::runtime rt({.workers = 2, .logger = log.logger()});
    gr::supervisor app(rt);
    auto devices = app.pool<device>({.name = "devices", .restarts = gr::transient},
                                    {.restarts_max = 1'000'000});
    REQUIRE(app.start());
    std::vector<std::thread> threads;
    for (unsigned t = 0; t < 3; ++t)
      threads.emplace_back([&, t] {
        std::mt19937 random(seed + t);
        std::vector<otp::part_address> mine;
        for (int i = 0; i < 2'000; ++i) {
          auto made = devices.start(i);
          if (!made) return;
          mine.push_back(*made);
          auto& one = mine[random() % mine.size()];
          switch (random() % 5) {
            case 0: (void)one.try_send(otp::leave{}); break;
            case 1: gr::kill(one); break;
            case 2: devices.stop(one); break;
            case 3: devices.kill(one); break;
            default: gr::stop(one);
          }
        }
      });
    if (round % 2 == 0)
      for (auto& t : threads) t.join();
    app.stop();
    CHECK(app.join());
    if (round % 2 != 0)
      for (auto& t : threads) t.join();
    CHECK(devices.size() == 0);
    unit::yield_until([&] { return rt.actors() == 0; });
  }
}

TEST_CASE("a crowd in a pool: a tenth of it fails, all are there again, all stop") {
  const int many = unit::scaled(200'000, 5'000);
  unit::log_book log;
  gr::runtime rt({.logger = log.logger()});
  gr::supervisor app(rt);
  auto devices = app.pool<device>({.name = "devices"}, {.restarts_max = 1'000'000});
  REQUIRE(app.start());
  std::vector<otp::part_address> all;
  for (int i = 0; i < many; ++i) all.push_back(devices.start(i).value());
  for (int i = 0; i < many; i += 10) gr::kill(all[static_cast<std::size_t>(i)]);
  const auto tenth = static_cast<std::uint64_t>(many / 10);
  REQUIRE(soon([&] { return devices.restart_count() == tenth; }));
  long sum = 0;
  for (auto& a : all) sum += otp::life_of(a);
  CHECK(sum == static_cast<long>(many) * (many - 1) / 2);
  CHECK(devices.size() == static_cast<std::size_t>(many));
  app.stop();
  CHECK(app.join());
  CHECK(devices.size() == 0);
  unit::yield_until([&] { return rt.actors() == 0; });
}
