// SPDX-License-Identifier: Apache-2.0
// Children that do not start: at first, in a restart, in a group.
#include "otp.hpp"

using otp::diary;
using otp::part;
using otp::soon;

namespace {

// Starts only if it is told that it may.
struct moody : part {
  moody(diary* d, char who, std::atomic<int>* refusals) : part(check(d, who, refusals), who) {}
  static diary* check(diary* d, char who, std::atomic<int>* refusals) {
    if (refusals->load() > 0) {
      --*refusals;
      d->add('!', who);
      throw std::runtime_error("no disk");
    }
    return d;
  }
};

}  // namespace

TEST_CASE("otp: a first start that fails stops those before it in reverse order") {
  for (const gr::restarts when : {gr::permanent, gr::transient, gr::temporary}) {
    diary d;
    std::atomic<int> refusals{1};
    gr::runtime rt;
    gr::supervisor app(rt, gr::one_for_one, {.name = "app"});
    app.child<part>("a", gr::permanent, &d, 'a');
    app.child<part>("b", gr::permanent, &d, 'b');
    auto c = app.child<moody>("c", when, &d, 'c', &refusals);
    auto e = app.child<part>("e", gr::permanent, &d, 'e');
    const gr::status s = app.start();
    REQUIRE_FALSE(s);
    CHECK(s.error() == gr::error::failed);
    CHECK(std::string(s.error().text()) ==
          "supervisor app: child `c` did not start: std::runtime_error: no disk");
    CHECK(d.text() == "+a+b!c-b-a");
    CHECK(otp::is_closed(c));
    CHECK(otp::is_closed(e));
    unit::yield_until([&] { return rt.actors() == 0; });
    CHECK(app.start().error() == gr::error::invalid);
  }
}

TEST_CASE("otp: a start that fails deep in the tree is told to the host with the whole way") {
  diary d;
  std::atomic<int> refusals{1};
  gr::runtime rt;
  gr::supervisor low(rt, gr::one_for_one, {.name = "low"});
  low.child<part>("a", gr::permanent, &d, 'a');
  low.child<moody>("b", gr::permanent, &d, 'b', &refusals);
  gr::supervisor middle(rt, gr::one_for_all, {.name = "middle"});
  middle.child(gr::permanent, std::move(low));
  gr::supervisor top(rt, gr::rest_for_one, {.name = "top"});
  top.child<part>("t", gr::permanent, &d, 't');
  top.child(gr::permanent, std::move(middle));
  const gr::status s = top.start();
  REQUIRE_FALSE(s);
  CHECK(std::string(s.error().text()) ==
        "supervisor top: child `middle` did not start: supervisor middle: child `low` did not "
        "start: supervisor low: child `b` did not start: std::runtime_error: no disk");
  CHECK(d.text() == "+t+a!b-a-t");
}

TEST_CASE("otp: a restart that fails counts, and is tried again") {
  for (const gr::strategy how : {gr::one_for_one, gr::one_for_all, gr::rest_for_one}) {
    CAPTURE(how);
    diary d;
    std::atomic<int> refusals{0};
    unit::log_book log;
    gr::manual_clock clock;
    gr::runtime rt({.logger = log.logger()});
    gr::supervisor app(rt, how, {.restarts_max = 3, .within = 10s, .clock = &clock});
    app.child<part>("a", gr::permanent, &d, 'a');
    auto b = app.child<moody>("b", gr::permanent, &d, 'b', &refusals);
    app.child<part>("c", gr::permanent, &d, 'c');
    REQUIRE(app.start());
    refusals = 2;
    b.send(otp::leave{});
    const char* const right = how == gr::one_for_one   ? "+a+b+c-b!b!b+b"
                              : how == gr::one_for_all ? "+a+b+c-b-c-a+a!b-a+a!b-a+a+b+c"
                                                       : "+a+b+c-b-c!b!b+b+c";
    REQUIRE(soon([&] { return d.text() == right; }));
    CHECK(app.restart_count() == 3);
    CHECK(b.ask(otp::which_life{}, unit::long_time) == 2);
  }
}

TEST_CASE("otp: restarts that go on failing make the supervisor give up") {
  for (const gr::strategy how : {gr::one_for_one, gr::one_for_all, gr::rest_for_one}) {
    CAPTURE(how);
    diary d;
    std::atomic<int> refusals{0};
    unit::log_book log;
    gr::runtime rt({.logger = log.logger()});
    gr::supervisor app(rt, how, {.name = "app", .restarts_max = 2, .within = 3600s});
    app.child<part>("a", gr::permanent, &d, 'a');
    auto b = app.child<moody>("b", gr::permanent, &d, 'b', &refusals);
    REQUIRE(app.start());
    refusals = 1000;
    b.send(otp::leave{});
    const gr::status s = app.join();
    REQUIRE_FALSE(s);
    CHECK(std::string(s.error().text()).find("the last: `b` ended: std::runtime_error: no disk") !=
          std::string::npos);
    CHECK(app.restart_count() == 2);
    CHECK(refusals == 998);
    unit::yield_until([&] { return rt.actors() == 0; });
  }
}

TEST_CASE("otp: a supervisor whose restart fails is tried again by the one above") {
  diary d;
  std::atomic<int> refusals{0};
  unit::log_book log;
  gr::runtime rt({.logger = log.logger()});
  gr::supervisor sub(rt, gr::one_for_one, {.name = "sub", .restarts_max = 0});
  auto a = sub.child<part>("a", gr::permanent, &d, 'a');
  sub.child<moody>("b", gr::permanent, &d, 'b', &refusals);
  gr::supervisor app(rt, gr::one_for_one, {.name = "app", .restarts_max = 3, .within = 3600s});
  app.child(gr::permanent, std::move(sub));
  REQUIRE(app.start());
  refusals = 2;
  a.send(otp::leave{});
  REQUIRE(soon([&] { return d.text() == "+a+b-a-b+a!b-a+a!b-a+a+b"; }));
  CHECK(app.restart_count() == 3);
  CHECK(otp::life_of(a) == 4);
}

TEST_CASE("otp: a child that is added while the supervisor runs and does not start is forgotten") {
  diary d;
  std::atomic<int> refusals{1};
  std::string text;
  gr::runtime rt;
  gr::supervisor app(rt, gr::one_for_one, {.name = "app"});
  app.child<part>("a", gr::permanent, &d, 'a');
  REQUIRE(app.start());
  try {
    app.child<moody>("b", gr::permanent, &d, 'b', &refusals);
  } catch (const gr::error& e) {
    CHECK(e == gr::error::failed);
    text = e.text();
  }
  CHECK(text == "child `b` did not start: std::runtime_error: no disk");
  REQUIRE(soon([&] { return app.size() == 1; }));
  CHECK(app.restart_count() == 0);
  auto b = app.child<moody>("b", gr::permanent, &d, 'b', &refusals);
  CHECK(otp::life_of(b) == 1);
  CHECK(d.text() == "+a!b+b");
}

TEST_CASE("otp: a child that ends as soon as it starts is restarted until that is too often") {
  std::atomic<int> lives{0};
  unit::log_book log;
  gr::runtime rt({.logger = log.logger()});
  gr::supervisor app(rt, gr::one_for_one, {.restarts_max = 100, .within = 3600s});
  app.child("hasty", gr::permanent, [&](gr::mailbox<otp::leave>&) { ++lives; });
  (void)app.start();
  CHECK_FALSE(app.join());
  CHECK(lives == 101);
}
