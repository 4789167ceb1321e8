// SPDX-License-Identifier: Apache-2.0
// Groups of actors: joined, left, walked, watched, and gone with their actors.
#include "unit_test.hpp"

#include <map>
#include <set>
#include <string>
#include <vector>

namespace {

struct say {
  int what;
};
struct other {};
struct heard {
  using reply = int;
};
struct show {
  using reply = std::string;
};

void guest(gr::mailbox<say, heard>& in) {
  int sum = 0;
  while (in.receive([&](say s) { sum += s.what; }, [&](heard) { return sum; })) {}
}

// Writes down who comes and goes: "+name -name".
struct watcher {
  using messages = gr::messages<gr::group_joined, gr::group_left, show>;
  std::string text;
  void on(const gr::group_joined& j) { text += std::string(" +") + j.name; }
  void on(const gr::group_left& l) { text += std::string(" -") + l.name; }
  std::string on(show) { return text; }
};

std::string shown(const gr::address<show>& to) { return to.ask(show{}, unit::long_time).value(); }

template <class... Ms>
void end(gr::address<Ms...>& a) {
  gr::detail::cell* c = gr::detail::access::cell_of(a);
  gr::detail::add_reference(c);
  a = {};
  CHECK(gr::detail::join_actor(c));
  gr::detail::drop_reference(c);
}

}  // namespace

TEST_CASE("a group's members are those who joined and did not leave or end") {
  gr::runtime rt({.workers = 1});
  const gr::groups groups = rt.groups();
  auto a = rt.spawn(guest);
  auto b = rt.spawn(guest);
  const auto c = rt.spawn([](gr::mailbox<other>& in) {
    while (in.receive([](other) {})) {}
  });
  CHECK(groups.members<say>("room").empty());
  REQUIRE(groups.join("room", a));
  REQUIRE(groups.join("room", b));
  REQUIRE(groups.join("room", b));  // once more counts once
  REQUIRE(groups.join("room", c));
  {
    const auto all = groups.members<say, heard>("room");
    REQUIRE(all.size() == 2);
    CHECK(all.begin()[0] == a);
    CHECK(all.begin()[1] == b);
    CHECK(groups.members<>("room").size() == 3);
    CHECK(*groups.members<other>("room").begin() == c);
  }
  CHECK(groups.leave("room", b));
  CHECK(groups.leave("room", b).error() == gr::error::closed);
  CHECK(groups.members<say>("room").size() == 1);
  end(a);
  CHECK(groups.members<say>("room").empty());
  CHECK(groups.join("room", b));
  CHECK(groups.members<say>("room").size() == 1);
}

TEST_CASE("a message to a group reaches each member that receives it") {
  gr::runtime rt({.workers = 1});
  std::vector<gr::address<say, heard>> all;
  for (int i = 0; i < 100; ++i) {
    all.push_back(rt.spawn(guest));
    REQUIRE(rt.groups().join("room", all.back()));
  }
  CHECK(rt.groups().send("room", say{3}) == 100);
  CHECK(rt.groups().send("room", other{}) == 0);
  CHECK(rt.groups().send("nobody", say{3}) == 0);
  for (const auto& one : all) CHECK(one.ask(heard{}, unit::long_time).value() == 3);
}

TEST_CASE("a watcher hears who is there, who comes and who goes, in order") {
  gr::runtime rt({.workers = 1});
  const gr::groups groups = rt.groups();
  auto a = rt.spawn({.name = "a"}, guest);
  auto b = rt.spawn({.name = "b"}, guest);
  auto c = rt.spawn({.name = "c"}, guest);
  REQUIRE(groups.join("room", a));
  REQUIRE(groups.join("room", b));
  REQUIRE(groups.join("another", c));
  const auto w = rt.spawn<watcher>();
  REQUIRE(groups.watch("room", w));
  REQUIRE(groups.watch("room", w));
  REQUIRE(groups.join("room", c));
  CHECK(groups.leave("room", a));
  end(b);
  CHECK(shown(w) == " +a +b +c -a -b");
  CHECK(groups.unwatch("room", w));
  CHECK(groups.unwatch("room", w).error() == gr::error::closed);
  end(c);
  CHECK(shown(w) == " +a +b +c -a -b");
}

TEST_CASE("a watcher's full mailbox misses nobody") {
  unit::gate begin;
  gr::runtime rt({.workers = 1});
  std::multiset<std::uint64_t> there;
  int seen = 0;
  auto w = rt.spawn({.capacity = 1}, [&](gr::mailbox<gr::group_joined, gr::group_left>& in) {
    CHECK(gr::watch_group("room", in));
    begin.wait_on_green_thread();
    while (seen < 200 && in.receive([&](const gr::group_joined& j) { there.insert(j.id), ++seen; },
                                    [&](const gr::group_left& l) {
                                      CHECK(there.erase(l.id) == 1);
                                      ++seen;
                                    })) {}
  });
  for (int i = 0; i < 100; ++i) {
    auto one = rt.spawn(guest);
    REQUIRE(rt.groups().join("room", one));
    end(one);
  }
  begin.open();
  CHECK(gr::detail::join_actor(gr::detail::access::cell_of(w)));
  CHECK(seen <= 200);
  CHECK(there.empty());
}

