// SPDX-License-Identifier: Apache-2.0
// What mailboxes do beyond taking messages in order, and messages to come, with each allocation
// failing.
#include "scenario.hpp"

#include <atomic>
#include <optional>

namespace {

using faults::attempt;
using faults::expect;
using faults::tracked;
using code = gr::error;

struct note {
  tracked what;
};
struct hint {
  tracked what;
  using lane = gr::urgent;
};
struct question {
  tracked what;
  using reply = tracked;
};
struct flush {};

// Puts everything by until it is told to look at it.
struct hoarder {
  using messages = gr::messages<note, hint, question, flush, gr::idle>;
  void on(note n) {
    if (!opened) {
      const gr::status put_by = gr::self().stash(std::move(n));
      expect("stash", put_by, {code::no_memory});
    }
  }
  void on(hint) {}
  void on(question q, gr::promise<tracked> answer) {
    if (opened) {
      answer.set(q.what);
      return;
    }
    kept.emplace(std::move(answer));
  }
  void on(flush) {
    opened = true;
    (void)gr::self().unstash();
    if (kept) kept->set(tracked(3));
    kept.reset();
  }
  void on(gr::idle) {}
  bool opened = false;
  std::optional<gr::promise<tracked>> kept;
};

void picky(gr::mailbox<note, hint, question>& in) {
  bool goes_on = in.receive_only([](question q) { return q.what; });
  while (goes_on) goes_on = in.receive([](note) {}, [](hint) {}, [](question q) { return q.what; });
}

template <class To>
void tell(const To& to) {
  for (int i = 0; i < 3; ++i)
    attempt("send",
            [&] { expect("send", to.send(note{tracked(i)}), {code::no_memory, code::closed}); });
  attempt("send",
          [&] { expect("send", to.send(hint{tracked(9)}), {code::no_memory, code::closed}); });
}
template <class To>
void ask(const To& to) {
  attempt("ask", [&] {
    auto got = to.ask(question{tracked(3)}, 20s);
    if (!got)
      expect("ask", got.error(), {code::no_memory, code::closed, code::failed, code::dropped});
    else
      faults::must(got->value() == 3, "an answer is whole");
  });
}

void mailboxes() {
  attempt("stash", [] {
    auto to = gr::spawn<hoarder>(
        {.name = "one who puts everything by, for now", .capacity = 16, .idle = 1h});
    tell(to);
    gr::green_thread asker = gr::spawn([to] { ask(to); });
    // So that the question is there before it is told to look.
    for (int i = 0; i < 100; ++i) gr::yield();
    attempt("send", [&] {
      // Without this the asker would wait in vain.
      if (to.send(flush{})) return;
      faults::disarm();
      (void)to.send(flush{});
    });
    if (asker) (void)asker.join();
  });
  attempt("selective receive", [] {
    auto to = gr::spawn({.capacity = 16}, picky);
    tell(to);
    ask(to);
  });
}

void overloads() {
  static std::atomic<int> dropped{0};
  for (const gr::overload policy :
       {gr::overload::fail, gr::overload::drop_newest, gr::overload::drop_oldest})
    attempt("overload", [policy] {
      auto gate = gr::oneshot<bool>();
      auto to = gr::spawn(
          {.name = "one whose mailbox is often full, as it waits",
           .capacity = 4,
           .overload = policy,
           .on_dropped = policy == gr::overload::fail
                             ? gr::drop_handler()
                             : gr::drop_handler([](const gr::dropped_message&) { ++dropped; }),
           .marks = {.high = 3, .low = 1}},
          [](gr::mailbox<note>& in, gr::oneshot_receiver<bool> until) {
            (void)until.receive();
            while (in.receive([](note n) { const tracked copy = n.what; })) {}
          },
          std::move(gate.rx));
      for (int i = 0; i < 8; ++i)
        attempt("send", [&] {
          expect("send", to.send(note{tracked(i)}),
                 {code::no_memory, code::closed, code::full, code::dropped});
        });
    });
}

void to_come() {
  attempt("send_after", [] {
    static std::atomic<int> seen{0};  // the actor may outlive this
    auto to = gr::spawn(
        [](gr::mailbox<note>& in, std::atomic<int>& count) {
          while (in.receive([&](note) { ++count; })) {}
        },
        std::ref(seen));
    if (!to) return;
    gr::timer_handle one = gr::send_after(1us, to, note{tracked(1)});
    gr::timer_handle beats = gr::send_every(1ms, to, note{tracked(2)});
    gr::timer_handle later = gr::send_after(1h, to, note{tracked(3)});
    gr::sleep_for(3ms);
    (void)beats.cancel();
    (void)later.cancel();
    gr::weak_address<note> weak = to;
    to = {};
    while (weak.lock()) gr::yield();
  });
  attempt("timeouts", [] {
    auto [tx, rx] = gr::channel<int>(1);
    if (!tx) return;  // memory was out
    for (int i = 0; i < 3; ++i) expect("receive_for", rx.receive_for(1us).error(), {code::timeout});
    expect("ask", gr::address<question>().ask(question{tracked(1)}, 1us).error(), {code::closed});
  });
}

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

}  // namespace

// Goal and method: see scenario.hpp.
TEST_CASE("stashes and selective receives lose nothing in silence, whichever allocation fails") {
  CHECK(faults::each_failure("stash, lanes, selective",
                             [](const faults::plan& p) { on_a_green_thread(p, mailboxes); }) > 50);
}

TEST_CASE("full mailboxes keep their policy, whichever allocation fails") {
  CHECK(faults::each_failure("overload",
                             [](const faults::plan& p) { on_a_green_thread(p, overloads); }) > 50);
}

TEST_CASE("messages to come and timeouts come, or are refused, whichever allocation fails") {
  CHECK(faults::each_failure("send_after, send_every, timeouts",
                             [](const faults::plan& p) { on_a_green_thread(p, to_come); }) > 20);
}
