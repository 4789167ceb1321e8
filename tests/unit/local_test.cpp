// SPDX-License-Identifier: Apache-2.0
// What belongs to one actor: gr::local, gr::self(), names and ids.
#include "unit_test.hpp"

#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

using unit::counted;
using unit::gate;

namespace {

struct number {
  int value;
};
struct word {
  std::string text;
};
struct name_please {
  using reply = std::string;
};

gr::local<int> tally;
gr::local<std::string> text;
gr::local<counted> counts;

}  // namespace

TEST_CASE("each actor and each OS thread has a local value of its own, across waits") {
  std::atomic<int> wrong{0};
  gr::runtime rt;
  std::vector<gr::green_thread> all;
  for (int i = 0; i < 50; ++i)
    all.push_back(rt.spawn([&, i] {
      if (*tally != 0 || !text->empty()) ++wrong;
      *tally = i;
      *text = std::to_string(i);
      for (int k = 0; k < 50; ++k) {
        gr::yield();
        if (*tally != i || *text != std::to_string(i)) ++wrong;
      }
    }));
  for (const auto& one : all) CHECK(one.join());
  CHECK(wrong == 0);
  *tally = 5;
  std::jthread([&] {
    if (*tally != 0) ++wrong;
  }).join();
  CHECK(wrong == 0);
  CHECK(*tally == 5);
  *tally = 0;
}

TEST_CASE("an actor's locals go with the actor, an OS thread's with the thread") {
  const unit::no_leaks watch;
  gate looked;
  gr::runtime rt;
  auto to = rt.spawn([&](gr::mailbox<number>& in) {
    CHECK(counts->value() == 0);
    looked.open();
    while (in.receive([](number) {})) {}
  });
  looked.wait_on_os_thread();
  CHECK(counted::alive() >= 1);
  to = {};
  std::jthread([] { (void)counts->value(); }).join();
  CHECK(rt.shutdown(unit::long_time).ok());
}

TEST_CASE("an object actor keeps its locals between messages") {
  struct counter {
    using messages = gr::messages<number, name_please>;
    void on(number n) { *tally += n.value; }
    std::string on(name_please) { return std::to_string(*tally); }
  };
  gr::runtime rt;
  auto a = rt.spawn<counter>();
  auto b = rt.spawn<counter>();
  for (int i = 0; i < 10; ++i) {
    a.send(number{1});
    b.send(number{2});
  }
  CHECK(a.ask(name_please{}, unit::long_time).value() == "10");
  CHECK(b.ask(name_please{}, unit::long_time).value() == "20");
}

TEST_CASE("self knows its name, given or its type's, and its id") {
  struct librarian {
    using messages = gr::messages<name_please>;
    std::string on(name_please) { return gr::self().name(); }
  };
  gr::runtime rt;
  auto named = rt.spawn<librarian>({.name = "bob"});
  auto unnamed = rt.spawn<librarian>();
  CHECK(named.ask(name_please{}, unit::long_time).value() == "bob");
  CHECK(unnamed.ask(name_please{}, unit::long_time).value().find("librarian") != std::string::npos);
  const std::string long_name(500, 'n');
  auto wordy = rt.spawn<librarian>({.name = long_name});
  CHECK(wordy.ask(name_please{}, unit::long_time).value() == long_name);
  std::uint64_t seen = 0;
  gr::green_thread thread = rt.spawn([&] { seen = gr::self().id(); });
  CHECK(thread.join());
  CHECK(seen == thread.id());
}

TEST_CASE("ids are never given twice, and grow for what one OS thread makes") {
  gr::runtime rt;
  std::set<std::uint64_t> ids;
  std::uint64_t last = 0;
  for (int i = 0; i < 1000; ++i) {
    const auto id = rt.spawn([] {}).id();
    CHECK(id > last);
    last = id;
    ids.insert(id);
  }
  unit::on_green_thread(rt, [&] {
    for (int i = 0; i < 1000; ++i) ids.insert(gr::spawn([] {}).id());
  });
  CHECK(ids.size() == 2000);
}

TEST_CASE("self outside of an actor is a logic error") {
  CHECK_THROWS_AS(gr::self(), std::logic_error);
}

