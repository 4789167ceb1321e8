// SPDX-License-Identifier: Apache-2.0
// fair: how long others wait while w workers, without helpers, are never out of work. Beside w
// pairs that play ping-pong: a message from outside to a third actor, and the end of a sleep.
// Beside w actors whose mailboxes are never empty: a message from outside to another actor.
#include "workloads.hpp"

#include <atomic>
#include <chrono>
#include <string>
#include <string_view>
#include <utility>

namespace bench {
namespace {

constexpr auto pause = 1ms;

struct load {
  std::atomic<bool> over{false};
  std::atomic<std::int64_t> handled{0};
};

struct ball {};

void pong(gr::mailbox<ball>& in, gr::address<ball> back) {
  while (in.receive([&](ball b) { back.send(b); })) {}
}

void ping(gr::mailbox<ball>& in, load& l, gr::address<done> finished) {
  const gr::address<ball> other = gr::spawn(pong, in.address());
  while (!l.over) {
    other.send(ball{});
    in.receive([](ball) {});
    l.handled.fetch_add(2, std::memory_order_relaxed);
  }
  finished.send(done{});
}

// Sends itself a message for each it handles.
class never_done {
 public:
  using messages = gr::messages<ball>;
  never_done(load& l, gr::address<done> finished) : load_(l), finished_(std::move(finished)) {}
  void on(ball b) {
    load_.handled.fetch_add(1, std::memory_order_relaxed);
    if (load_.over) {
      finished_.send(done{});
      gr::self().stop();
    } else {
      gr::self().address<ball>().send(b);
    }
  }

 private:
  load& load_;
  gr::address<done> finished_;
};

void never_done_function(gr::mailbox<ball>& in, load& l, gr::address<done> finished) {
  const gr::address<ball> me = in.address();
  while (!l.over)
    in.receive([&](ball b) {
      l.handled.fetch_add(1, std::memory_order_relaxed);
      me.send(b);
    });
  finished.send(done{});
}

struct stamp {
  using reply = std::int64_t;  // when it was handled
};

struct clock_reader {
  using messages = gr::messages<stamp>;
  std::int64_t on(stamp) { return gr::clock::now().time_since_epoch().count(); }
};

// n messages from this OS thread, one after the other and a pause apart.
void measure_messages(gr::runtime& rt, std::int64_t n, histogram& waits) {
  const auto third = rt.spawn<clock_reader>();
  for (std::int64_t i = 0; i < n; ++i) {
    gr::sleep_for(pause);
    const auto sent = gr::clock::now();
    const auto handled = third.ask(stamp{}, 1h);
    if (!handled) fail(std::string("fair: ") + handled.error().text());
    waits.add(gr::time_point(gr::duration(*handled)) - sent);
  }
}

void measure_sleeps(gr::runtime& rt, std::int64_t n, histogram& late) {
  const gr::status ended = rt.spawn([&] {
                               for (std::int64_t i = 0; i < n; ++i) {
                                 const auto due = gr::clock::now() + pause;
                                 gr::sleep_until(due);
                                 late.add(gr::clock::now() - due);
                               }
                             }).join();
  check(ended.ok(), "fair: the sleeper ended badly");
}

// That no more workers may come when all are held up is what is wanted here.
gr::logger nobody_hears() {
  static constexpr gr::logger::operations how{[](void*, gr::log_level, std::string_view) {},
                                              nullptr, nullptr};
  return {nullptr, &how};
}

double ms(const histogram& h, double quantile) { return h.us(quantile) / 1e3; }

}  // namespace

void fair(const params& p) {
  const std::int64_t n = p("n");
  const std::int64_t w = p("w");
  const bool objects = p.form("object", "function");
  gr::runtime rt{{.workers = p.workers(), .threads_max = p.workers(), .logger = nobody_hears()}};
  histogram third, late, beside;
  double pair_rate = 0;
  {
    load l;
    const gate end(rt, w);
    stopwatch watch;
    for (std::int64_t i = 0; i < w; ++i)
      rt.spawn_detached([&l](gr::mailbox<ball>& in, gr::address<done> f) { ping(in, l, f); },
                        end.address());
    measure_messages(rt, n, third);
    measure_sleeps(rt, n, late);
    pair_rate = static_cast<double>(l.handled) / watch.ns() * 1e3;
    l.over = true;
    end.wait();
  }
  {
    load l;
    const gate end(rt, w);
    for (std::int64_t i = 0; i < w; ++i)
      if (objects)
        rt.spawn_detached<never_done>(l, end.address()).send(ball{});
      else
        rt.spawn_detached(
              [&l](gr::mailbox<ball>& in, gr::address<done> f) { never_done_function(in, l, f); },
              end.address())
            .send(ball{});
    measure_messages(rt, n, beside);
    check(l.handled > 0, "fair: the actor that is never done did nothing");
    l.over = true;
    end.wait();
  }
  out(p, ms(third, .99), "ms(p99)",
      "p50_ms=%.4f timer_p50_ms=%.4f timer_p99_ms=%.4f busy_p50_ms=%.4f busy_p99_ms=%.4f "
      "pair_mmsgs=%.1f",
      ms(third, .5), ms(late, .5), ms(late, .99), ms(beside, .5), ms(beside, .99), pair_rate);
}

}  // namespace bench
