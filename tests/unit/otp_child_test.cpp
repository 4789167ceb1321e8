// SPDX-License-Identifier: Apache-2.0
// Kinds of children, and what may be done with a tree that runs.
#include "otp.hpp"

#include <vector>

using otp::diary;
using otp::part;
using otp::soon;

namespace {

std::string refusal_of(auto&& what) {
  try {
    what();
  } catch (const std::exception& e) { return e.what(); } catch (const gr::error& e) {
    return e.text();
  }
  return "";
}

}  // namespace

TEST_CASE("otp: a child may be added while the supervisor runs, and is the last in the order") {
  diary d;
  unit::log_book log;
  gr::runtime rt({.logger = log.logger()});
  gr::supervisor app(rt, gr::rest_for_one, {.name = "app"});
  auto a = app.child<part>("a", gr::permanent, &d, 'a');
  REQUIRE(app.start());
  auto b = app.child<part>("b", gr::permanent, &d, 'b');
  CHECK(otp::life_of(b) == 1);
  auto sub = gr::supervisor(rt, gr::one_for_one, {.name = "sub"});
  auto c = sub.child<part>("c", gr::permanent, &d, 'c');
  app.child(gr::permanent, std::move(sub));
  CHECK(d.text() == "+a+b+c");  // it has waited for that
  CHECK(app.size() == 3);
  a.send(otp::leave{});
  REQUIRE(soon([&] { return d.text() == "+a+b+c-a-c-b+a+b+c"; }));
  app.stop();
  CHECK(app.join());
  CHECK(d.text() == "+a+b+c-a-c-b+a+b+c-c-b-a");
  CHECK(refusal_of([&] { app.child<part>("d", gr::permanent, &d, 'd'); }) ==
        "supervisor app does not run: child `d` is not started");
}

TEST_CASE("otp: names that are taken, unknown, or of children that receive other messages") {
  diary d;
  gr::runtime rt;
  gr::supervisor app(rt, gr::one_for_one, {.name = "app"});
  app.child<part>("a", gr::permanent, &d, 'a');
  const auto again = [&] { app.child<part>("a", gr::permanent, &d, 'b'); };
  CHECK(refusal_of(again) == "greenroom: supervisor app: there is a child `a` already");
  REQUIRE(app.start());
  CHECK(refusal_of(again) == "greenroom: supervisor app: there is a child `a` already");
  CHECK(refusal_of([&] { (void)app.address<otp::leave>("z"); }) ==
        "greenroom: supervisor app: there is no child `z`");
  CHECK(refusal_of([&] { (void)app.address<unit::counted>("a"); }) ==
        "greenroom: supervisor app: child `a` does not receive `unit::counted`");
  CHECK(otp::life_of(app.address<otp::leave, otp::which_life>("a")) == 1);
  CHECK(app.size() == 1);
  CHECK(d.text() == "+a");
}

TEST_CASE("otp: a name is free again when its child is over for good") {
  diary d;
  unit::log_book log;
  gr::runtime rt({.logger = log.logger()});
  gr::supervisor app(rt);
  REQUIRE(app.start());
  for (int i = 1; i < 5; ++i) {
    auto a = app.child<part>("a", gr::temporary, &d, 'a');
    CHECK(otp::life_of(a) == i);
    a.send(otp::leave{});
    REQUIRE(soon([&] { return app.size() == 0; }));
  }
}

TEST_CASE("otp: supervisors that run, or of other runtimes, are no children") {
  diary d;
  gr::runtime rt, other;
  gr::supervisor app(rt, gr::one_for_one, {.name = "app"});
  gr::supervisor busy(rt, gr::one_for_one, {.name = "busy"});
  auto a = busy.child<part>("a", gr::permanent, &d, 'a');
  REQUIRE(busy.start());
  gr::supervisor far(other, gr::one_for_one, {.name = "far"});
  CHECK_THROWS_AS(app.child(gr::permanent, std::move(busy)), std::logic_error);
  CHECK_THROWS_AS(app.child(gr::permanent, std::move(far)), std::logic_error);
  gr::supervisor one(rt, gr::one_for_one, {.name = "one"}),
      two(rt, gr::one_for_one, {.name = "one"});
  app.child(gr::permanent, std::move(one));
  CHECK_THROWS_AS(app.child(gr::permanent, std::move(two)), std::invalid_argument);
  CHECK(otp::life_of(a) == 1);  // they are their owners' as before
  busy.stop();
  CHECK(busy.join());
  CHECK(two.start());
}

