// SPDX-License-Identifier: Apache-2.0
// Asks: every one ends in exactly one way.
#include "unit_test.hpp"

#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

using unit::gate;

namespace {

struct twice {
  using reply = int;
  int value;
};
struct text_of {
  using reply = std::string;
  int value;
};
struct touch {
  using reply = void;
};
struct make_box {
  using reply = std::unique_ptr<int>;
  int value;
};
struct get_counted {
  using reply = unit::counted;
  int value;
};
struct stop_it {};

// Answers at once.
void doubler(gr::mailbox<twice, text_of, touch, make_box>& in) {
  while (in.receive([](twice t) { return 2 * t.value; },
                    [](text_of t) { return std::to_string(t.value); }, [](touch) {},
                    [](make_box m) { return std::make_unique<int>(m.value); })) {}
}

}  // namespace

TEST_CASE("an ask returns what the handler returns, of any type") {
  gr::runtime rt;
  auto to = rt.spawn(doubler);
  const auto everything = [&] {
    CHECK(to.ask(twice{21}, unit::long_time).value() == 42);
    CHECK(to.ask(text_of{1'000'000}, unit::long_time).value() == "1000000");
    CHECK(to.ask(touch{}, unit::long_time).has_value());
    CHECK(*to.ask(make_box{5}, unit::long_time).value() == 5);
    CHECK(to.ask_until(twice{4}, gr::never).value() == 8);
  };
  everything();  // from an OS thread
  CHECK(unit::on_green_thread(rt, everything));
}

TEST_CASE("an ask that is not answered in time times out, and the late answer is counted") {
  const unit::no_leaks watch;
  gate asked, late;
  gr::runtime rt;
  auto actor = [&](gr::mailbox<get_counted>& in) {
    while (in.receive([&](get_counted g) {
      asked.open();
      late.wait_on_green_thread();
      return unit::counted(g.value);
    })) {}
  };
  {
    auto to = rt.spawn(actor);
    const auto r = to.ask(get_counted{1}, 1ms);
    REQUIRE_FALSE(r);
    CHECK(r.error() == gr::error::timeout);
    if (!asked.is_open()) {
      // It was not even begun: it is not run at all then, which another test looks at.
      late.open();
    } else {
      late.open();
      CHECK(to.ask(get_counted{2}, unit::long_time).value().value() == 2);
      CHECK(rt.dead_letters().late_reply == 1);
    }
  }
  CHECK(rt.shutdown(unit::long_time).ok());
}

TEST_CASE("a request whose asker has given up is not run, and is counted") {
  gate ready;
  int handled = 0;
  gr::runtime rt;
  auto actor = [&](gr::mailbox<twice>& in) {
    ready.wait_on_green_thread();
    while (in.receive([&](twice) { return ++handled; })) {}
  };
  {
    auto to = rt.spawn(actor);
    CHECK(to.ask(twice{1}, 1ms).error() == gr::error::timeout);
    unit::on_green_thread(rt, [&, to] {
      const auto r = to.ask(twice{1}, 1ms);
      CHECK(r.error() == gr::error::timeout);
    });
    ready.open();
    CHECK(to.ask(twice{1}, unit::long_time).value() == 1);
  }
  CHECK(rt.shutdown(unit::long_time).ok());
  CHECK(handled == 1);
  CHECK(rt.dead_letters().expired == 2);
  CHECK(rt.dead_letters().late_reply == 0);
}

