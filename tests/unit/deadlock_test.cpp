// SPDX-License-Identifier: Apache-2.0
// Circles of waits of all kinds: one wait of each is failed as the circle closes, and the text
// names every member, what it waits for, and the line it waits in.
#include "unit_test.hpp"

#include <algorithm>
#include <array>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <system_error>
#include <vector>

using unit::gate;

// Not in a namespace, for their names are read here.
struct dl_question {
  using reply = int;
};
struct dl_item {};

namespace {

enum class kind { ask, send, lock, join };
constexpr int kinds = 4;

struct member {
  kind waits = kind::ask;  // for the next one
  kind is_waited = kind::ask;
  bool full = false;  // its mailbox, from the start
  std::string name;
  gr::address<dl_question, dl_item> address;
  gr::green_thread thread;
  gr::mutex mutex;
  std::string error;  // of its wait, if that failed
  int line = 0;
};

// A circle, and what its members do.
struct ring {
  std::vector<std::unique_ptr<member>> all;
  std::atomic<int> ready{0}, waited{0};
  gate go;
  gate named;

  member& after(std::size_t i) { return *all[(i + 1) % all.size()]; }

  void wait_for_next(std::size_t i) {
    member& me = *all[i];
    member& next = after(i);
    switch (me.waits) {
      case kind::ask: {
        me.line = __LINE__ + 1;
        const auto got = next.address.ask(dl_question{}, unit::long_time);
        if (!got) me.error = got.error().text();
        break;
      }
      case kind::send: {
        me.line = __LINE__ + 1;
        const gr::status sent = next.address.send(dl_item{});
        if (!sent) me.error = sent.error().text();
        break;
      }
      case kind::lock:
        try {
          me.line = __LINE__ + 1;
          next.mutex.lock();
          next.mutex.unlock();
        } catch (const std::system_error& e) { me.error = e.what(); }
        break;
      case kind::join: {
        me.line = __LINE__ + 1;
        const gr::status joined = next.thread.join();
        if (!joined) me.error = joined.error().text();
        break;
      }
    }
  }

  void take_part(std::size_t i) {
    member& me = *all[i];
    if (me.is_waited == kind::lock) me.mutex.lock();
    ++ready;
    go.wait_on_green_thread();
    wait_for_next(i);
    if (me.is_waited == kind::lock) me.mutex.unlock();
    ++waited;
  }

  void start(gr::runtime& rt, std::size_t i) {
    member& me = *all[i];
    if (me.is_waited == kind::join) {
      me.thread = rt.spawn({.name = me.name}, [this, i] { take_part(i); });
      return;
    }
    me.address = rt.spawn({.name = me.name, .capacity = 2},
                          [this, i](gr::mailbox<dl_question, dl_item>& in) {
                            take_part(i);
                            while (in.receive([](dl_question) { return 1; }, [](dl_item) {})) {}
                          });
    if (me.full)
      while (me.address.try_send(dl_item{})) {}
  }

  // What the text says of that member's wait.
  std::string sentence(std::size_t i) {
    const member& me = *all[i];
    const member& next = after(i);
    const std::string head =
        me.name + " waits at deadlock_test.cpp:" + std::to_string(me.line) + ' ';
    switch (me.waits) {
      case kind::ask: return head + "for " + next.name + " to answer `dl_question`";
      case kind::send: return head + "to send `dl_item` to " + next.name + " (full, 2)";
      case kind::lock: return head + "for a mutex that " + next.name + " holds";
      case kind::join: return head + "for " + next.name + " to end";
    }
    return {};
  }
};

ring& fill(ring& r, std::size_t size, std::minstd_rand& random) {
  for (std::size_t i = 0; i < size; ++i) {
    r.all.push_back(std::make_unique<member>());
    r.all[i]->name = "actor-" + std::to_string(i) + ".";
    r.all[i]->waits = static_cast<kind>(random() % kinds);
  }
  for (std::size_t i = 0; i < size; ++i) {
    member& next = r.after(i);
    next.is_waited = r.all[i]->waits;
    next.full = next.is_waited == kind::send || (next.is_waited == kind::ask && random() % 4 == 0);
  }
  return r;
}

// Runs it; the number of the one whose wait was failed.
std::size_t run(ring& r, unsigned workers) {
  gr::runtime rt({.workers = workers});
  const int size = static_cast<int>(r.all.size());
  for (std::size_t i = 0; i < r.all.size(); ++i) r.start(rt, i);
  unit::yield_until([&] { return r.ready == size; });
  r.go.open();
  unit::yield_until([&] { return r.waited == size; });
  for (auto& m : r.all) m->address = {};
  CHECK(rt.shutdown(unit::long_time).ok());
  std::size_t failed = r.all.size();
  int failures = 0;
  for (std::size_t i = 0; i < r.all.size(); ++i)
    if (!r.all[i]->error.empty()) {
      failed = i;
      ++failures;
    }
  CHECK(failures == 1);
  REQUIRE(failed < r.all.size());
  return failed;
}

}  // namespace

// Goal: every circle is found, whatever its waits are and in whatever order they begin, exactly one
// of its waits is failed (an ask where there is one), and the text tells all. Method: circles of
// random waits, on one to three workers, all of which begin at once.
TEST_CASE("a circle of waits of any kind and length is broken and named, with a line for each") {
  const std::uint32_t seed = unit::seed_of_this_run();
  std::minstd_rand random(seed);
  CAPTURE(seed);
  for (int round = 0; round < unit::scaled(400, 60); ++round) {
    CAPTURE(round);
    ring r;
    fill(r, 2 + random() % 7, random);
    const std::size_t failed = run(r, 1 + static_cast<unsigned>(random() % 3));
    const std::string& text = r.all[failed]->error;
    CAPTURE(text);
    bool has_ask = false;
    for (std::size_t i = 0; i < r.all.size(); ++i) {
      CHECK(text.find(r.sentence(i)) != std::string::npos);
      has_ask = has_ask || r.all[i]->waits == kind::ask;
    }
    CHECK(text.find("deadlock: " + r.sentence(failed)) != std::string::npos);
    if (has_ask) CHECK(r.all[failed]->waits == kind::ask);
  }
}

