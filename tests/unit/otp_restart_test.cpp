// SPDX-License-Identifier: Apache-2.0
// Who is restarted, who is stopped for it, and in what order: OTP's restart strategies and types.
#include "otp.hpp"

#include <string>
#include <vector>

using otp::diary;
using otp::part;
using otp::soon;

namespace {

constexpr gr::restarts all_types[] = {gr::permanent, gr::transient, gr::temporary};

// What the diary says after the end of b among a, b and c.
const char* restart_of_b(gr::strategy how) {
  switch (how) {
    case gr::one_for_one: return "-b+b";
    case gr::rest_for_one: return "-b-c+b+c";
    case gr::one_for_all: return "-b-c-a+a+b+c";
  }
  return "";
}

// Goal: every strategy with every restart type and every kind of end. Method: the one in the middle
// ends; the diary has the whole order, and the supervisor counts.
void end_the_middle(gr::strategy strategy, gr::restarts when, gr::exit_kind how) {
  CAPTURE(strategy);
  CAPTURE(when);
  CAPTURE(how);
  diary d;
  unit::log_book log;
  gr::manual_clock clock;
  gr::runtime rt({.logger = log.logger()});
  gr::supervisor app(rt, strategy, {.clock = &clock});
  auto a = app.child<part>("a", gr::permanent, &d, 'a');
  auto b = app.child<part>("b", when, &d, 'b');
  auto c = app.child<part>("c", gr::permanent, &d, 'c');
  REQUIRE(app.start());
  CHECK(d.text() == "+a+b+c");
  otp::end_it(b, how);
  std::string right = "+a+b+c";
  if (otp::is_restarted(when, how)) {
    right += restart_of_b(strategy);
    REQUIRE(soon([&] { return d.text() == right; }));
    CHECK(otp::life_of(b) == 2);
    CHECK(otp::life_of(a) == (strategy == gr::one_for_all ? 2 : 1));
    CHECK(otp::life_of(c) == (strategy == gr::one_for_one ? 1 : 2));
    CHECK(app.restart_count() == 1);
    CHECK(app.size() == 3);
    right += "-c-b-a";
  } else {
    REQUIRE(soon([&] { return app.size() == 2; }));
    CHECK(otp::is_closed(b));
    CHECK(otp::life_of(a) == 1);
    CHECK(otp::life_of(c) == 1);
    CHECK(app.restart_count() == 0);
    right += "-b-c-a";
  }
  app.stop();
  CHECK(app.join());
  CHECK(d.text() == right);
  unit::yield_until([&] { return rt.actors() == 0; });
}

}  // namespace

TEST_CASE("otp: one_for_one, for each restart type and kind of end") {
  for (const gr::restarts when : all_types)
    for (const gr::exit_kind how : otp::all_ends) end_the_middle(gr::one_for_one, when, how);
}
TEST_CASE("otp: rest_for_one, for each restart type and kind of end") {
  for (const gr::restarts when : all_types)
    for (const gr::exit_kind how : otp::all_ends) end_the_middle(gr::rest_for_one, when, how);
}
TEST_CASE("otp: one_for_all, for each restart type and kind of end") {
  for (const gr::restarts when : all_types)
    for (const gr::exit_kind how : otp::all_ends) end_the_middle(gr::one_for_all, when, how);
}

TEST_CASE("otp: the first and the last of a group are restarted like the one in the middle") {
  struct row {
    gr::strategy how;
    char who;
    const char* right;
  };
  for (const row& r :
       {row{gr::rest_for_one, 'a', "-a-c-b+a+b+c"}, row{gr::rest_for_one, 'c', "-c+c"},
        row{gr::one_for_all, 'a', "-a-c-b+a+b+c"}, row{gr::one_for_all, 'c', "-c-b-a+a+b+c"}}) {
    CAPTURE(r.right);
    diary d;
    unit::log_book log;
    gr::runtime rt({.logger = log.logger()});
    gr::supervisor app(rt, r.how);
    for (const char who : {'a', 'b', 'c'})
      app.child<part>(std::string(1, who), gr::permanent, &d, who);
    REQUIRE(app.start());
    app.address<otp::leave>(std::string(1, r.who)).send(otp::leave{});
    CHECK(soon([&] { return d.text() == std::string("+a+b+c") + r.right; }));
    CHECK(app.restart_count() == 1);
  }
}

TEST_CASE("otp: temporary children are stopped with a group, and not started again") {
  diary d;
  unit::log_book log;
  gr::runtime rt({.logger = log.logger()});
  gr::supervisor app(rt, gr::one_for_all);
  auto a = app.child<part>("a", gr::temporary, &d, 'a');
  auto b = app.child<part>("b", gr::permanent, &d, 'b');
  auto c = app.child<part>("c", gr::temporary, &d, 'c');
  auto e = app.child<part>("e", gr::transient, &d, 'e');
  REQUIRE(app.start());
  b.send(otp::leave{});
  REQUIRE(soon([&] { return d.text() == "+a+b+c+e-b-e-c-a+b+e"; }));
  CHECK(otp::is_closed(a));
  CHECK(otp::is_closed(c));
  CHECK(app.size() == 2);
  CHECK(otp::life_of(e) == 2);
  CHECK_THROWS_AS((void)app.address<otp::leave>("a"), std::invalid_argument);
  b.send(otp::leave{});
  CHECK(soon([&] { return d.text() == "+a+b+c+e-b-e-c-a+b+e-b-e+b+e"; }));
}

TEST_CASE("otp: one that ended for good is not started again with its group") {
  diary d;
  unit::log_book log;
  gr::runtime rt({.logger = log.logger()});
  gr::supervisor app(rt, gr::one_for_all);
  auto a = app.child<part>("a", gr::transient, &d, 'a');
  auto b = app.child<part>("b", gr::permanent, &d, 'b');
  REQUIRE(app.start());
  gr::stop(a);
  REQUIRE(soon([&] { return app.size() == 1; }));
  b.send(otp::leave{});
  CHECK(otp::life_of(b) == 2);
  CHECK(d.text() == "+a+b-a-b+b");
}

// Goal: a supervisor that orders a child to stop while that ends by itself is late, and the order
// must not reach its next life. Method: in a group of one_for_all all fail at once, many times: an
// order that is left over ends the transient ones for good.
TEST_CASE("otp: children that fail together are all there afterwards") {
  const int rounds = unit::scaled(2'000, 200);
  diary d;
  unit::log_book log;
  gr::runtime rt({.workers = 4, .logger = log.logger()});
  gr::supervisor app(rt, gr::one_for_all, {.restarts_max = 1'000'000});
  struct quiet {
    using messages = gr::messages<otp::leave, otp::which_life>;
    void on(otp::leave) { throw 1; }
    int on(otp::which_life) { return 7; }
  };
  std::vector<otp::part_address> all;
  for (const char* name : {"a", "b", "c", "d"})
    all.push_back(app.child<quiet>(name, gr::transient));
  REQUIRE(app.start());
  for (int i = 0; i < rounds; ++i) {
    for (auto& a : all) a.send(otp::leave{});
    for (auto& a : all) REQUIRE(a.ask(otp::which_life{}, unit::long_time) == 7);
  }
  CHECK(app.size() == 4);
}
