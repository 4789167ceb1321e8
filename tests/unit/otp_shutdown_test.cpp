// SPDX-License-Identifier: Apache-2.0
// How trees stop: asked in reverse order, killed when their time is over, at any moment.
#include "otp.hpp"

using otp::diary;
using otp::part;
using otp::soon;

namespace {

// Goes on with what it does, whatever it is asked, until the gate opens or it is killed.
void stubborn(gr::mailbox<otp::leave>&, diary* d, char who, gr::latch* go) {
  const otp::entry in_the_book(d, who);
  go->wait();
}

// Does not even end when it is killed.
void immune(gr::mailbox<otp::leave>&, diary* d, char who, gr::latch* go) {
  const otp::entry in_the_book(d, who);
  for (int i = 0; i < 3; ++i) try {
      go->wait();
      return;
    } catch (const gr::cancelled&) { d->add('~', who); }
}

}  // namespace

TEST_CASE("otp: a child that does not stop when asked is killed after its time") {
  diary d;
  gr::latch never_opens(1);
  gr::manual_clock clock;
  gr::runtime rt;
  gr::supervisor app(rt, gr::one_for_one, {.clock = &clock});
  app.child<part>("a", gr::permanent, &d, 'a');
  app.child({.name = "s", .stop_within = 7s}, stubborn, &d, 's', &never_opens);
  app.child<part>("c", gr::permanent, &d, 'c');
  REQUIRE(app.start());
  REQUIRE(soon([&] { return d.lives('s') == 1; }));
  app.stop();
  REQUIRE(soon([&] { return clock.next() == clock.now() + 7s; }));
  CHECK(d.text().ends_with("-c"));
  clock.advance(6999ms);
  CHECK(clock.sleepers() == 1);
  CHECK(d.text().ends_with("-c"));
  clock.advance(1ms);
  CHECK(app.join());
  CHECK(d.text().ends_with("-c-s-a"));
}

TEST_CASE("otp: where the time is zero a child is killed at once, where it is endless never") {
  diary d;
  gr::latch never_opens(1), opens(1);
  gr::manual_clock clock;
  gr::runtime rt;
  gr::supervisor app(rt, gr::one_for_one, {.clock = &clock});
  app.child({.name = "b", .stop_within = gr::duration::max()}, stubborn, &d, 'b', &opens);
  app.child({.name = "a", .stop_within = 0s}, stubborn, &d, 'a', &never_opens);
  REQUIRE(app.start());
  REQUIRE(soon([&] { return d.text().size() == 4; }));
  app.stop();
  REQUIRE(soon([&] { return d.text().ends_with("-a"); }));
  CHECK(clock.sleepers() == 0);
  clock.advance(24h * 365);
  CHECK(app.join_until(gr::now()).error() == gr::error::timeout);
  opens.count_down();
  CHECK(app.join());
  CHECK(d.text().ends_with("-a-b"));
}

TEST_CASE("otp: a child that swallows cancels is waited for, and all else goes on after it") {
  diary d;
  gr::latch never_opens(1);
  gr::manual_clock clock;
  gr::runtime rt;
  gr::supervisor app(rt, gr::one_for_one, {.clock = &clock});
  app.child<part>("a", gr::permanent, &d, 'a');
  app.child({.name = "i", .stop_within = 1s}, immune, &d, 'i', &never_opens);
  REQUIRE(app.start());
  REQUIRE(soon([&] { return d.lives('i') == 1; }));
  app.stop();
  REQUIRE(soon([&] { return clock.sleepers() == 1; }));
  clock.advance(1s);
  CHECK(app.join());
  CHECK(d.text() == "+a+i~i~i~i-i-a");
}

TEST_CASE("otp: supervisors as children are waited for, however long theirs take") {
  diary d;
  gr::latch never_opens(1);
  gr::manual_clock clock;
  gr::runtime rt;
  gr::supervisor sub(rt, gr::one_for_one, {.name = "sub", .clock = &clock});
  sub.child({.name = "s", .stop_within = 1h}, stubborn, &d, 's', &never_opens);
  gr::supervisor app(rt, gr::one_for_one, {.name = "app", .clock = &clock});
  app.child(gr::permanent, std::move(sub));
  REQUIRE(app.start());
  REQUIRE(soon([&] { return d.lives('s') == 1; }));
  app.stop();
  REQUIRE(soon([&] { return clock.next() == clock.now() + 1h; }));
  CHECK(clock.sleepers() == 1);
  clock.advance(1h);
  CHECK(app.join());
  CHECK(d.text() == "+s-s");
}

