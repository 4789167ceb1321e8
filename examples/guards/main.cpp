// SPDX-License-Identifier: Apache-2.0
// Guards against too much: a mailbox that says no when it is full, a rate limiter before it, and a
// circuit breaker before a service that is down. It prints "ok" when they did as they promise.
#include "circuit_breaker.hpp"
#include "rate_limiter.hpp"

#include <atomic>
#include <cstdio>
#include <cstdlib>

namespace gr = greenroom;
using namespace std::chrono_literals;

struct quote {
  using reply = double;
};
struct sample {
  int value;
};

static void expect(bool holds, const char* sentence) {
  if (holds) return;
  std::fprintf(stderr, "did not hold: %s\n", sentence);
  std::exit(1);
}

// Thirty calls at 1,000 per second, five at once: they take 25 ms at least.
static void limit_calls() {
  guards::rate_limiter limiter(1000, 5);
  const gr::time_point begin = gr::now();
  for (int i = 0; i < 30; ++i) limiter.acquire();
  expect(gr::now() - begin >= 24ms, "calls keep to their rate");
  guards::rate_limiter slow(0.001, 2);
  expect(slow.try_acquire() && slow.try_acquire(), "a burst may pass");
  expect(!slow.try_acquire() && !slow.acquire_until(gr::now() + 1ms), "more than that may not");
}

// A service that fails, then recovers.
static void break_circuit() {
  std::atomic<bool> works{false};
  std::atomic<int> calls{0};
  auto service = gr::spawn([&](gr::mailbox<quote>& in) {
    while (in.receive([&](quote, gr::promise<double> answer) {
      ++calls;
      if (works) answer.set(1.5);  // else the promise is dropped, and the ask fails at once
    })) {}
  });
  guards::circuit_breaker breaker(3, 20ms);
  const auto ask = [&] { return breaker.call([&] { return service.ask(quote{}, 10s); }); };
  for (int i = 0; i < 3; ++i) expect(!ask(), "a service that is down fails");
  works = true;
  expect(breaker.is_open(), "the circuit opens");
  for (auto answer = ask(); !answer; answer = ask()) {
    expect(answer.error() == gr::error::refused, "an open circuit refuses");
    gr::sleep_for(1ms);
  }
  expect(calls == 4 && !breaker.is_open(), "one call tries, and the circuit closes");
}

// A meter that is interested in the last samples only.
static void watch_mailbox() {
  std::atomic<bool> may_read{false}, over{false};
  int sum = 0;
  // [watched]
  std::atomic<int> lost{0};
  std::atomic<bool> is_behind{false};
  auto count = [&](const gr::dropped_message&) { ++lost; };
  auto fills = [&] { is_behind = true; };
  auto recovers = [&] { is_behind = false; };
  const auto meter = [&](gr::mailbox<sample>& in) {
    while (!may_read) gr::yield();
    while (in.receive([&](sample s) { sum += s.value; })) {}
    over = true;
  };
  auto to = gr::spawn({.capacity = 8,
                       .overload = gr::overload::drop_oldest,
                       .on_dropped = count,
                       .marks = {.high = 6, .low = 2, .on_high = fills, .on_low = recovers}},
                      meter);
  for (int i = 1; i <= 20; ++i) to.send(sample{i});  // 1 to 12 make room for the others
  // [/watched]
  expect(lost == 12 && is_behind, "what is too much is dropped, and told");
  may_read = true;
  to = {};
  while (!over) gr::yield();
  expect(sum == 13 + 14 + 15 + 16 + 17 + 18 + 19 + 20, "the last ones are handled");
  expect(!is_behind, "the mailbox has recovered, and tells it");
}

int main() {
  return gr::run([] {
    limit_calls();
    break_circuit();
    watch_mailbox();
    std::puts("ok");
  });
}
