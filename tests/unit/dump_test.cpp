// SPDX-License-Identifier: Apache-2.0
// Dumps: who is in them, in which state, with what in the mailbox; stacks in groups; workers that
// are stuck.
#include "unit_test.hpp"

#include <algorithm>
#include <string>
#include <string_view>
#include <sys/socket.h>
#include <unistd.h>
#include <vector>

using unit::gate;

// Not in a namespace, for their names are read here.
struct dt_item {};
struct dt_totals {
  using reply = int;
};

namespace {

struct resting {
  using messages = gr::messages<dt_item>;
  void on(dt_item) {}
};

const gr::dump_actor* find(const gr::runtime_dump& d, std::string_view name) {
  for (const gr::dump_actor& one : d.actors())
    if (name == one.name) return &one;
  return nullptr;
}

// Dumps until one shows what is expected: else the test ends by its time limit.
template <class Holds>
gr::runtime_dump dump_when(const gr::runtime& rt, Holds&& holds) {
  for (;;) {
    gr::runtime_dump d = rt.dump();
    if (holds(d)) return d;
    gr::yield();
  }
}

gr::runtime_dump dump_when_in(const gr::runtime& rt, std::string_view name, gr::actor_state state) {
  return dump_when(rt, [&](const gr::runtime_dump& d) {
    const gr::dump_actor* one = find(d, name);
    return one != nullptr && one->state == state;
  });
}

bool has_text(const gr::runtime_dump& d, std::string_view part) {
  return std::string_view(d.text()).find(part) != std::string_view::npos;
}

}  // namespace

TEST_CASE("a dump names all actors, what they wait for and on whom, and what is in mailboxes") {
  gate door;
  gr::runtime rt({.workers = 2, .name = "pricing"});
  auto object = rt.spawn<resting>({.name = "object"});
  auto idle = rt.spawn({.name = "function"}, [](gr::mailbox<dt_item>& in) {
    while (in.receive([](dt_item) {})) {}
  });
  const auto deaf = [&](gr::mailbox<dt_item, dt_totals>& in) {
    door.wait_on_green_thread();
    while (in.receive([](dt_item) {}, [](dt_totals) { return 1; })) {}
  };
  auto ledger = rt.spawn_detached({.name = "ledger", .capacity = 3}, deaf);
  auto unlimited = rt.spawn({.name = "unlimited", .capacity = gr::unbounded}, deaf);
  for (int i = 0; i < 3; ++i) ledger.send(dt_item{});
  for (int i = 0; i < 3; ++i) unlimited.send(dt_item{});
  auto asker = rt.spawn({.name = "report/1"}, [ledger] { (void)ledger.ask(dt_totals{}, 24h); });
  auto sleeper = rt.spawn({.name = "sleeper"}, [] { gr::sleep_for(24h); });
  dump_when_in(rt, "report/1", gr::actor_state::waits);
  dump_when_in(rt, "function", gr::actor_state::rests);
  const gr::runtime_dump d = dump_when_in(rt, "sleeper", gr::actor_state::waits);

  REQUIRE(d.actors().size() == 6);
  CHECK(d.totals().actors == 6);
  CHECK(d.totals().messages == 4);
  CHECK(d.workers().size() >= 2);
  CHECK(std::string_view(d.actors()[0].name) == "ledger");  // the fullest
  const auto row = [&](const char* name) {
    const gr::dump_actor* one = find(d, name);
    REQUIRE(one != nullptr);
    return *one;
  };
  CHECK(row("object").state == gr::actor_state::rests);
  CHECK(row("object").group == gr::no_group);
  CHECK(row("object").addresses == 1);
  CHECK(row("function").state == gr::actor_state::rests);
  CHECK(std::string_view(row("function").waits) == "receive");
  CHECK(row("ledger").messages == 3);
  CHECK_FALSE(row("ledger").more_messages);
  CHECK(row("ledger").detached);
  CHECK(row("ledger").addresses == 3);  // here, in report/1, and its own
  CHECK(row("unlimited").messages == 1);
  CHECK(row("unlimited").more_messages);
  CHECK(std::string_view(row("report/1").waits) == "ask `dt_totals` to ledger");
  CHECK(std::string_view(row("sleeper").waits) == "sleep");
  CHECK(row("sleeper").addresses == 0);
  CHECK(row("sleeper").id == sleeper.id());
  CHECK(has_text(d, "greenroom: dump of runtime pricing: 6 actors, 4 messages in mailboxes"));
  CHECK(has_text(d, "): waits: ask `dt_totals` to ledger"));
  CHECK(has_text(d, "3 messages, 3 addresses, detached\n"));

  unit::log_book log;
  d.write(log.logger(), 2);
  CHECK(log.has("dump of runtime pricing"));
  CHECK(log.has("ledger (id "));
  CHECK(log.has("and 4 more"));
  CHECK_FALSE(log.has("sleeper (id " + std::to_string(sleeper.id()) + "): waits"));
  door.open();
  sleeper.cancel();
}

