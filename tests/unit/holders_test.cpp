// SPDX-License-Identifier: Apache-2.0
// The pieces of a dump that other reports use: one actor's stack, who holds its address, and since
// when it waits.
#include "unit_test.hpp"

#include "core/dump.hpp"

#include <atomic>
#include <cstdlib>
#include <memory>
#include <string>

struct ht_item {};

namespace {

struct room {
  using messages = gr::messages<ht_item>;
  explicit room(gr::address<ht_item> member) : member_(std::move(member)) {}
  void on(ht_item) {}

 private:
  gr::address<ht_item> member_;
};

gr::detail::cell* cell_of(const auto& address) { return gr::detail::access::cell_of(address); }

std::string stack_of(const auto& address) {
  char text[1024];
  gr::detail::stack_of(cell_of(address), text, sizeof text);
  return text;
}

std::string holders_of(const auto& address) {
  char text[512];
  gr::detail::holders_of(cell_of(address), text, sizeof text);
  return text;
}

auto listener(gr::runtime& rt, const char* name) {
  return rt.spawn({.name = name}, [](gr::mailbox<ht_item>& in) {
    while (in.receive([](ht_item) {})) {}
  });
}

bool rests(const auto& address) { return gr::detail::rests_on_stack(cell_of(address)); }

}  // namespace

TEST_CASE("who holds an address is found in objects and on stacks, and the rest is counted") {
  gr::runtime rt({.workers = 1});
  auto target = listener(rt, "target");
  CHECK(holders_of(target) == "held by: 1 not found");
  auto holder = rt.spawn<room>({.name = "room/3"}, target);
  CHECK(holders_of(target) == "held by: room/3 (in its object), and 1 other not found");
  auto on_stack = rt.spawn({.name = "main"}, [&] {
    const gr::address<ht_item> mine = target;
    asm volatile("" : : "r"(&mine) : "memory");
    gr::sleep_for(24h);
    mine.send(ht_item{});
  });
  // In the order of their cells.
  const auto says = [&](const char* rest) {
    const std::string found = holders_of(target);
    return found == std::string("held by: room/3 (in its object), main (on its stack)") + rest ||
           found == std::string("held by: main (on its stack), room/3 (in its object)") + rest;
  };
  unit::yield_until([&] { return says(", and 1 other not found"); });
  const auto elsewhere = std::make_unique<gr::address<ht_item>>(target);
  CHECK(says(", and 2 others not found"));
  auto alone = rt.spawn_detached({.name = "alone"}, [](gr::mailbox<ht_item>& in) {
    while (in.receive([](ht_item) {})) {}
  });
  CHECK(holders_of(alone) == "held by: itself (detached), and 1 other not found");
  on_stack.cancel();
}

TEST_CASE("the stack of one actor is told in a line, whether it waits or runs") {
  std::atomic<bool> over{false}, runs{false};
  gr::runtime rt({.workers = 1, .report_stuck_after = gr::duration::max()});
  auto resting = listener(rt, "resting");
  unit::yield_until([&] { return rests(resting); });
  CHECK(stack_of(resting).find("+0x") != std::string::npos);
  auto object = rt.spawn<room>(gr::address<ht_item>{});
  CHECK(stack_of(object).empty());
  auto spinner = rt.spawn([&](gr::mailbox<ht_item>&) {
    runs = true;
    while (!over.load(std::memory_order_relaxed)) {}
  });
  unit::yield_until([&] { return runs.load(); });
#if !defined(GREENROOM_TSAN)  // where signals come late
  // An emulator interrupts nobody.
  if (std::getenv("GREENROOM_EMULATED") == nullptr)
    unit::yield_until([&] { return stack_of(spinner).find("+0x") != std::string::npos; });
#endif
  over = true;
}

// Looks are made by hand, at times that the clock gives.
TEST_CASE("how long an actor waits, and its oldest message, is known from look to look") {
  gr::runtime rt({.workers = 1});
  gr::detail::wait_samples samples;
  auto deaf = rt.spawn({.name = "deaf"}, [&](gr::mailbox<ht_item>& in) {
    gr::sleep_for(24h);
    in.receive([](ht_item) {});
  });
  gr::detail::cell* const c = cell_of(deaf);
  const auto waits = [&] { return gr::detail::whereabouts_of(c); };
  unit::yield_until([&] { return gr::detail::look_at_wait(c).number != 0; });
  const auto look = [&] {
    bool more = samples.look(gr::detail::home_of(c), gr::detail::trim::begin_with_all);
    while (more) more = samples.look(gr::detail::home_of(c), gr::detail::trim::go_on);
  };
  const auto clock = [] { return gr::now().time_since_epoch().count(); };

  CHECK(samples.find(c, waits()).since_ns == 0);  // nobody has looked
  const std::int64_t first = clock();
  look();
  const std::int64_t second = clock();
  const auto empty = samples.find(c, waits());
  CHECK(empty.since_ns >= first);
  CHECK(empty.since_ns <= second);
  CHECK(empty.messages_since_ns == 0);
  deaf.send(ht_item{});
  look();
  const auto full = samples.find(c, waits());
  CHECK(full.since_ns == empty.since_ns);
  CHECK(full.messages_since_ns >= second);
  deaf.send(ht_item{});
  look();
  CHECK(samples.find(c, waits()).messages_since_ns == full.messages_since_ns);
  auto other = waits();
  other.number += 16;  // the next wait of the same green thread
  CHECK(samples.find(c, other).since_ns == 0);
  gr::detail::cancel_actor(c);
}