TEST_CASE("self gives counted addresses for what the actor receives, and refuses others") {
  int sum = 0;
  std::string refusal;
  gate ended;
  gr::runtime rt;
  auto actor = [&](gr::mailbox<word, number>& in, const unit::opens_at_end&) {
    {
      const gr::address<number> mine = gr::self().address<number>();
      mine.send(number{42});
      gr::self().address<number, word>().send(word{"x"});
      try {
        (void)gr::self().address<name_please>();
      } catch (const std::logic_error& e) { refusal = e.what(); }
    }
    while (in.receive([&](word w) { sum += static_cast<int>(w.text.size()); },
                      [&](number n) { sum += n.value; })) {}
  };
  rt.spawn({.name = "carl"}, actor, unit::opens_at_end(ended));
  ended.wait_on_os_thread();
  CHECK(sum == 43);
  CHECK(refusal.find("carl") != std::string::npos);
  CHECK(refusal.find("name_please") != std::string::npos);
}

TEST_CASE("stop ends a function actor at its next receive, even when messages wait") {
  gate filled, ended;
  int seen = 0;
  gr::runtime rt;
  auto actor = [&](gr::mailbox<number>& in, const unit::opens_at_end&) {
    filled.wait_on_green_thread();
    while (in.receive([&](number n) {
      ++seen;
      if (n.value == 2) gr::self().stop();
    })) {}
  };
  auto to = rt.spawn(actor, unit::opens_at_end(ended));
  for (int i = 1; i <= 5; ++i) to.send(number{i});
  filled.open();
  ended.wait_on_os_thread();
  CHECK(rt.shutdown(unit::long_time).ok());
  CHECK(seen == 2);
  CHECK(rt.dead_letters().undelivered == 3);
}

TEST_CASE("a local at the place of a dead one starts afresh, also with another type") {
  gr::runtime rt;
  CHECK(unit::on_green_thread(rt, [] {
    alignas(gr::local<int>) std::byte place[sizeof(gr::local<int>)];
    auto* first = ::new (place) gr::local<int>;
    **first = 7;
    first->~local();
    auto* second = ::new (place) gr::local<std::string>;
    const bool fresh = (*second)->empty();
    second->~local();
    if (!fresh) throw std::logic_error("it holds what the dead one held");
  }));
}

TEST_CASE("a local's destructor may use another local") {
  static gr::local<counted> used_late;
  struct at_end {
    bool armed = false;
    ~at_end() {
      if (armed) *used_late = counted(1);
    }
  };
  static gr::local<at_end> local;
  const unit::no_leaks watch;
  gr::runtime rt;
  CHECK(unit::on_green_thread(rt, [] { local->armed = true; }));
}

namespace {

std::vector<std::string>* trace_of_ends = nullptr;

struct reporter {
  const char* name;
  explicit reporter(const char* n) : name(n) {}
  ~reporter() { trace_of_ends->push_back(name + (": " + *text)); }
};
struct older : reporter {
  older() : reporter("older") {}
};
struct newer : reporter {
  newer() : reporter("newer") { *text += "!"; }
};
gr::local<older> first_made;
gr::local<newer> last_made;

// `text` is there before both, so it outlives both.
void use_locals() {
  *text = "text";
  first_made.get();
  last_made.get();
}

}  // namespace

TEST_CASE("locals are destroyed newest first, and a destructor may use those that are older") {
  std::vector<std::string> ends;
  trace_of_ends = &ends;
  const std::vector<std::string> wanted{"newer: text!", "older: text!"};
  SUBCASE("of an actor") {
    gr::runtime rt;
    CHECK(rt.spawn(use_locals).join());
    CHECK(ends == wanted);
  }
  SUBCASE("of an OS thread") {
    std::thread(use_locals).join();
    CHECK(ends == wanted);
  }
}

TEST_CASE("a local's destructor may use one that is gone or never was: it is made anew") {
  std::vector<std::string> ends;
  trace_of_ends = &ends;
  const auto work = [] {
    first_made.get();
    *text = "gone";  // younger, so it goes first
  };
  const std::vector<std::string> wanted{"older: "};
  SUBCASE("of an actor") {
    gr::runtime rt;
    CHECK(rt.spawn(work).join());
  }
  SUBCASE("of an OS thread") { std::thread(work).join(); }
  CHECK(ends == wanted);
}