TEST_CASE("otp: a supervisor with a time of its own is killed with all below it") {
  diary d;
  gr::latch never_opens(1);
  gr::manual_clock clock;
  gr::runtime rt;
  gr::supervisor sub(rt, gr::one_for_one, {.name = "sub", .clock = &clock});
  sub.child<part>("a", gr::permanent, &d, 'a');
  sub.child({.name = "s", .stop_within = 1h}, stubborn, &d, 's', &never_opens);
  gr::supervisor app(rt, gr::one_for_one, {.name = "app", .clock = &clock});
  app.child(gr::permanent, std::move(sub), 2s);
  REQUIRE(app.start());
  REQUIRE(soon([&] { return d.lives('s') == 1; }));
  app.stop();
  REQUIRE(soon([&] { return clock.sleepers() == 2; }));
  CHECK(clock.next() == clock.now() + 2s);
  clock.advance(2s);
  CHECK(app.join());
  CHECK(d.text().find("-s") != std::string::npos);
  CHECK(d.text().find("-a") != std::string::npos);
  unit::yield_until([&] { return rt.actors() == 0; });
}

TEST_CASE("otp: a stop while a group is being restarted stops it all") {
  diary d;
  gr::latch go(1);
  unit::log_book log;
  gr::manual_clock clock;
  gr::runtime rt({.logger = log.logger()});
  gr::supervisor app(rt, gr::one_for_all, {.clock = &clock});
  auto a = app.child<part>("a", gr::permanent, &d, 'a');
  app.child({.name = "s", .stop_within = 5s}, stubborn, &d, 's', &go);
  REQUIRE(app.start());
  REQUIRE(soon([&] { return d.lives('s') == 1; }));
  a.send(otp::leave{});
  REQUIRE(soon([&] { return clock.sleepers() == 1; }));  // it waits for s
  app.stop();
  clock.advance(5s);
  CHECK(app.join());
  CHECK(d.lives('a') == 1);
  CHECK(otp::is_closed(a));
  unit::yield_until([&] { return rt.actors() == 0; });
}

TEST_CASE("otp: a stop while a child waits to be restarted is not held up by it") {
  diary d;
  unit::log_book log;
  gr::manual_clock clock;
  gr::runtime rt({.logger = log.logger()});
  gr::supervisor app(rt, gr::one_for_one,
                     {.delay = {.first = 1h, .most = 1h, .jitter = 0}, .clock = &clock});
  auto a = app.child<part>("a", gr::permanent, &d, 'a');
  auto b = app.child<part>("b", gr::permanent, &d, 'b');
  REQUIRE(app.start());
  a.send(otp::leave{});
  REQUIRE(soon([&] { return clock.sleepers() == 1; }));
  app.stop();
  CHECK(app.join());
  CHECK(d.text() == "+a+b-a-b");
  CHECK(otp::is_closed(a));
}

TEST_CASE("otp: a stop while the tree starts ends it") {
  diary d;
  unit::gate begun, go;
  gr::runtime rt;
  struct slow : part {
    slow(diary* b, unit::gate* begun, unit::gate* go) : part(b, 's') {
      begun->open();
      go->wait_on_green_thread();
    }
  };
  gr::supervisor app(rt);
  app.child<slow>("s", gr::permanent, &d, &begun, &go);
  app.child<part>("b", gr::permanent, &d, 'b');
  auto starter = rt.spawn([&] { (void)app.start(); });
  begun.wait_on_os_thread();
  app.stop();
  go.open();
  CHECK(starter.join());
  CHECK(app.join());
  CHECK(d.text() == "+s-s");  // b was not started any more
  unit::yield_until([&] { return rt.actors() == 0; });
}

TEST_CASE("otp: a supervisor that is killed ends all its children") {
  diary d;
  gr::latch never_opens(1);
  gr::runtime rt;
  auto host = rt.spawn([&] {
    gr::supervisor app(gr::one_for_one);
    app.child<part>("a", gr::permanent, &d, 'a');
    app.child({.name = "s", .stop_within = 0s}, stubborn, &d, 's', &never_opens);
    REQUIRE(app.start());
    never_opens.wait();
  });
  REQUIRE(soon([&] { return d.text().size() == 4; }));
  host.cancel();
  CHECK_FALSE(host.join());
  const std::string text = d.text();
  CHECK((text == "+a+s-s-a" || text == "+a+s-a-s"));  // all at once
}

TEST_CASE("otp: a runtime that shuts down takes its trees along") {
  for (int i = 0; i < 20; ++i) {
    diary d;
    gr::runtime rt;
    gr::supervisor sub(rt, gr::one_for_one, {.name = "sub"});
    sub.child<part>("a", gr::permanent, &d, 'a');
    gr::supervisor app(rt, gr::one_for_all, {.name = "app"});
    app.child(gr::permanent, std::move(sub));
    app.child<part>("b", gr::permanent, &d, 'b');
    REQUIRE(app.start());
    (void)rt.shutdown(unit::long_time);
    CHECK(d.text().find("-a") != std::string::npos);
    CHECK(d.text().find("-b") != std::string::npos);
    unit::yield_until([&] { return rt.actors() == 0; });
  }
}
