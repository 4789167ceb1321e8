// SPDX-License-Identifier: Apache-2.0
// On one worker, without helpers, beside a load that never ends: others get their turns, timers go
// off, sockets are served, and new green threads begin.
//
// Method: how long anybody waits is counted in what the load does meanwhile. Nothing is timed; what
// must happen at all would keep the test from ending.
#include "fairness.hpp"

#include <greenroom/net.hpp>

using fairness::meter;

namespace {

const int turns = stress::scaled(2'000, 300);
const int events = stress::scaled(20, 5);

// A runtime of one worker, and no more, that a load keeps busy until this object ends.
template <class Load>
class busy_worker {
 public:
  busy_worker() {
    Load::start(rt, load);
    while (load.handled == 0) gr::yield();
  }
  busy_worker(const busy_worker&) = delete;
  busy_worker& operator=(const busy_worker&) = delete;
  ~busy_worker() {
    load.over = true;
    CHECK(rt.shutdown(60s).ok());
  }

  meter load;
  gr::runtime rt{{.workers = 1, .threads_max = 1, .report_stuck_after = gr::duration::max()}};
};

struct question {
  using reply = long;
  long number;
};

struct tick {};
struct until_heard {
  using reply = int;
};

// Bytes there and back, one at a time.
void echo_over_tcp(stress::verdict& v) {
  const auto door = gr::listen_tcp("127.0.0.1", 0);
  if (!door) return v.expect(false, "there is a port to listen at");
  const gr::green_thread server = gr::spawn([&] {
    const auto peer = (*door)->accept();
    if (!peer) return v.expect(false, "a connection is accepted");
    char data[1];
    while (const auto n = (*peer)->read_some(data))
      v.expect((*peer)->write({data, *n}).ok(), "a byte is sent back");
  });
  {
    const auto near = gr::connect_tcp("127.0.0.1", (*door)->port());
    if (!near) return v.expect(false, "a connection is made");
    for (int i = 0; i < events; ++i) {
      v.expect((*near)->write("x").ok(), "a byte is sent");
      char data[1];
      const auto n = (*near)->read_some(data);
      v.expect(n && *n == 1 && data[0] == 'x', "a byte comes back");
    }
  }
  v.expect(server.join().ok(), "the server ends when its peer has closed");
}

}  // namespace

#define ALL_LOADS                                                                                 \
  fairness::pair_of_functions, fairness::pair_of_objects, fairness::object_that_is_never_done<1>, \
      fairness::object_that_is_never_done<1000>, fairness::function_that_is_never_done<1>,        \
      fairness::function_that_is_never_done<1000>, fairness::mailbox_kept_full,                   \
      fairness::green_threads_that_yield

TEST_CASE_TEMPLATE("who is ready to run is passed by so many messages of others, and no more", Load,
                   ALL_LOADS) {
  busy_worker<Load> busy;
  meter& m = busy.load;
  long longest = 0;
  long handled = 0;
  CHECK(busy.rt
            .spawn([&] {
              gr::yield();
              m.measure_afresh();
              const long before = m.handled;
              for (int i = 0; i < turns; ++i) {
                m.somebody_else();
                gr::yield();
              }
              handled = m.handled - before;
              longest = m.longest_row;
            })
            .join());
  CAPTURE(handled);
  CHECK(longest <= Load::row_max);
  // It was there all the time, or this tests nothing.
  CHECK(handled >= turns);
}

TEST_CASE_TEMPLATE("a message is handled by an actor beside a load that never ends", Load,
                   ALL_LOADS) {
  busy_worker<Load> busy;
  long heard = 0;
  const auto third = busy.rt.spawn([&](gr::mailbox<question>& in) {
    while (in.receive([&](question q) {
      ++heard;
      return q.number + 1;
    })) {}
  });
  // From outside, and from a neighbour.
  for (int i = 0; i < events; ++i) {
    const auto answer = third.ask(question{i}, 1h);
    REQUIRE(answer);
    CHECK(*answer == i + 1);
  }
  long sum = 0;
  CHECK(busy.rt
            .spawn([&] {
              for (int i = 0; i < events; ++i) sum += third.ask(question{i}, 1h).value_or(-1);
            })
            .join());
  CHECK(sum == long{events} * (events + 1) / 2);
  CHECK(heard == 2 * events);
}

TEST_CASE_TEMPLATE("timers go off beside a load that never ends", Load, ALL_LOADS) {
  busy_worker<Load> busy;
  int slept = 0;
  CHECK(busy.rt
            .spawn([&] {
              for (; slept < events; ++slept) gr::sleep_for(1ms);
            })
            .join());
  CHECK(slept == events);
  const auto clock = busy.rt.spawn([](gr::mailbox<tick, until_heard>& in) {
    int heard = 0;
    gr::promise<int> enough;
    while (in.receive(
        [&](tick) {
          if (++heard >= events && enough) enough.set(heard);
        },
        [&](until_heard, gr::promise<int> answer) { enough = std::move(answer); })) {}
  });
  gr::timer_handle ticking = gr::send_every(1ms, clock, tick{});
  CHECK(clock.ask(until_heard{}, 1h).value_or(0) >= events);
  ticking.cancel();
}

TEST_CASE_TEMPLATE("sockets are served beside a load that never ends", Load, ALL_LOADS) {
  busy_worker<Load> busy;
  stress::verdict v;
  CHECK(busy.rt.spawn([&] { echo_over_tcp(v); }).join());
  v.report();
}

TEST_CASE_TEMPLATE("new green threads begin beside a load that never ends", Load, ALL_LOADS) {
  busy_worker<Load> busy;
  for (int i = 0; i < events; ++i) CHECK(busy.rt.spawn([] {}).join());
  int ended = 0;
  long handled = 0;
  CHECK(busy.rt
            .spawn([&] {
              const long before = busy.load.handled;
              for (int i = 0; i < events; ++i) {
                if (!gr::spawn([&] { ++ended; }).join()) return;
                // A whole brood, of which the oldest must not be passed for ever.
                std::vector<gr::green_thread> brood;
                for (int k = 0; k < 10; ++k) brood.push_back(gr::spawn([&] { ++ended; }));
                for (const auto& each : brood)
                  if (!each.join()) return;
              }
              handled = busy.load.handled - before;
            })
            .join());
  CHECK(ended == events * 11);
  // One at each fair pick, the 61st at the latest, however slow those between are; and its parent
  // has turns too.
  CHECK(handled <= ended * 2 * 62 * Load::row_max);
}
