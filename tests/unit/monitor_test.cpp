// SPDX-License-Identifier: Apache-2.0
// Monitors: one `down` for each, with the reason, before all else.
#include "unit_test.hpp"

#include <stdexcept>
#include <string>
#include <vector>

using unit::gate;

namespace {

struct nothing {};
struct fail {
  std::string text;
};
struct end {};

// Ends as it is told to.
struct victim {
  using messages = gr::messages<nothing, fail, end>;
  void on(nothing) {}
  void on(const fail& f) { throw std::out_of_range(f.text); }
  void on(end) { gr::self().stop(); }
};

struct seen {
  std::string name, text, message;
  gr::exit_kind kind{};
  std::uint64_t id = 0;
};

seen what_of(const gr::down& d) {
  return {d.name(), d.why().text(), d.why().message(), d.why().kind(), d.id()};
}

// Monitors it, does that, and gives what it hears back.
template <class Do>
seen watch(gr::runtime& rt, gr::address<nothing, fail, end> who, Do&& what) {
  seen got;
  gate done;
  auto watcher = rt.spawn_detached([&](gr::mailbox<gr::down>& in) {
    gr::monitor(who, in);
    what(who);
    CHECK(in.receive([&](const gr::down& d) { got = what_of(d); }));
    done.open();
  });
  done.wait_on_os_thread();
  return got;
}

}  // namespace

TEST_CASE("a monitor hears that an actor failed, of what, and in which handler") {
  unit::log_book log;
  gr::runtime rt({.logger = log.logger()});
  auto a = rt.spawn<victim>({.name = "session/7"});
  const seen got = watch(rt, a, [](auto& who) { who.send(fail{"map::at"}); });
  CHECK(got.name == "session/7");
  CHECK(got.id == a.id());
  CHECK(got.kind == gr::exit_kind::failed);
  CHECK(got.text.find("std::out_of_range: map::at (while handling `") == 0);
  CHECK(got.message.find("::fail") != std::string::npos);
  CHECK(log.has("session/7"));
}

TEST_CASE("a monitor hears the other ways to end: stopped, killed, and normal") {
  gate go;
  gr::runtime rt;
  const auto by = [&](auto&& what) { return watch(rt, rt.spawn<victim>(), what).kind; };
  CHECK(by([](auto& who) { who.send(end{}); }) == gr::exit_kind::stopped);
  CHECK(by([](auto& who) { gr::stop(who); }) == gr::exit_kind::stopped);
  CHECK(by([](auto& who) { gr::kill(who); }) == gr::exit_kind::killed);
  auto f = rt.spawn([&](gr::mailbox<nothing, fail, end>&) { go.wait_on_green_thread(); });
  CHECK(watch(rt, f, [&](auto&) { go.open(); }).kind == gr::exit_kind::normal);
}

TEST_CASE("an actor that has ended already is told of at once, with its reason") {
  unit::log_book log;
  gr::runtime rt({.logger = log.logger()});
  auto a = rt.spawn<victim>({.name = "early"});
  a.send(fail{"long ago"});
  watch(rt, a, [](auto&) {});
  const seen got = watch(rt, a, [](auto&) {});
  CHECK(got.kind == gr::exit_kind::failed);
  CHECK(got.text.find("long ago") != std::string::npos);
  auto b = rt.spawn<victim>();
  gr::kill(b);
  watch(rt, b, [](auto&) {});
  CHECK(watch(rt, b, [](auto&) {}).kind == gr::exit_kind::killed);
  CHECK(watch(rt, {}, [](auto&) {}).text == "an empty address leads to no actor");
}

TEST_CASE("each monitor is told once, and none that was taken back, not even on its way") {
  std::vector<int> heard(4, 0);
  gate done;
  gr::runtime rt;
  auto a = rt.spawn<victim>();
  auto watcher = rt.spawn_detached([&](gr::mailbox<gr::down, nothing>& in) {
    std::vector<gr::monitor_ref> refs;
    for (int i = 0; i < 4; ++i) refs.push_back(gr::monitor(a, in));
    gr::demonitor(refs[1]);
    gr::kill(a);
    in.receive_only([&](const gr::down& d) {
      for (std::size_t i = 0; i < 4; ++i) heard[i] += refs[i] == d ? 1 : 0;
    });
    for (std::size_t i = 0; i < 4; ++i)
      if (heard[i] == 0) {
        gr::demonitor(refs[i]);
        break;
      }
    unit::yield_until([&] { return rt.actors() == 1; });  // it has told all
    while (in.try_receive(
               [&](const gr::down& d) {
                 for (std::size_t i = 0; i < 4; ++i) heard[i] += refs[i] == d ? 1 : 0;
               },
               [](nothing) {}) == gr::received::message) {}
    done.open();
  });
  done.wait_on_os_thread();
  int total = 0;
  for (const int n : heard) {
    CHECK(n <= 1);
    total += n;
  }
  CHECK(heard[1] == 0);
  CHECK(total == 2);
}