TEST_CASE("a promise kept, sent along, failed or dropped ends its ask accordingly") {
  struct keep {
    using reply = int;
  };
  struct pass_on {
    using reply = int;
  };
  struct refuse {
    using reply = int;
  };
  struct drop {
    using reply = int;
  };
  struct release {};
  struct task {
    gr::promise<int> answer;
  };
  gr::runtime rt;
  auto specialist = [](gr::mailbox<task>& in) {
    while (in.receive([](task t) { t.answer.set(2); })) {}
  };
  auto actor = [&](gr::mailbox<keep, pass_on, refuse, drop, release>& in) {
    std::optional<gr::promise<int>> kept;
    auto knows = gr::spawn(specialist);
    while (in.receive([&](keep, gr::promise<int> p) { kept = std::move(p); },
                      [&](pass_on, gr::promise<int> p) { knows.send(task{std::move(p)}); },
                      [](refuse, gr::promise<int> p) {
                        p.fail(gr::error(gr::error::invalid, "not on Sundays"));
                        p.set(1);  // too late, does nothing
                        CHECK_FALSE(p);
                      },
                      [](drop, gr::promise<int>) {},
                      [&](release) {
                        if (kept) kept->set(1);
                      })) {}
  };
  auto to = rt.spawn(actor);
  CHECK(to.ask(pass_on{}, unit::long_time).value() == 2);
  const auto refused = to.ask(refuse{}, unit::long_time);
  REQUIRE_FALSE(refused);
  CHECK(refused.error() == gr::error::invalid);
  CHECK(refused.error().text() == std::string("not on Sundays"));
  CHECK(to.ask(drop{}, unit::long_time).error() == gr::error::dropped);
  auto asker = rt.spawn([&, to] {
    const auto kept = to.ask(keep{}, unit::long_time);
    CHECK(kept.value() == 1);
  });
  unit::yield_until([&] { return to.ask(drop{}, unit::long_time).error() == gr::error::dropped; });
  std::atomic<bool> over{false};
  auto releaser = rt.spawn([&, to] {
    while (!over) {
      to.send(release{});
      gr::yield();
    }
  });
  CHECK(asker.join());
  over = true;
  CHECK(releaser.join());
}

TEST_CASE("a handler that throws fails its ask with the exception's text") {
  unit::log_book log;
  gr::runtime rt({.logger = log.logger()});
  auto actor = [](gr::mailbox<twice>& in) {
    while (in.receive([](twice t) -> int {
      if (t.value == 3) throw std::runtime_error("three is too many");
      return 2 * t.value;
    })) {}
  };
  auto to = rt.spawn({.name = "fragile"}, actor);
  CHECK(to.ask(twice{2}, unit::long_time).value() == 4);
  const auto r = to.ask(twice{3}, unit::long_time);
  REQUIRE_FALSE(r);
  CHECK(r.error() == gr::error::failed);
  CHECK(std::string(r.error().text()).find("three is too many") != std::string::npos);
  CHECK(to.ask(twice{2}, unit::long_time).error() == gr::error::closed);
}

TEST_CASE("an exception that an actor catches outside of receive fails the ask it left") {
  gr::runtime rt;
  auto actor = [](gr::mailbox<twice>& in) {
    for (bool more = true; more;) {
      try {
        more = in.receive([](twice t) -> int {
          if (t.value == 3) throw std::runtime_error("three");
          return 2 * t.value;
        });
      } catch (const std::runtime_error&) {
        // It lives on; the asker hears of it at the next receive at the latest.
        more = true;
      }
    }
  };
  auto to = rt.spawn(actor);
  // The asker of 3 is told when the actor takes its next message.
  std::jthread other([to] {
    while (to.ask(twice{1}, unit::long_time).value_or(0) != 2) {}
  });
  auto asker = rt.spawn([&, to] {
    const auto r = to.ask(twice{3}, unit::long_time);
    CHECK_FALSE(r.has_value());
    if (!r) CHECK(r.error() == gr::error::failed);
  });
  other.join();
  std::atomic<bool> over{false};
  std::jthread nudge([&, to] {
    while (!over) (void)to.ask(twice{1}, unit::long_time);
  });
  CHECK(asker.join());
  over = true;
}

TEST_CASE("an ask to an actor that ends, by return, stop or cancel, reports closed") {
  gate entered, leave;
  gr::runtime rt;
  auto returns = [&](gr::mailbox<twice>& in) {
    entered.open();
    leave.wait_on_green_thread();
    in.close();
  };
  auto to = rt.spawn(returns);
  entered.wait_on_os_thread();
  auto asker = rt.spawn([&, to] {
    const auto r = to.ask(twice{1}, unit::long_time);
    CHECK_FALSE(r.has_value());
    if (!r) CHECK(r.error() == gr::error::closed);
  });
  leave.open();
  CHECK(asker.join());
  CHECK(to.ask(twice{1}, unit::long_time).error() == gr::error::closed);

  auto stops = [](gr::mailbox<twice, stop_it>& in) {
    while (in.receive(
        [](twice, gr::promise<int> p) {
          gr::self().stop();
          static std::optional<gr::promise<int>> never_kept;
          never_kept = std::move(p);
          never_kept.reset();
        },
        [](stop_it) { gr::self().stop(); })) {}
  };
  auto second = rt.spawn(stops);
  second.send(stop_it{});
  CHECK(second.ask(twice{1}, unit::long_time).error() == gr::error::closed);
}

