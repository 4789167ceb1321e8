// SPDX-License-Identifier: Apache-2.0
// Monitors, links and supervised children as they should be.
// expect: no error
#include <greenroom/greenroom.hpp>

namespace gr = greenroom;

struct job {
  int number;
};

void worker(gr::mailbox<job, gr::exited>& in, int) {
  gr::trap_exits();
  while (in.receive([](job) {}, [](const gr::exited&) {})) {}
}
struct boss {
  using messages = gr::messages<job, gr::down>;
  explicit boss(gr::address<job> w) : worker_(w) { gr::monitor(worker_); }
  void on(job j) { worker_.send(j); }
  void on(const gr::down& d) {
    if (d.why().is_failure()) gr::self().stop();
  }
  gr::address<job> worker_;
};

void run(gr::runtime& rt) {
  gr::supervisor app(rt, gr::rest_for_one, {.restarts_max = 5});
  const gr::address<job> w = app.child("worker", gr::permanent, worker, 1);
  app.child<boss>({.name = "boss", .restarts = gr::transient, .keeps_messages = false}, w);
  (void)app.start();
}