TEST_CASE("a thousand green threads in the same wait are one group of a thousand") {
  constexpr std::size_t n = 1000;
  gr::runtime rt({.workers = 2});
  std::vector<gr::green_thread> all;
  for (std::size_t i = 0; i < n; ++i)
    all.push_back(rt.spawn({.name = "sleeper/" + std::to_string(i)}, [] { gr::sleep_for(24h); }));
  auto other = rt.spawn({.name = "other"}, [](gr::mailbox<dt_item>& in) {
    while (in.receive([](dt_item) {})) {}
  });
  const gr::runtime_dump d = dump_when(rt, [](const gr::runtime_dump& some) {
    std::size_t waiting = 0;
    for (const gr::dump_actor& one : some.actors()) waiting += one.group != gr::no_group;
    return waiting == n + 1;
  });
  REQUIRE(d.groups().size() == 2);
  const gr::dump_group& g = d.groups()[0];
  CHECK(g.size == n);
  CHECK(g.state == gr::actor_state::waits);
  CHECK(std::string_view(g.waits) == "sleep");
  CHECK(g.frames > 0);
  CHECK(d.groups()[1].size == 1);
  CHECK(d.groups()[1].state == gr::actor_state::rests);
  std::size_t of_it = 0;
  for (const gr::dump_actor& one : d.actors()) of_it += one.group == 0;
  CHECK(of_it == n);
  CHECK(find(d, "other")->group == 1);
  CHECK(has_text(d, "1,000 green threads wait in sleep: sleeper/0 (id "));
  CHECK(has_text(d, ", and 994 more\n"));
  CHECK(has_text(d, "1 green thread rests in receive: other (id "));
  for (const auto& each : all) each.cancel();
}

#if defined(__x86_64__) || defined(__aarch64__)
// The functions have names of their own, which the program's symbol table has.
GREENROOM_NOINLINE void dt_inner() {
  gr::sleep_for(24h);
  asm volatile("");  // no jump at the end
}
GREENROOM_NOINLINE void dt_outer() {
  dt_inner();
  asm volatile("");
}

TEST_CASE("frames of a parked stack are named, innermost first") {
  std::string frames;
  gr::runtime rt({.workers = 1});
  auto sleeper = rt.spawn({.name = "deep"}, [] { dt_outer(); });
  // It says that it waits a moment before it leaves its stack, which is in no group until then.
  const gr::runtime_dump d =
      dump_when(rt, [](const gr::runtime_dump& one) { return one.groups().size() == 1; });
  for (std::size_t i = 0; i < d.groups()[0].frames; ++i)
    frames.append(d.groups()[0].frame[i]).push_back('\n');
  CAPTURE(frames);
  const std::size_t inner = frames.find("dt_inner()");
  const std::size_t outer = frames.find("dt_outer()");
  CHECK(inner != std::string::npos);
  CHECK(outer != std::string::npos);
  CHECK(inner < outer);
  CHECK(frames.find("run_loop") == std::string::npos);
  sleeper.cancel();
}
#endif

// Goal: a dump comes, and names who keeps the workers, while all of them are stuck. Method: one
// worker spins, the other one is blocked in a system call, and no third thread may join.
TEST_CASE("a dump comes while every worker is stuck, and names who keeps them") {
  std::atomic<bool> over{false};
  int ends[2];
  REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
  unit::log_book log;
  gr::runtime rt({.workers = 2, .threads_max = 2, .logger = log.logger()});
  auto spins = rt.spawn({.name = "spinner"}, [&] {
    while (!over.load(std::memory_order_relaxed)) {}
  });
  auto blocks = rt.spawn({.name = "reader"}, [&] {
    char c;
    (void)!::read(ends[0], &c, 1);
  });
  const auto on_worker = [](const gr::runtime_dump& some, std::string_view name) {
    return std::find_if(some.workers().begin(), some.workers().end(),
                        [&](const gr::dump_worker& w) { return name == w.runs; });
  };
  dump_when(rt, [&](const gr::runtime_dump& some) {
    return on_worker(some, "spinner") != some.workers().end() &&
           on_worker(some, "reader") != some.workers().end();
  });
  auto waits = rt.spawn({.name = "starved"}, [] {});
  const gr::runtime_dump d = dump_when(rt, [&](const gr::runtime_dump& some) {
    return std::all_of(some.workers().begin(), some.workers().end(),
                       [](const gr::dump_worker& w) { return w.stuck && w.busy >= 5ms; });
  });
  REQUIRE(d.workers().size() == 2);
  const gr::dump_worker& spinner = *on_worker(d, "spinner");
  const gr::dump_worker& reader = *on_worker(d, "reader");
  CHECK(spinner.id == spins.id());
  CHECK(std::string_view(spinner.doing) == "computing");
  CHECK(std::string_view(reader.doing).starts_with("blocked in system call"));
  CHECK(find(d, "spinner")->state == gr::actor_state::runs);
  CHECK(find(d, "starved")->state == gr::actor_state::runnable);
  CHECK(has_text(d, "runs spinner (id "));
  CHECK(has_text(d, ", stuck, blocked in system call"));
  over = true;
  CHECK(::write(ends[1], "x", 1) == 1);
  waits.join();
  blocks.join();
  ::close(ends[0]);
  ::close(ends[1]);
}

TEST_CASE("an actor may make a dump, also on the smallest stack, and is in it") {
  std::string text;
  gr::runtime rt({.workers = 1});
  gr::actor_state state{};
  auto maker = rt.spawn({.name = "maker"}, [&] {
    const gr::runtime_dump d = rt.dump();
    text = d.text();
    state = find(d, "maker")->state;
  });
  CHECK(maker.join());
  CAPTURE(text);
  CHECK(state == gr::actor_state::runs);
  CHECK(text.find("runs maker (id ") != std::string::npos);
  CHECK(text.find("taking this dump") != std::string::npos);
}

TEST_CASE("a runtime that has shut down says so in its dump") {
  gr::runtime rt({.workers = 1, .name = "gone"});
  (void)rt.shutdown(unit::long_time);
  const gr::runtime_dump d = rt.dump();
  CHECK(std::string_view(d.text()) == "greenroom: runtime gone has shut down\n");
  CHECK(d.actors().empty());
  CHECK(d.workers().empty());
}