TEST_CASE("inside actors, groups are a matter of one call") {
  gr::runtime rt({.workers = 1});
  REQUIRE(unit::on_green_thread(rt, [] {
    const auto a = gr::spawn([](gr::mailbox<say, heard>& in) {
      CHECK(gr::join_group("room", in));
      guest(in);
    });
    unit::yield_until([] { return gr::members<say>("room").size() == 1; });
    CHECK(gr::send_to_group("room", say{2}) == 1);
    CHECK(a.ask(heard{}, unit::long_time).value() == 2);
    CHECK(gr::leave_group("room", a));
    CHECK(gr::members<say>("room").empty());
  }));
  CHECK_THROWS_AS((void)gr::members<say>("room"), std::logic_error);
}

TEST_CASE("a group's errors name it") {
  gr::runtime rt({.workers = 1});
  const gr::groups groups = rt.groups();
  const auto a = rt.spawn({.name = "a"}, guest);
  CHECK(std::string(groups.join("", a).error().text()) == "group: a name is empty");
  CHECK(std::string(groups.join(std::string(64, 'x'), a).error().text()) ==
        "group: a name of 64 bytes; 63 at most");
  CHECK(std::string(groups.leave("room", a).error().text()) ==
        "group: a (id " + std::to_string(a.id()) + ") is not in `room`");
  CHECK(groups.join(std::string(63, 'x'), a));
  CHECK(rt.shutdown(10ms).ok());
  CHECK(groups.join("room", a).error() == gr::error::shutdown);
  CHECK(groups.members<say>(std::string(63, 'x')).empty());
}

// Goal: each watcher hears of each coming before its going, of both once, and of all that it could
// hear of; and groups and ties go with the last actor. Method: actors on all workers are made, join
// some groups, leave or end, at random, while others walk the groups; watchers that came first
// count.
TEST_CASE("groups stand actors that come and go on all workers") {
  constexpr int threads = 4;
  constexpr int rounds = unit::scaled(4'000, 400);
  const std::uint32_t seed = unit::seed_of_this_run();
  INFO("GREENROOM_SEED=", seed);
  struct counting {
    using messages = gr::messages<gr::group_joined, gr::group_left>;
    std::atomic<int>& wrong;
    std::atomic<int>& left;
    std::set<std::uint64_t> there{};
    void on(const gr::group_joined& j) {
      if (!there.insert(j.id).second) ++wrong;
    }
    void on(const gr::group_left& l) {
      if (there.erase(l.id) != 1) ++wrong;
      ++left;
    }
    ~counting() { wrong += static_cast<int>(there.size()); }
  };
  std::atomic<int> wrong{0};
  std::atomic<int> left{0};
  std::atomic<int> joined{0};
  const std::string names[] = {"red", "green", "blue"};
  gr::runtime rt({.workers = 4, .dead_letter_log = gr::duration::max()});
  std::vector<gr::address<gr::group_joined, gr::group_left>> watchers;
  for (const std::string& name : names) {
    watchers.push_back(rt.spawn<counting>({.capacity = gr::unbounded}, wrong, left));
    REQUIRE(rt.groups().watch(name, watchers.back()));
  }
  std::vector<gr::green_thread> all;
  for (int t = 0; t < threads; ++t)
    all.push_back(rt.spawn([&, t] {
      std::minstd_rand random(seed + static_cast<std::uint32_t>(t));
      for (int i = 0; i < rounds; ++i) {
        auto one = gr::spawn(guest);
        for (const std::string& name : names) {
          if (random() % 2 == 0) continue;
          if (gr::join_group(name, one)) ++joined;
          if (random() % 4 == 0) gr::leave_group(name, one);
        }
        if (random() % 8 == 0) gr::send_to_group(names[random() % 3], say{1});
        if (random() % 8 == 0)
          for (const auto& member : gr::members<heard>(names[random() % 3]))
            if (!member) ++wrong;
      }
    }));
  for (auto& one : all) CHECK(one.join());
  // Who has no address any more is about to end.
  unit::yield_until([&] { return left == joined; });
  for (const std::string& name : names) CHECK(rt.groups().members<>(name).empty());
  watchers.clear();
  CHECK(rt.shutdown(unit::long_time).ok());
  CHECK(wrong == 0);
}