TEST_CASE("an ask of oneself, and a lock of what one holds, tell the line") {
  std::string asked, locked;
  gate over;
  gr::runtime rt;
  int ask_line = 0, lock_line = 0;
  auto actor = [&](gr::mailbox<dl_question>& in) {
    const unit::opens_at_end end(over);
    ask_line = __LINE__ + 1;
    asked = in.address().ask(dl_question{}, unit::long_time).error().text();
    gr::mutex m;
    m.lock();
    try {
      lock_line = __LINE__ + 1;
      m.lock();
    } catch (const std::system_error& e) { locked = e.what(); }
    m.unlock();
  };
  rt.spawn({.name = "narcissus"}, actor);
  over.wait_on_os_thread();
  CAPTURE(asked);
  CAPTURE(locked);
  CHECK(asked.find("narcissus asks itself `dl_question` at deadlock_test.cpp:" +
                   std::to_string(ask_line)) != std::string::npos);
  CHECK(locked.find("narcissus") != std::string::npos);
  CHECK(locked.find("at deadlock_test.cpp:" + std::to_string(lock_line)) != std::string::npos);
}

TEST_CASE("an OS thread that asks while it holds a mutex can be in a circle") {
  gr::mutex m;
  gr::runtime rt;
  auto actor = rt.spawn({.name = "clerk"}, [&](gr::mailbox<dl_question>& in) {
    while (in.receive([&](dl_question) {
      const std::lock_guard hold(m);
      return 1;
    })) {}
  });
  m.lock();
  const auto got = actor.ask(dl_question{}, unit::long_time);
  m.unlock();
  REQUIRE_FALSE(got);
  CHECK(got.error() == gr::error::deadlock);
  const std::string text = got.error().text();
  CAPTURE(text);
  CHECK(text.find("an OS thread waits at deadlock_test.cpp:") != std::string::npos);
  CHECK(text.find("for clerk to answer `dl_question`, clerk waits") != std::string::npos);
  CHECK(text.find("for a mutex that an OS thread holds") != std::string::npos);
  // A std::lock_guard's place is told by the program's own code.
  CHECK(text.find("std_mutex.h") == std::string::npos);
}

TEST_CASE(
    "asks that go round are told when the last one closes the circle, through their handlers") {
  std::string text;
  std::string unused;
  gr::runtime rt;
  gr::address<dl_question> first;
  const auto asker = [](gr::mailbox<dl_question>& in, const gr::address<dl_question>& next,
                        std::string& error) {
    while (in.receive([&](dl_question) {
      const auto got = next.ask(dl_question{}, unit::long_time);
      if (!got) error = got.error().text();
      return got.value_or(-1);
    })) {}
  };
  auto c = rt.spawn({.name = "c"}, asker, std::cref(first), std::ref(text));
  auto b = rt.spawn({.name = "b"}, asker, c, std::ref(unused));
  auto a = rt.spawn({.name = "a"}, asker, b, std::ref(unused));
  first = a;
  CHECK(a.ask(dl_question{}, unit::long_time).value() == -1);
  CAPTURE(text);
  CHECK(text.find("deadlock: c waits at") == 0);
  CHECK(text.find("for a to answer `dl_question`, a waits at") != std::string::npos);
  CHECK(unused.empty());
  first = {};
}

TEST_CASE("a promise that was given away makes no circle: another one answers") {
  struct carry {
    gr::promise<int> answer;
  };
  std::atomic<int> results{0};
  gate both_ask;
  gate known;
  gr::runtime rt;
  gr::address<dl_question> asker_address;
  // Answers once both wait for each other.
  auto helper = rt.spawn([&](gr::mailbox<carry>& in) {
    while (in.receive([&](carry c) {
      both_ask.wait_on_green_thread();
      for (int i = 0; i < 100; ++i) gr::yield();
      c.answer.set(7);
    })) {}
  });
  auto asked = rt.spawn({.name = "asked"}, [&](gr::mailbox<dl_question>& in) {
    in.receive([&](dl_question, gr::promise<int> answer) {
      helper.send(carry{std::move(answer)});
      both_ask.open();
      const auto got = asker_address.ask(dl_question{}, unit::long_time);
      if (got && *got == 1) ++results;
    });
  });
  auto asker = rt.spawn({.name = "asker"}, [&](gr::mailbox<dl_question>& in) {
    known.wait_on_green_thread();
    const auto got = asked.ask(dl_question{}, unit::long_time);
    if (got && *got == 7) ++results;
    in.receive([](dl_question) { return 1; });
  });
  asker_address = asker;
  known.open();
  unit::yield_until([&] { return rt.actors() == 1; });
  CHECK(results == 2);
  helper = {};
  asker_address = {};
}

TEST_CASE("a lock with a deadline closes no circle") {
  gate over;
  gr::mutex m;
  gr::runtime rt;
  bool timed_out = false;
  auto actor = rt.spawn([&](gr::mailbox<dl_question>& in) {
    const unit::opens_at_end end(over);
    in.receive([&](dl_question) {
      timed_out = m.lock_for(1ms).error() == gr::error::timeout;
      return 5;
    });
  });
  m.lock();
  const auto got = actor.ask(dl_question{}, unit::long_time);
  m.unlock();
  CHECK(got.value_or(0) == 5);
  over.wait_on_os_thread();
  CHECK(timed_out);
}