TEST_CASE("a down comes before what waits, and finds room in a full mailbox") {
  for (const bool drops : {false, true}) {
    CAPTURE(drops);
    std::string order;
    gate ready, go, done;
    gr::runtime rt;
    auto a = rt.spawn<victim>();
    auto watcher = rt.spawn_detached(
        {.capacity = 4, .overload = drops ? gr::overload::drop_oldest : gr::overload::wait},
        [&](gr::mailbox<nothing, gr::down>& in) {
          gr::monitor(a, in);
          ready.open();
          go.wait_on_green_thread();
          for (int i = 0; i < 5; ++i)
            in.receive([&](nothing) { order += 'n'; }, [&](const gr::down&) { order += 'd'; });
          CHECK(in.size() == 0);
          done.open();
        });
    ready.wait_on_os_thread();
    for (int i = 0; i < 4; ++i) CHECK(watcher.try_send(nothing{}));
    gr::kill(a);
    unit::yield_until([&] { return rt.actors() == 1; });
    go.open();
    done.wait_on_os_thread();
    CHECK(order == "dnnnn");
    // No room was given back that it never had.
    for (int i = 0; i < 4; ++i) (void)watcher.try_send(nothing{});
  }
}

namespace {

// Watches many and counts; as an object, whose messages are handled where they stand.
struct crowd_watcher {
  using messages = gr::messages<gr::down, gr::address<nothing, fail, end>, nothing>;
  std::atomic<int>* downs;
  std::atomic<int>* others;
  void on(const gr::down&) { ++*downs; }
  void on(const gr::address<nothing, fail, end>& who) { gr::monitor(who); }
  void on(nothing) { ++*others; }
};

}  // namespace

TEST_CASE("an object actor is told of thousands of ends, past what its mailbox holds") {
  const int many = unit::scaled(100'000, 5'000);
  std::atomic<int> downs{0}, others{0};
  gr::runtime rt;
  auto w = rt.spawn<crowd_watcher>({.capacity = 16}, &downs, &others);
  std::vector<gr::address<nothing, fail, end>> all;
  for (int i = 0; i < many; ++i) {
    all.push_back(rt.spawn<victim>());
    w.send(all.back());
  }
  for (int i = 0; i < 100; ++i) w.send(nothing{});
  unit::yield_until([&] { return others == 100; });
  for (const auto& a : all) gr::kill(a);
  for (int i = 0; i < 100; ++i) w.send(nothing{});
  unit::yield_until([&] { return downs == many && others == 200; });
  // Its depth is right after all that: it takes as many as before.
  for (int i = 0; i < 1000; ++i) w.send(nothing{});
  unit::yield_until([&] { return others == 1200; });
  CHECK(downs == many);
}

TEST_CASE("a watcher that ends leaves nothing behind at those it watched") {
  unit::no_leaks check;
  gr::runtime rt;
  auto a = rt.spawn<victim>();
  for (int round = 0; round < 1000; ++round)
    CHECK(rt.spawn([&](gr::mailbox<gr::down>& in) { gr::monitor(a, in); }).id() != 0);
  unit::yield_until([&] { return rt.actors() == 1; });
  gr::kill(a);
  unit::yield_until([&] { return rt.actors() == 0; });
  CHECK(rt.dead_letters().total() == 0);
}

TEST_CASE("who does not receive down cannot monitor, and says so") {
  std::string text;
  gr::runtime rt;
  auto a = rt.spawn<victim>();
  CHECK(rt.spawn({.name = "blind"}, [&] {
            try {
              gr::monitor(a);
            } catch (const std::logic_error& e) { text = e.what(); }
          }).join());
  CHECK(text == "greenroom: blind does not receive `greenroom::down`, so it cannot monitor");
  CHECK_THROWS_AS(gr::monitor(a), std::logic_error);
}

TEST_CASE("the reason tells nested exceptions and where a failure was thrown") {
  unit::log_book log;
  gr::runtime rt({.logger = log.logger()});
  const auto text_of = [&](auto&& what) {
    const auto s = rt.spawn(what).join();
    REQUIRE_FALSE(s);
    return std::string(s.error().text());
  };
  CHECK(text_of([] {
          try {
            throw std::runtime_error("no such file");
          } catch (...) { std::throw_with_nested(std::logic_error("cannot load")); }
        }).find("cannot load; because of std::runtime_error: no such file") != std::string::npos);
  const std::string where = text_of([] { throw gr::failure("no such account"); });
  CHECK(where.find("greenroom::failure: no such account at ") == 0);
  CHECK(where.find("monitor_test.cpp:") != std::string::npos);
  CHECK(text_of([] { throw 3; }) == "int: not a std::exception");
}

TEST_CASE("a caught exception of one message is not blamed for a later failure") {
  unit::log_book log;
  gr::runtime rt({.logger = log.logger()});
  seen got;
  auto a = rt.spawn([](gr::mailbox<nothing, fail, end>& in) {
    try {
      in.receive([](nothing) { throw std::runtime_error("first"); }, [](const fail&) {},
                 [](end) {});
    } catch (const std::runtime_error&) {}
    in.receive([](nothing) {}, [](const fail&) {}, [](end) {});
    throw std::runtime_error("second");
  });
  a.send(nothing{});
  got = watch(rt, a, [](auto& who) { who.send(end{}); });
  CHECK(got.text == "std::runtime_error: second");
  CHECK(got.message.empty());
}
