// SPDX-License-Identifier: Apache-2.0
// Asks within asks, in any shape that is no circle, and never is one called a deadlock: trees,
// locks held meanwhile, full mailboxes, deadlines and cancels, and promises that others keep while
// two wait for each other. GREENROOM_NESTED_ASKS=100000 makes it short.
#include "stress.hpp"

#include <cstdlib>
#include <memory>
#include <mutex>
#include <utility>

using stress::random_stream;
using stress::verdict;

namespace {

struct deep {
  using reply = int;
};
struct swap_with {  // the asked one gives the promise away and asks the asker
  using reply = int;
};
struct ping {
  using reply = int;
};
struct carry {
  gr::promise<int> answer;
};
struct note {};

constexpr std::uint32_t levels = 5;
constexpr std::uint32_t wide = 4;
constexpr std::uint32_t servers = levels * wide;

struct world {
  std::atomic<long> asks{0}, answered{0}, gave_up{0};
  verdict wrong;
  gr::address<deep, note> all[servers];
  gr::mutex locks[levels];

  template <class R>
  bool count(const R& got) {
    ++asks;
    if (got) {
      ++answered;
      return true;
    }
    const auto code = got.error().code();
    wrong.expect(code != gr::error::deadlock, "an ask is in no circle");
    wrong.expect(
        code == gr::error::deadlock || code == gr::error::timeout || code == gr::error::cancelled,
        "an ask that failed has timed out or was cancelled");
    ++gave_up;
    return false;
  }
};

gr::time_point some_deadline(random_stream& random) {
  switch (random.below(32)) {
    case 0: return gr::deadline_after(20us);
    case 1: return gr::never;
    default: return gr::deadline_after(120s);
  }
}

// Asks only those of later levels, so there is no circle whatever the others do.
struct server {
  using messages = gr::messages<deep, note>;
  world& all;
  std::uint32_t number;
  random_stream random{number};

  void ask_further() {
    const std::uint32_t next = (number / wide + 1) * wide;
    if (next >= servers) return;
    const std::uint32_t to = next + random.below(servers - next);
    if (random.below(4) == 0) (void)all.all[next + random.below(wide)].send(note{});
    all.count(all.all[to].ask_until(deep{}, some_deadline(random)));
  }
  int on(deep) {
    switch (random.below(6)) {
      case 0: break;
      case 1: {
        const std::lock_guard hold(all.locks[number / wide]);
        ask_further();
        break;
      }
      case 2: ask_further(); [[fallthrough]];
      default: ask_further();
    }
    return 1;
  }
  void on(note) {}
};

void client(world& all, std::uint32_t number, long asks_wanted) {
  random_stream random(1000 + number);
  while (all.asks.load(std::memory_order_relaxed) < asks_wanted) {
    const std::uint32_t to = random.below(servers);
    all.count(all.all[to].ask_until(deep{}, some_deadline(random)));
  }
}

// One of a pair asks; the other gives the promise to a helper and asks back: both wait for each
// other for a while, and it is no circle, for the helper answers.
void pair_of(world& all, std::uint32_t number, long asks_wanted) {
  random_stream random(2000 + number);
  auto helper = gr::spawn([number](gr::mailbox<carry>& in) {
    random_stream pauses(3000 + number);
    while (in.receive([&](carry c) {
      for (std::uint32_t i = pauses.below(8); i != 0; --i) gr::yield();
      c.answer.set(1);
    })) {}
  });
  struct ends {
    gr::address<ping, swap_with> asker;
  };
  auto known = std::make_shared<ends>();
  auto asked = gr::spawn([&all, helper, known](gr::mailbox<swap_with, ping>& in) {
    while (in.receive(
        [&](swap_with, gr::promise<int> answer) {
          helper.send(carry{std::move(answer)});
          all.count(known->asker.ask(ping{}, 120s));
        },
        [](ping) { return 1; })) {}
  });
  auto asker = gr::spawn([&all, asked](gr::mailbox<ping, swap_with>& in) {
    while (in.receive([](ping) { return 1; },
                      [&](swap_with) {
                        all.count(asked.ask(swap_with{}, 120s));
                        return 1;
                      })) {}
  });
  known->asker = asker;
  while (all.asks.load(std::memory_order_relaxed) < asks_wanted) {
    all.count(asker.ask(swap_with{}, 120s));
    all.count(asked.ask(ping{}, 120s));  // it is through with asking back
  }
  known->asker = {};
}

long asks_to_make() {
  const char* wish = std::getenv("GREENROOM_NESTED_ASKS");
  return wish != nullptr ? std::atol(wish) : stress::scaled(1'000'000, 20'000);
}

}  // namespace

// Goal: no ask, send or lock is ever called a deadlock that is none. Method: many nested ones at
// random on four workers; each must come back with an answer, or with its deadline.
TEST_CASE("a million nested asks, none of them in a circle: none is called a deadlock") {
  const long wanted = asks_to_make();
  world all;
  gr::runtime rt({.workers = 4});
  for (std::uint32_t i = 0; i < servers; ++i)
    all.all[i] = rt.spawn<server>({.capacity = i % 3 == 0 ? 2u : 64u}, all, i);
  stress::group clients;
  for (std::uint32_t i = 0; i < 12; ++i)
    clients.spawn(rt, [&all, i, wanted] { client(all, i, wanted); });
  for (std::uint32_t i = 0; i < 4; ++i)
    clients.spawn(rt, [&all, i, wanted] { pair_of(all, i, wanted); });
  // Some that are cancelled again and again.
  random_stream random(1);
  while (all.asks.load(std::memory_order_relaxed) < wanted) {
    const gr::green_thread victim = rt.spawn([&all, wanted] { client(all, 99, wanted); });
    for (std::uint32_t i = random.below(64); i != 0; --i) std::this_thread::yield();
    victim.cancel();
    (void)victim.join();
  }
  CHECK(clients.join());
  all.wrong.report();
  CHECK(all.asks >= wanted);
  CHECK(rt.dead_letters().deadlock == 0);
  MESSAGE("asks answered: ", all.answered.load(), ", given up: ", all.gave_up.load());
  for (auto& each : all.all) each = {};
}
