// SPDX-License-Identifier: Apache-2.0
// Some of the messages, in any order; urgent ones; a stash; an idle time.
// expect: no error
#include <greenroom/greenroom.hpp>

namespace gr = greenroom;
using namespace std::chrono_literals;

struct add {
  int amount;
};
struct total {
  using reply = int;
};
struct halt {
  using lane = gr::urgent;
};

void counter(gr::mailbox<add, total, halt>& in, int sum) {
  while (in.receive_only([&](total) { return sum; }, [&](const add& m) { sum += m.amount; })) {}
  (void)in.receive_only_for(1s, [](halt) {});
  (void)in.try_receive_only([](total, gr::promise<int> answer) { answer.set(1); });
}

struct device {
  using messages = gr::messages<add, total, gr::idle>;
  void on(add a) { gr::self().stash(a); }
  void on(total t, gr::promise<int> answer) { gr::self().stash(t, std::move(answer)); }
  void on(gr::idle) { gr::self().unstash(); }
};

void start(gr::runtime& rt) {
  rt.spawn(counter, 10);
  rt.spawn_detached<device>({.idle = 10min});
}
