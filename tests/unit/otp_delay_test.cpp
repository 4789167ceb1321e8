// SPDX-License-Identifier: Apache-2.0
// Restarts that wait: how long, and what holds while they do.
#include "otp.hpp"

#include <vector>

using otp::diary;
using otp::part;
using otp::soon;

namespace {

gr::supervisor_options with_delay(gr::restart_delay delay, gr::manual_clock& clock) {
  return {.restarts_max = 1000, .within = 1s, .delay = delay, .clock = &clock};
}

// Ends it, and returns after how long it is to be started again; which it is.
gr::duration delay_after(const otp::part_address& a, gr::manual_clock& clock) {
  a.send(otp::leave{});
  REQUIRE(soon([&] { return clock.sleepers() == 1; }));
  const gr::duration wait = clock.next() - clock.now();
  clock.advance(wait);
  CHECK(otp::life_of(a) > 1);
  return wait;
}

}  // namespace

TEST_CASE("otp: delays double up to the most, and begin again after a calm time") {
  diary d;
  unit::log_book log;
  gr::manual_clock clock;
  gr::runtime rt({.logger = log.logger()});
  gr::supervisor app(rt, gr::one_for_one,
                     with_delay({.first = 100ms, .most = 1s, .jitter = 0}, clock));
  auto a = app.child<part>("a", gr::permanent, &d, 'a');
  auto b = app.child<part>("b", gr::permanent, &d, 'b');
  REQUIRE(app.start());
  for (const auto right : {100ms, 200ms, 400ms, 800ms, 1000ms, 1000ms})
    CHECK(delay_after(a, clock) == right);
  CHECK(delay_after(b, clock) == 100ms);  // each child for itself
  clock.advance(59s);
  CHECK(delay_after(a, clock) == 1000ms);  // not longer than a minute
  clock.advance(60s + 1ms);
  CHECK(delay_after(a, clock) == 100ms);
  CHECK(delay_after(a, clock) == 200ms);
}

TEST_CASE("otp: jitter makes delays shorter, within its bounds, and is the same in each test") {
  std::vector<gr::duration> runs[2];
  for (auto& delays : runs) {
    diary d;
    unit::log_book log;
    gr::manual_clock clock;
    gr::runtime rt({.logger = log.logger()});
    gr::supervisor app(rt, gr::one_for_one,
                       with_delay({.first = 1s, .most = 1s, .jitter = 40}, clock));
    auto a = app.child<part>("a", gr::permanent, &d, 'a');
    REQUIRE(app.start());
    for (int i = 0; i < 200; ++i) delays.push_back(delay_after(a, clock));
  }
  CHECK(runs[0] == runs[1]);
  const auto [least, most] = std::ranges::minmax(runs[0]);
  CHECK(least >= 600ms);
  CHECK(least < 650ms);
  CHECK(most <= 1s);
  CHECK(most > 950ms);
}

TEST_CASE("otp: while a group waits for its restart all of it is down, and then all is up") {
  for (const gr::strategy how : {gr::one_for_all, gr::rest_for_one}) {
    CAPTURE(how);
    diary d;
    unit::log_book log;
    gr::manual_clock clock;
    gr::runtime rt({.logger = log.logger()});
    gr::supervisor app(rt, how, with_delay({.first = 1s, .most = 1s, .jitter = 0}, clock));
    auto a = app.child<part>("a", gr::permanent, &d, 'a');
    auto b = app.child<part>("b", gr::permanent, &d, 'b');
    auto c = app.child<part>("c", gr::permanent, &d, 'c');
    REQUIRE(app.start());
    b.send(otp::leave{});
    REQUIRE(soon([&] { return clock.next() == clock.now() + 1s; }));
    CHECK(d.text() == (how == gr::one_for_all ? "+a+b+c-b-c-a" : "+a+b+c-b-c"));
    CHECK(app.size() == 3);
    clock.advance(1s);
    CHECK(otp::life_of(c) == 2);
    CHECK(d.text() == (how == gr::one_for_all ? "+a+b+c-b-c-a+a+b+c" : "+a+b+c-b-c+b+c"));
  }
}

TEST_CASE("otp: one that fails before a group that waits takes it along in its own restart") {
  diary d;
  unit::log_book log;
  gr::manual_clock clock;
  gr::runtime rt({.logger = log.logger()});
  gr::supervisor app(rt, gr::rest_for_one,
                     with_delay({.first = 10s, .most = 10s, .jitter = 0}, clock));
  auto a = app.child<part>("a", gr::permanent, &d, 'a');
  auto b = app.child<part>("b", gr::permanent, &d, 'b');
  auto c = app.child<part>("c", gr::permanent, &d, 'c');
  REQUIRE(app.start());
  c.send(otp::leave{});
  REQUIRE(soon([&] { return clock.sleepers() == 1; }));
  clock.advance(4s);
  a.send(otp::leave{});
  REQUIRE(soon([&] { return clock.sleepers() == 1 && clock.next() == clock.now() + 10s; }));
  CHECK(d.text() == "+a+b+c-c-a-b");
  clock.advance(10s);
  CHECK(otp::life_of(c) == 2);
  CHECK(d.text() == "+a+b+c-c-a-b+a+b+c");
}

TEST_CASE("otp: many that wait start in the order in which they are due") {
  constexpr int many = 26;
  diary d;
  unit::log_book log;
  gr::manual_clock clock;
  gr::runtime rt({.logger = log.logger()});
  gr::supervisor app(rt, gr::one_for_one,
                     with_delay({.first = 1s, .most = 1s, .jitter = 0}, clock));
  std::vector<otp::part_address> all;
  for (int i = 0; i < many; ++i) {
    const char who = static_cast<char>('a' + i);
    all.push_back(app.child<part>(std::string(1, who), gr::permanent, &d, who));
  }
  REQUIRE(app.start());
  std::string right = d.text();
  for (int i = 0; i < many; ++i) {
    all[static_cast<std::size_t>((i * 7) % many)].send(otp::leave{});
    // It is awake to count, so a sleeper that is seen after that knows when this one is due.
    REQUIRE(soon([&] { return static_cast<int>(app.restart_count()) == i + 1; }));
    REQUIRE(soon([&] { return clock.sleepers() == 1; }));
    clock.advance(1ms);
  }
  right = d.text();
  for (int i = 0; i < many; ++i) (right += '+') += static_cast<char>('a' + (i * 7) % many);
  for (int i = 0; i < many; ++i) {
    REQUIRE(soon([&] { return clock.sleepers() == 1; }));
    clock.advance(clock.next() - clock.now());
    REQUIRE(soon([&] {
      return static_cast<int>(app.restart_count()) >= many &&
             d.text().size() == right.size() - 2u * static_cast<unsigned>(many - 1 - i);
    }));
  }
  CHECK(d.text() == right);
}
