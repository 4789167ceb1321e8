// SPDX-License-Identifier: Apache-2.0
// Dumps while all that they look at changes.
#include "unit_test.hpp"

#include "core/dump.hpp"

#include <algorithm>
#include <atomic>
#include <string>
#include <thread>
#include <vector>

struct dr_number {
  using reply = int;
  int value;
};
struct dr_go {};

namespace {

// Each dump must hold together: rows, groups and sums say the same.
bool holds_together(const gr::runtime_dump& d) {
  std::vector<std::size_t> sizes(d.groups().size());
  std::size_t messages = 0;
  for (const gr::dump_actor& one : d.actors()) {
    messages += one.messages;
    if (*one.name == '\0' || (one.group != gr::no_group && one.group >= sizes.size())) return false;
    if (one.group != gr::no_group) ++sizes[one.group];
  }
  bool same = messages == d.totals().messages && d.actors().size() == d.totals().actors;
  for (std::size_t i = 0; i < sizes.size(); ++i) same = same && sizes[i] == d.groups()[i].size;
  return same;
}

}  // namespace

// Goal: a dump harms nobody and holds together, whatever goes on. Method: actors ask each other,
// receive with and without a deadline, sleep, come and go, on several workers, while two OS threads
// and an actor make dumps.
TEST_CASE("dumps hold together while actors come, wait, run and go") {
  const int rounds = unit::scaled(40, 10);
  std::atomic<bool> over{false};
  std::atomic<long> asked{0}, wrong{0};
  gr::runtime rt({.workers = 3, .report_stuck_after = gr::duration::max()});
  auto service = rt.spawn({.name = "service"}, [](gr::mailbox<dr_number, dr_go>& in) {
    while (in.receive([](dr_number n) { return n.value + 1; }, [](dr_go) {})) {}
  });
  std::vector<gr::green_thread> all;
  for (int i = 0; i < 4; ++i) {
    all.push_back(rt.spawn({.name = "asker/" + std::to_string(i)}, [&, service] {
      while (!over) {
        const auto answer = service.ask(dr_number{1}, 10s);
        if (answer) asked += *answer == 2;
      }
    }));
    all.push_back(rt.spawn({.name = "parent/" + std::to_string(i)}, [&] {
      while (!over) {
        auto child = gr::spawn([](gr::mailbox<dr_go>& in) {
          for (int n = 0; n < 3; ++n) (void)in.receive_for(100us, [](dr_go) {});
        });
        child.send(dr_go{});
        gr::spawn([] { gr::sleep_for(1us); }).join();
      }
    }));
  }
  const auto dump = [&] {
    for (int i = 0; i < rounds; ++i) wrong += !holds_together(rt.dump());
  };
  std::thread other(dump);
  auto actor = rt.spawn({.name = "dumper"}, dump);
  dump();
  other.join();
  actor.join();
  unit::yield_until([&] { return asked > 0; });
  over = true;
  for (const auto& each : all) CHECK(each.join());
  CHECK(wrong == 0);
}

// Goal: stacks are whole although their owners run all the time. Method: pairs of green threads
// that talk have, whenever they rest, the frames that they have at any rest; a torn copy would make
// others.
TEST_CASE("stacks that come and go are seen whole") {
  const int rounds = unit::scaled(200, 30);
  constexpr int pairs = 64;
  std::atomic<bool> over{false};
  std::string listed;
  gr::runtime rt({.workers = 2, .report_stuck_after = gr::duration::max()});
  std::vector<gr::green_thread> talkers;
  for (int i = 0; i < pairs; ++i) {
    auto echo = rt.spawn({.name = "echo"}, [](gr::mailbox<dr_number>& in) {
      while (in.receive([](dr_number n) { return n.value; })) {}
    });
    talkers.push_back(rt.spawn({.name = "talker"}, [&, echo] {
      while (!over) (void)echo.ask(dr_number{1}, 10s);
    }));
  }
  std::vector<std::string> places;
  for (int i = 0; i < rounds; ++i) {
    const gr::runtime_dump d = rt.dump();
    for (const gr::dump_group& g : d.groups()) {
      std::string place = g.waits;
      for (std::size_t f = 0; f < g.frames; ++f) place.append("\n").append(g.frame[f]);
      if (std::find(places.begin(), places.end(), place) == places.end()) places.push_back(place);
    }
  }
  over = true;
  for (const auto& each : talkers) CHECK(each.join());
  for (const std::string& p : places) listed += p + "\n\n";
  CAPTURE(listed);
  // A talker waits in one ask. An echo rests at the two places where a receive does, of which the
  // compiler may have made copies. Each stack that is torn would be one more.
  constexpr std::size_t places_max = 5;
  CHECK(places.size() <= places_max);
}

// Goal: a copy that was made while the actor went on is not used. Method: the caller's word that it
// rests is taken back after each copy.
TEST_CASE("a stack whose owner has gone on meanwhile is not shown") {
  gr::runtime rt({.workers = 1});
  auto echo = rt.spawn({.name = "echo"}, [](gr::mailbox<dr_number>& in) {
    while (in.receive([](dr_number n) { return n.value; })) {}
  });
  gr::detail::cell* const c = gr::detail::access::cell_of(echo);
  unit::yield_until([&] { return gr::detail::rests_on_stack(c); });
  gr::detail::stack_looks looks;
  gr::detail::code_frames frames;
  std::uint64_t number = 1;
  CHECK(looks.read(c, gr::detail::rests_on_stack, frames, number));
  CHECK(number == 0);
  CHECK(frames.depth > 1);
  static int asked;
  asked = 0;
  CHECK_FALSE(
      looks.read(c, [](const gr::detail::task*) { return ++asked % 2 == 1; }, frames, number));
  CHECK(asked > 1);
}
