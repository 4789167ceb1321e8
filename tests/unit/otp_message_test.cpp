// SPDX-License-Identifier: Apache-2.0
// What becomes of messages, asks, senders, monitors and links when a child is restarted.
#include "otp.hpp"

#include <vector>

using otp::soon;

// Not an anonymous namespace: compilers call that by different names.
namespace otp_message {

struct add {
  int n = 0;
};
struct total {
  using reply = int;
};
struct fail {};
struct fail_asked {
  using reply = int;
};

}  // namespace otp_message

namespace {

using namespace otp_message;

// Adds up; waits at a gate before its first message, if it is given one.
struct counter {
  using messages = gr::messages<add, total, fail, fail_asked>;
  explicit counter(gr::latch* first) : gate(first) {}
  void on(add a) { pass(), sum += a.n; }
  int on(total) { return pass(), sum; }
  void on(fail) { pass(), throw std::runtime_error("told to"); }
  int on(fail_asked) { pass(), throw std::runtime_error("asked to"); }
  void pass() {
    if (gate != nullptr) gate->wait();
  }
  gr::latch* gate;
  int sum = 0;
};
using counter_address = gr::address<add, total, fail, fail_asked>;

std::uint64_t crashed_of(const gr::runtime& rt, const char* type) {
  return rt.count_dead_letters().of(type, gr::dead_letter_reason::crashed);
}

}  // namespace

TEST_CASE("otp: the message that a child failed at is a dead letter, the others are kept") {
  for (const std::uint32_t capacity : {0u, 2u, 64u, gr::unbounded}) {
    CAPTURE(capacity);
    gr::latch go(1);
    unit::log_book log;
    gr::runtime rt({.logger = log.logger()});
    gr::supervisor app(rt);
    auto a = app.child<counter>({.name = "c", .spawn = {.capacity = capacity}}, &go);
    REQUIRE(app.start());
    // From green threads, for the mailbox may be full.
    auto sender = rt.spawn([&] {
      a.send(add{1});
      a.send(fail{});
      for (int i = 0; i < 100; ++i) a.send(add{1});
    });
    go.count_down();
    CHECK(sender.join());
    CHECK(a.ask(total{}, unit::long_time) == 100);
    CHECK(app.restart_count() == 1);
    CHECK(rt.dead_letters().total() == 1);
    CHECK(crashed_of(rt, "otp_message::fail") == 1);
  }
}

TEST_CASE("otp: a child that does not keep its messages has them counted as dead letters") {
  gr::latch go(1);
  unit::log_book log;
  gr::runtime rt({.logger = log.logger()});
  gr::supervisor app(rt);
  auto a = app.child<counter>({.name = "c", .keeps_messages = false}, &go);
  REQUIRE(app.start());
  a.send(add{1});
  a.send(fail{});
  for (int i = 0; i < 5; ++i) a.send(add{1});
  go.count_down();
  REQUIRE(soon([&] { return app.restart_count() == 1; }));
  CHECK(a.ask(total{}, unit::long_time) == 0);
  CHECK(rt.dead_letters().undelivered == 5);
  CHECK(rt.dead_letters().crashed == 1);
  CHECK(rt.dead_letters().total() == 6);
}

TEST_CASE("otp: a mailbox that drops its oldest works as before in the next life") {
  gr::latch go(1);
  unit::log_book log;
  gr::runtime rt({.logger = log.logger()});
  gr::supervisor app(rt);
  auto a = app.child<counter>(
      {.name = "c", .spawn = {.capacity = 4, .overload = gr::overload::drop_oldest}}, &go);
  REQUIRE(app.start());
  a.send(fail{});
  go.count_down();
  REQUIRE(soon([&] { return app.restart_count() == 1; }));
  for (int round = 0; round < 3; ++round) {
    const auto before = a.ask(total{}, unit::long_time);
    REQUIRE(before);
    for (int i = 0; i < 4; ++i) a.send(add{1});
    CHECK(a.ask(total{}, unit::long_time).value() >= *before);
  }
  for (int i = 0; i < 1000; ++i) a.send(add{1});
  CHECK(a.ask(total{}, unit::long_time));
}

TEST_CASE("otp: the ask that a child failed at fails, those queued are answered by its next life") {
  gr::latch go(1);
  unit::log_book log;
  std::string heard;
  std::atomic<int> answered{0};
  gr::runtime rt({.logger = log.logger()});
  gr::supervisor app(rt);
  auto a = app.child<counter>("c", gr::permanent, &go);
  REQUIRE(app.start());
  auto first = rt.spawn([&] {
    const auto n = a.ask(fail_asked{}, unit::long_time);
    REQUIRE_FALSE(n);
    CHECK(n.error() == gr::error::failed);
    heard = n.error().text();
  });
  std::vector<gr::green_thread> others;
  for (int i = 0; i < 10; ++i)
    others.push_back(rt.spawn([&] {
      if (a.ask(total{}, unit::long_time) == 0) ++answered;
    }));
  go.count_down();
  CHECK(first.join());
  for (auto& t : others) CHECK(t.join());
  CHECK(heard.find("asked to") != std::string::npos);
  CHECK(answered == 10);
  CHECK(app.restart_count() == 1);
}