TEST_CASE("an ask to itself is refused as a deadlock that names the actor") {
  gr::runtime rt;
  gr::error::code_type code{};
  std::string sentence;
  auto actor = [&](gr::mailbox<twice>& in) {
    const auto r = in.address().ask(twice{1}, unit::long_time);
    if (!r) {
      code = r.error().code();
      sentence = r.error().text();
    }
  };
  rt.spawn({.name = "narcissus"}, actor);
  CHECK(rt.shutdown(unit::long_time).ok());
  CHECK(code == gr::error::deadlock);
  CHECK(sentence.find("narcissus") != std::string::npos);
  CHECK(sentence.find("twice") != std::string::npos);
}

TEST_CASE("an ask made while a request is handled inherits what is left of its time") {
  gate inner_over;
  std::atomic<bool> ended_in_time{false};
  gr::runtime rt;
  auto mute = [&](gr::mailbox<twice>& in) {
    inner_over.wait_on_green_thread();
    while (in.receive([](twice t) { return t.value; })) {}
  };
  auto middle = [&](gr::mailbox<twice>& in, gr::address<twice> behind) {
    while (in.receive([&](twice t) {
      const auto r = behind.ask(t, std::chrono::hours(24));
      if (!r && r.error() == gr::error::timeout) ended_in_time = true;
      inner_over.open();
      return 0;
    })) {}
  };
  {
    gr::address<twice> behind = rt.spawn(mute);
    auto to = rt.spawn(middle, behind);
    // Again where the time was over before the handler started: that request is withdrawn.
    while (!inner_over.is_open()) (void)to.ask(twice{1}, 20ms);
    // Outside of the request the same actor's asks have their own time again.
    CHECK(behind.ask(twice{3}, unit::long_time).value() == 3);
  }
  CHECK(rt.shutdown(unit::long_time).ok());
  CHECK(ended_in_time);
}

TEST_CASE("a request that is sent is handled, and its answer dropped") {
  int handled = 0;
  gr::runtime rt;
  {
    auto function = rt.spawn([&](gr::mailbox<twice>& in) {
      while (in.receive([&](twice) { return ++handled; })) {}
    });
    CHECK(function.send(twice{1}));
    gr::send_after(0ms, function, twice{1});
    unit::yield_until([&] { return function.ask(twice{1}, unit::long_time).value() >= 3; });
  }
  CHECK(rt.shutdown(unit::long_time).ok());
  CHECK(handled >= 3);
}

TEST_CASE("an ask whose deadline has passed is not made") {
  int handled = 0;
  gr::runtime rt;
  {
    auto to = rt.spawn([&](gr::mailbox<twice>& in) {
      while (in.receive([&](twice) { return ++handled; })) {}
    });
    for (const gr::duration within : {gr::duration(0ns), gr::duration(-1s)}) {
      CHECK(to.ask(twice{1}, within).error() == gr::error::timeout);
      unit::on_green_thread(
          rt, [&, to] { CHECK(to.ask(twice{1}, within).error() == gr::error::timeout); });
    }
  }
  CHECK(rt.shutdown(unit::long_time).ok());
  CHECK(handled == 0);
  CHECK(rt.dead_letters().timeout == 4);
}

TEST_CASE("a promise tells whether somebody waited for its answer") {
  struct later {
    using reply = int;
  };
  gate given_up;
  std::atomic<bool> handling{false};
  bool first = true, second = true, in_time = false;
  gr::runtime rt;
  {
    auto to = rt.spawn([&](gr::mailbox<later>& in) {
      in.receive([&](later, gr::promise<int> answer) {
        handling = true;
        given_up.wait_on_green_thread();
        first = answer.set(1);
        second = answer.set(2);
      });
      in.receive([&](later, gr::promise<int> answer) { in_time = answer.set(3); });
    });
    // An ask whose time is over before its handler starts is withdrawn: one that started is wanted.
    while (!handling) { REQUIRE(to.ask(later{}, 1ms).error() == gr::error::timeout); }
    given_up.open();
    CHECK(to.ask(later{}, unit::long_time).value() == 3);
  }
  CHECK(rt.shutdown(unit::long_time).ok());
  CHECK_FALSE(first);
  CHECK_FALSE(second);
  CHECK(in_time);
}
