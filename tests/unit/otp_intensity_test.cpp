// SPDX-License-Identifier: Apache-2.0
// How often is too often, and what giving up means up the tree: OTP's restart intensity.
#include "otp.hpp"

using otp::diary;
using otp::part;
using otp::soon;

namespace {

// One more restart, or the end of the supervisor if that is one too many.
void fail_once(const otp::part_address& a, int life) {
  a.send(otp::leave{});
  REQUIRE(otp::life_of(a) == life + 1);
}

}  // namespace

TEST_CASE("otp: so many restarts within the period are fine, one more is not") {
  for (const gr::strategy how : {gr::one_for_one, gr::one_for_all, gr::rest_for_one}) {
    CAPTURE(how);
    diary d;
    unit::log_book log;
    gr::manual_clock clock;
    gr::runtime rt({.logger = log.logger()});
    gr::supervisor app(rt, how, {.name = "app", .restarts_max = 3, .within = 10s, .clock = &clock});
    auto a = app.child<part>("a", gr::permanent, &d, 'a');
    auto b = app.child<part>("b", gr::permanent, &d, 'b');
    REQUIRE(app.start());
    for (int life = 1; life <= 3; ++life) fail_once(b, life);
    clock.advance(10s);  // the first one is just within
    b.send(otp::leave{});
    const gr::status s = app.join();
    REQUIRE_FALSE(s);
    CHECK(s.error() == gr::error::failed);
    CHECK(std::string(s.error().text()).find("more than 3 restarts in 10000 ms; the last: `b`") !=
          std::string::npos);
    CHECK(app.restart_count() == 3);
    CHECK(otp::is_closed(a));
    unit::yield_until([&] { return rt.actors() == 0; });
  }
}

TEST_CASE("otp: restarts drop out of the period as time passes") {
  diary d;
  unit::log_book log;
  gr::manual_clock clock;
  gr::runtime rt({.logger = log.logger()});
  gr::supervisor app(rt, gr::one_for_one, {.restarts_max = 2, .within = 10s, .clock = &clock});
  auto a = app.child<part>("a", gr::permanent, &d, 'a');
  REQUIRE(app.start());
  fail_once(a, 1);                         // at 0
  clock.advance(6s), fail_once(a, 2);      // at 6
  clock.advance(4001ms), fail_once(a, 3);  // at 10.001: the first one is out
  clock.advance(6s), fail_once(a, 4);      // at 16.001
  for (int life = 5; life < 50; ++life) clock.advance(5001ms), fail_once(a, life);
  clock.advance(4998ms);  // two are within
  a.send(otp::leave{});
  CHECK_FALSE(app.join());
  CHECK(app.restart_count() == 49);
}

TEST_CASE("otp: where none is allowed the first failure ends the supervisor") {
  diary d;
  unit::log_book log;
  gr::runtime rt({.logger = log.logger()});
  gr::supervisor app(rt, gr::one_for_one, {.name = "app", .restarts_max = 0});
  auto a = app.child<part>("a", gr::permanent, &d, 'a');
  auto b = app.child<part>("b", gr::temporary, &d, 'b');
  REQUIRE(app.start());
  b.send(otp::leave{});  // needs none
  REQUIRE(soon([&] { return app.size() == 1; }));
  CHECK(otp::life_of(a) == 1);
  a.send(otp::leave{});
  CHECK_FALSE(app.join());
  CHECK(d.text() == "+a+b-b-a");
  CHECK(log.has("supervisor app: more than 0 restarts in 5000 ms; the last: `a` ended"));
}

TEST_CASE("otp: giving up goes up the tree, level by level, to the host") {
  for (int levels = 1; levels <= 3; ++levels) {
    CAPTURE(levels);
    diary d;
    unit::log_book log;
    gr::manual_clock clock;
    gr::runtime rt({.logger = log.logger()});
    const auto options = [&](const char* name) {
      return gr::supervisor_options{
          .name = name, .restarts_max = 1, .within = 10s, .clock = &clock};
    };
    const char* const names[] = {"one", "two", "three"};
    gr::supervisor tree(rt, gr::one_for_one, options(names[0]));
    auto a = tree.child<part>("a", gr::permanent, &d, 'a');
    for (int i = 1; i < levels; ++i) {
      gr::supervisor above(rt, gr::one_for_one, options(names[i]));
      above.child(gr::permanent, std::move(tree));
      std::destroy_at(&tree);
      std::construct_at(&tree, std::move(above));
    }
    REQUIRE(tree.start());
    // Each level takes one failure itself and one new life from the level above: 2^levels lives.
    const int lives = 1 << levels;
    for (int life = 1; life < lives; ++life) fail_once(a, life);
    a.send(otp::leave{});
    const gr::status s = tree.join();
    REQUIRE_FALSE(s);
    const std::string text = s.error().text();
    CAPTURE(text);
    CHECK(text.find("supervisor " + std::string(names[levels - 1])) == 0);
    for (int i = 0; i < levels; ++i) CHECK(text.find(names[i]) != std::string::npos);
    CHECK(text.find("`a` ended: std::runtime_error: told to") != std::string::npos);
    CHECK(d.lives('a') == lives);
    CHECK(otp::is_closed(a));
    unit::yield_until([&] { return rt.actors() == 0; });
  }
}

TEST_CASE("otp: a supervisor that is restarted starts its children in order, addresses stay") {
  diary d;
  unit::log_book log;
  gr::runtime rt({.logger = log.logger()});
  gr::supervisor sub(rt, gr::one_for_one, {.name = "sub", .restarts_max = 0});
  auto a = sub.child<part>("a", gr::permanent, &d, 'a');
  auto b = sub.child<part>("b", gr::transient, &d, 'b');
  auto t = sub.child<part>("t", gr::temporary, &d, 't');
  gr::supervisor app(rt, gr::rest_for_one, {.name = "app"});
  auto x = app.child<part>("x", gr::permanent, &d, 'x');
  app.child(gr::permanent, std::move(sub));
  auto y = app.child<part>("y", gr::permanent, &d, 'y');
  REQUIRE(app.start());
  CHECK(d.text() == "+x+a+b+t+y");
  t.send(otp::leave{});
  REQUIRE(soon([&] { return d.text() == "+x+a+b+t+y-t"; }));
  a.send(otp::leave{});
  REQUIRE(soon([&] { return d.text() == "+x+a+b+t+y-t-a-b-y+a+b+y"; }));
  CHECK(otp::life_of(b) == 2);
  CHECK(otp::life_of(x) == 1);
  CHECK(otp::life_of(y) == 2);
  CHECK(otp::is_closed(t));
  CHECK(app.restart_count() == 1);
  app.stop();
  CHECK(app.join());
  CHECK(d.text() == "+x+a+b+t+y-t-a-b-y+a+b+y-y-b-a-x");
}
