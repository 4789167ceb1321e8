// SPDX-License-Identifier: Apache-2.0
// Links: ends that go together.
#include "unit_test.hpp"

#include <string>
#include <vector>

using unit::gate;

namespace {

struct nothing {};
struct fail {};
struct settled {  // all that was sent before is handled
  using reply = bool;
};

// Links itself to whom it is told, and fails when it is told to.
struct member {
  using messages = gr::messages<nothing, fail, gr::address<nothing, fail>, settled>;
  void on(nothing) {}
  bool on(settled) { return true; }
  void on(fail) { throw std::runtime_error("member failed"); }
  void on(const gr::address<nothing, fail>& other) { gr::link(other); }
};
using member_address = gr::address<nothing, fail, gr::address<nothing, fail>, settled>;

// What ended it, as a monitor hears it.
std::string end_of(gr::runtime& rt, const member_address& a) {
  std::string text;
  gate done;
  auto w = rt.spawn_detached([&](gr::mailbox<gr::down>& in) {
    gr::monitor(a, in);
    in.receive([&](const gr::down& d) { text = d.why().text(); });
    done.open();
  });
  done.wait_on_os_thread();
  return text;
}

}  // namespace

TEST_CASE("a failure takes a chain of linked actors with it, and tells each who it was") {
  unit::log_book log;
  gr::runtime rt({.logger = log.logger()});
  std::vector<member_address> all;
  for (int i = 0; i < 5; ++i) {
    const std::string name = "m" + std::to_string(i);
    all.push_back(rt.spawn<member>({.name = name}));
  }
  for (std::size_t i = 0; i + 1 < all.size(); ++i)
    all[i].send(gr::address<nothing, fail>(all[i + 1]));
  for (const auto& a : all) CHECK(a.ask(settled{}, unit::long_time));
  all[2].send(fail{});
  CHECK(end_of(rt, all[2]).find("member failed") != std::string::npos);
  CHECK(end_of(rt, all[3]).find("linked to m2, which ended: std::runtime_error: member failed") ==
        0);
  CHECK(end_of(rt, all[4]).find("linked to m3, which ended: linked to m2") == 0);
  CHECK(end_of(rt, all[1]).find("linked to m2") == 0);
  CHECK(end_of(rt, all[0]).find("linked to m1") == 0);
}

TEST_CASE("a normal end leaves those it was linked to alive, a stop stops them") {
  gr::runtime rt;
  auto stays = rt.spawn<member>();
  auto ends = rt.spawn([&](gr::mailbox<nothing, fail>& in) {
    gr::link(stays);
    in.receive([](nothing) {}, [](fail) {});
  });
  ends.send(nothing{});
  unit::yield_until([&] { return rt.actors() == 1; });
  stays.send(nothing{});
  auto stopped = rt.spawn([&](gr::mailbox<nothing, fail>& in) {
    gr::link(stays);
    while (in.receive([](nothing) {}, [](fail) {})) {}
  });
  stopped.send(nothing{});
  gr::stop(stopped);
  CHECK(end_of(rt, stays) == "stopped");
}

TEST_CASE("who traps exits hears of them all, once, and lives") {
  unit::log_book log;
  std::vector<std::string> texts;
  gate done;
  gr::runtime rt({.logger = log.logger()});
  auto a = rt.spawn<member>({.name = "a"});
  auto b = rt.spawn<member>({.name = "b"});
  auto dead = rt.spawn<member>({.name = "dead"});
  gr::kill(dead);
  end_of(rt, dead);
  auto keeper = rt.spawn_detached([&](gr::mailbox<gr::exited, nothing>& in) {
    gr::trap_exits();
    gr::link(a);
    gr::link(a);  // the same link
    gr::link(b);
    gr::link(dead);
    const auto hear = [&] {
      in.receive_only([&](const gr::exited& e) {
        texts.push_back(std::string(e.name()) + ": " + e.why().text());
      });
    };
    hear();
    a.send(fail{});
    hear();
    gr::stop(b);
    hear();
    CHECK(in.try_receive_only([&](const gr::exited&) {}) == gr::received::nothing);
    done.open();
  });
  done.wait_on_os_thread();
  REQUIRE(texts.size() == 3);
  CHECK(texts[0] == "dead: killed");
  CHECK(texts[1].find("a: std::runtime_error: member failed") == 0);
  CHECK(texts[2] == "b: stopped");
}

TEST_CASE("a link to nobody ends the actor that makes it, as one to a dead actor does") {
  gr::runtime rt;
  auto a = rt.spawn<member>();
  a.send(gr::address<nothing, fail>());
  CHECK(end_of(rt, a) == "linked to nobody, which ended: an empty address leads to no actor");
}

TEST_CASE("an unlinked actor neither ends nor hears, on either side") {
  unit::log_book log;
  gate done;
  gr::runtime rt({.logger = log.logger()});
  auto a = rt.spawn<member>();
  auto b = rt.spawn<member>();
  auto c = rt.spawn_detached([&](gr::mailbox<gr::down>& in) {
    gr::link(a);
    gr::link(b);
    gr::unlink(a);
    gr::unlink(b);
    gr::monitor(a, in);
    a.send(fail{});
    CHECK(in.receive([](const gr::down&) {}));
    gr::yield();
    done.open();
    throw std::runtime_error("and this one fails");
  });
  done.wait_on_os_thread();
  unit::yield_until([&] { return rt.actors() == 1; });
  b.send(nothing{});
  gr::stop(b);
  CHECK(end_of(rt, b) == "stopped");
}
