// SPDX-License-Identifier: Apache-2.0
// Channels and their kin, select, and structured concurrency, with each allocation failing.
#include "scenario.hpp"

#include <greenroom/stop_token.hpp>

#include <cstring>

namespace {

using faults::attempt;
using faults::expect;
using faults::tracked;
using code = gr::error;

// Runs it on a green thread with the failures of that plan.
template <class Body>
void on_a_green_thread(const faults::plan& p, Body&& body) {
  gr::runtime rt(faults::options(1));
  {
    const faults::armed on(p.how, p.at);
    gr::green_thread all;
    attempt("spawn", [&] { all = rt.spawn(body); });
    expect("join", all ? all.join() : gr::status(), {code::no_memory, code::failed});
  }
  faults::must(rt.shutdown(20s).ok(), "everybody ends");
  faults::must(rt.actors() == 0, "nobody is left");
}

template <class Unsent>
void tolerate(const char* what, const Unsent& sent) {
  if (!sent) expect(what, sent.error().why, {code::no_memory, code::closed, code::full});
}
template <class Value>
void may_miss(const char* what, const Value& got) {
  if (!got)
    expect(what, got.error(),
           {code::no_memory, code::closed, code::empty, code::dropped, code::lagged});
}

void channels() {
  attempt("channel", [] {
    auto [tx, rx] = gr::channel<tracked>(gr::unbounded);
    for (int i = 0; i < 40; ++i) attempt("send", [&] { tolerate("send", tx.send(tracked(i))); });
    for (int i = 0; i < 10; ++i) may_miss("try_receive", rx.try_receive());
    auto other = tx;
    gr::green_thread child = gr::spawn([to = std::move(other)] {
      attempt("send", [&] { tolerate("send", to.send(tracked(1))); });
    });
    if (child) (void)child.join();
    attempt("select", [&] {
      gr::select(rx.on([](tracked) {}), tx.on(tracked(5), [] {}), gr::otherwise([] {}));
    });
  });
  attempt("channel of small values", [] {
    auto [tx, rx] = gr::channel<int>(0);
    gr::green_thread child = gr::spawn([to = std::move(tx)] { (void)to.send_for(20s, 7); });
    if (child) may_miss("receive", rx.receive_for(20s));
  });
}

void kin_of_channels() {
  attempt("oneshot", [] {
    auto [tx, rx] = gr::oneshot<tracked>();
    tolerate("send", tx.send(tracked(1)));
    gr::oneshot_receiver<tracked> mine = std::move(rx);
    { gr::oneshot_sender<tracked> gone = std::move(tx); }
    may_miss("receive", mine.receive());
  });
  attempt("watch", [] {
    auto [tx, rx] = gr::watch(tracked(1));
    tolerate("send", tx.send(tracked(2)));
    (void)rx.get();
  });
  attempt("broadcast", [] {
    auto tx = gr::broadcast<tracked>(4, gr::slow::drop_oldest);
    auto rx = tx.subscribe();
    auto second = tx.subscribe();
    for (int i = 0; i < 6; ++i) tolerate("send", tx.send(tracked(i)));
    for (int i = 0; i < 3; ++i) {
      may_miss("receive", rx.try_receive());
      may_miss("receive", second.try_receive());
    }
  });
  attempt("work queue", [] {
    auto [tx, rx] = gr::work_queue<tracked>(8);
    auto tx2 = tx;
    auto rx2 = rx;
    for (int i = 0; i < 4; ++i) {
      tolerate("send", tx.try_send(tracked(i)));
      tolerate("send", tx2.try_send(tracked(i)));
    }
    for (int i = 0; i < 5; ++i) may_miss("receive", rx2.try_receive());
  });
}

void sets() {
  attempt("select_set", [] {
    auto [tx, rx] = gr::channel<tracked>(4);
    gr::select_set set;
    int got = 0;
    set.add(rx.on([&](tracked) { ++got; }));
    set.add(tx.on(tracked(3), [] {}));
    (void)set.wait_for(20s);
    (void)set.wait_for(20s);
  });
}

void structure() {
  attempt("scope", [] {
    gr::scope children;
    const tracked shared(1);
    for (int i = 0; i < 4; ++i)
      children.spawn(
          {.name = "a child with quite a long name for a string"},
          [&shared, mine = tracked(i)](const tracked& given) {
            const tracked copy = shared;
            gr::yield();
            faults::must(copy.value() == 1 && given.value() == 4, "values are whole");
          },
          tracked(4));
    children.join();
  });
  attempt("gather", [] {
    auto [a, b] = gr::gather([] { return tracked(1); }, [] { return tracked(2); });
    faults::must(!a || a->value() == 1, "results are whole");
    faults::must(!b || b->value() == 2, "results are whole");
  });
  attempt("race", [] {
    auto first = gr::race([] { return tracked(1); }, [] { return tracked(2); });
    faults::must(!first || first->value() > 0, "results are whole");
  });
  attempt("with_deadline", [] {
    const gr::status in_time = gr::with_deadline(20s, [] {
      gr::mutex m;
      const std::lock_guard guard(m);
      gr::semaphore s(1);
      s.acquire();
      s.release();
      gr::sleep_for(1us);
    });
    expect("with_deadline", in_time, {});
  });
  attempt("blocking", [] { faults::must(gr::blocking([] { return 3; }) == 3, "it returns"); });
  attempt("on_os_stack", [] {
    const tracked t = gr::on_os_stack([] { return tracked(6); });
    faults::must(t.value() == 6, "it returns");
  });
  attempt("stop_token", [] { (void)gr::stop_token(); });
  attempt("local", [] {
    static gr::local<tracked> mine;
    (void)mine->value();
  });
}

}  // namespace

// Goal and method: see scenario.hpp. Each of these runs on one green thread of one worker.
TEST_CASE("channels and select succeed or say no_memory, whichever allocation fails") {
  CHECK(faults::each_failure("channels",
                             [](const faults::plan& p) { on_a_green_thread(p, channels); }) > 50);
  CHECK(faults::each_failure("oneshot, watch, broadcast, work queue", [](const faults::plan& p) {
          on_a_green_thread(p, kin_of_channels);
        }) > 50);
  CHECK(faults::each_failure("select_set",
                             [](const faults::plan& p) { on_a_green_thread(p, sets); }) > 10);
}

TEST_CASE("scopes and gathers end whole or by an error, whichever allocation fails") {
  CHECK(faults::each_failure("scope, gather, race",
                             [](const faults::plan& p) { on_a_green_thread(p, structure); }) > 50);
}