TEST_CASE("otp: children may ask their supervisor for others, add some, and stop it") {
  struct inside {
    using messages = gr::messages<otp::leave, otp::which_life>;
    inside(gr::supervisor* s, diary* b) : app(s), book(b) {}
    int on(otp::which_life) {
      app->child<part>("b", gr::permanent, book, 'b');
      return otp::life_of(app->address<otp::leave, otp::which_life>("b")) +
             static_cast<int>(app->size());
    }
    void on(otp::leave) { app->stop(); }
    gr::supervisor* app;
    diary* book;
  };
  diary d;
  gr::runtime rt;
  gr::supervisor app(rt);
  auto a = app.child<inside>("a", gr::permanent, &app, &d);
  REQUIRE(app.start());
  CHECK(a.ask(otp::which_life{}, unit::long_time) == 3);
  a.send(otp::leave{});
  CHECK(app.join());
  CHECK(d.text() == "+b-b");
}

TEST_CASE("otp: functions without a mailbox are restarted, and killed when they are to stop") {
  diary d;
  gr::latch never_opens(1);
  std::atomic<int> lives{0};
  unit::log_book log;
  gr::manual_clock clock;
  gr::runtime rt({.logger = log.logger()});
  gr::supervisor app(rt, gr::one_for_one, {.clock = &clock});
  const auto body = [&](char who) {
    const otp::entry in_the_book(&d, who);
    if (++lives < 3) throw std::runtime_error("told to");
    never_opens.wait();
  };
  auto handle = app.child("f", gr::permanent, body, 'f');
  REQUIRE(app.start());
  REQUIRE(soon([&] { return lives == 3; }));
  CHECK(app.restart_count() == 2);
  app.stop();
  CHECK(app.join());  // no time passed
  CHECK(d.text() == "+f-f+f-f+f-f");
  CHECK_FALSE(handle.join());
}

TEST_CASE("otp: an object child with an idle time has it in every life") {
  struct sleeper {
    using messages = gr::messages<otp::leave, gr::idle>;
    explicit sleeper(std::atomic<int>* n) : idles(n) {}
    void on(gr::idle) {
      if (++*idles % 2 == 0) throw std::runtime_error("idle again");
    }
    void on(otp::leave) {}
    std::atomic<int>* idles;
  };
  std::atomic<int> idles{0};
  unit::log_book log;
  gr::runtime rt({.logger = log.logger()});
  gr::supervisor app(rt, gr::one_for_one, {.restarts_max = 1000});
  app.child<sleeper>({.name = "s", .spawn = {.idle = 1ms}}, &idles);
  REQUIRE(app.start());
  CHECK(soon([&] { return idles >= 6; }));
  CHECK(app.restart_count() >= 2);
}

TEST_CASE("otp: a child's state is destroyed before its next life is made") {
  const unit::no_leaks guard;
  struct holder {
    using messages = gr::messages<otp::leave, otp::which_life>;
    void on(otp::leave) { throw std::runtime_error("told to"); }
    int on(otp::which_life) { return static_cast<int>(unit::counted::alive()); }
    unit::counted value;
  };
  unit::log_book log;
  gr::runtime rt({.logger = log.logger()});
  gr::supervisor app(rt);
  auto a = app.child<holder>("h", gr::permanent);
  REQUIRE(app.start());
  for (int i = 0; i < 3; ++i) {
    a.send(otp::leave{});
    CHECK(a.ask(otp::which_life{}, unit::long_time) == 1);
  }
}