TEST_CASE("otp: an ask that waits while its child is down is answered when that is up again") {
  unit::log_book log;
  gr::manual_clock clock;
  gr::runtime rt({.logger = log.logger()});
  gr::supervisor app(rt, gr::one_for_one,
                     {.delay = {.first = 1h, .most = 1h, .jitter = 0}, .clock = &clock});
  auto a = app.child<counter>("c", gr::permanent, nullptr);
  REQUIRE(app.start());
  a.send(fail{});
  REQUIRE(soon([&] { return clock.sleepers() == 1; }));
  auto asker = rt.spawn([&] { CHECK(a.ask(total{}, unit::long_time) == 0); });
  clock.advance(1h);
  CHECK(asker.join());
}

TEST_CASE("otp: senders that wait for room wait on across a restart, and lose nothing") {
  constexpr int senders = 8, each = 200;
  gr::latch go(1);
  unit::log_book log;
  std::atomic<int> sum{0};
  gr::runtime rt({.logger = log.logger()});
  gr::supervisor app(rt, gr::one_for_one, {.restarts_max = 1000});
  struct into {
    using messages = gr::messages<add, fail, total>;
    into(std::atomic<int>* s, gr::latch* g) : sum(s), go(g) {}
    void on(add a) { *sum += a.n; }
    void on(fail) { go->wait(), throw std::runtime_error("told to"); }
    int on(total) { return *sum; }
    std::atomic<int>* sum;
    gr::latch* go;
  };
  auto a = app.child<into>({.name = "into", .spawn = {.capacity = 3}}, &sum, &go);
  REQUIRE(app.start());
  a.send(fail{});
  std::vector<gr::green_thread> all;
  for (int s = 0; s < senders; ++s)
    all.push_back(rt.spawn([&] {
      for (int i = 0; i < each; ++i) {
        CHECK(a.send(add{1}));
        if (i % 50 == 0) a.send(fail{});
      }
    }));
  go.count_down();
  for (auto& t : all) CHECK(t.join());
  CHECK(a.ask(total{}, unit::long_time) == senders * each);
  CHECK(app.restart_count() == 1 + senders * each / 50);
  CHECK(rt.dead_letters().total() == app.restart_count());
}

TEST_CASE("otp: senders that wait hear when the child is over for good") {
  gr::latch go(1);
  unit::log_book log;
  std::atomic<int> closed{0};
  gr::runtime rt({.logger = log.logger()});
  gr::supervisor app(rt);
  auto a =
      app.child<counter>({.name = "c", .restarts = gr::temporary, .spawn = {.capacity = 1}}, &go);
  REQUIRE(app.start());
  a.send(fail{});
  std::vector<gr::green_thread> all;
  for (int s = 0; s < 5; ++s)
    all.push_back(rt.spawn([&] {
      gr::status last;
      while (last) last = a.send(add{1});
      if (last.error() == gr::error::closed) ++closed;
    }));
  go.count_down();
  for (auto& t : all) CHECK(t.join());
  CHECK(closed == 5);
}

TEST_CASE("otp: a monitor of a child is told once, of the life that it watched") {
  std::vector<std::string> heard;
  unit::gate done;
  unit::log_book log;
  gr::runtime rt({.logger = log.logger()});
  gr::supervisor app(rt, gr::one_for_one, {.restarts_max = 100});
  auto a = app.child<counter>("c", gr::permanent, nullptr);
  REQUIRE(app.start());
  auto watcher = rt.spawn([&](gr::mailbox<gr::down, add>& in) {
    for (int i = 0; i < 3; ++i) {
      gr::monitor(a, in);
      a.send(fail{});
      in.receive_only([&](const gr::down& d) { heard.emplace_back(d.name()); });
      CHECK(a.ask(total{}, unit::long_time) == 0);  // the next life
      a.send(fail{});                               // which nobody watches
      CHECK(a.ask(total{}, unit::long_time) == 0);
    }
    CHECK(in.try_receive([&](const gr::down&) { heard.emplace_back("more"); }, [](add) {}) ==
          gr::received::nothing);
    heard.emplace_back("done");
    done.open();
  });
  done.wait_on_os_thread();
  CHECK(heard == std::vector<std::string>{"c", "c", "c", "done"});
  CHECK(app.restart_count() == 6);
}

TEST_CASE("otp: who is linked to a child ends with that life of it") {
  unit::log_book log;
  unit::gate linked;
  gr::latch never_opens(1);
  gr::runtime rt({.logger = log.logger()});
  gr::supervisor app(rt);
  auto a = app.child<counter>("c", gr::permanent, nullptr);
  REQUIRE(app.start());
  auto partner = rt.spawn([&](gr::mailbox<add>&) {
    gr::link(a);
    linked.open();
    never_opens.wait();
  });
  linked.wait_on_os_thread();
  a.send(fail{});
  CHECK(soon([&] {
    const gr::status sent = partner.send(add{});
    return !sent && sent.error() == gr::error::closed;
  }));
  CHECK(a.ask(total{}, unit::long_time) == 0);
  CHECK(app.restart_count() == 1);
}
