// SPDX-License-Identifier: Apache-2.0
// restart: one child of a supervisor ends n times, one after the other. From the order to end to
// the first word of its next life, which it says in its constructor. kill=1: by a kill; otherwise
// by an exception out of its handler.
#include "workloads.hpp"

#include <exception>

namespace bench {
namespace {

struct up {};
struct fall {};

struct told : std::exception {
  const char* what() const noexcept override { return "told to"; }
};

class child {
 public:
  using messages = gr::messages<fall>;
  explicit child(const gr::address<up>& driver) { driver.send(up{}); }
  void on(fall) { throw told(); }
};

struct run {
  std::int64_t n;
  bool by_kill;
  gr::address<done> finished;
};

void drive(gr::mailbox<up>& in, const run& r) {
  {
    // More than one within a nanosecond would be too many: so none ever is.
    gr::supervisor all(gr::one_for_one, {.restarts_max = 1000, .within = 1ns});
    auto it = all.child<child>("child", gr::permanent, in.address());
    check(static_cast<bool>(all.start()), "restart: the supervisor does not start");
    const auto is_up = [](up) {};
    in.receive(is_up);
    for (std::int64_t i = 0; i < r.n; ++i) {
      if (r.by_kill)
        gr::kill(it);
      else
        it.send(fall{});
      in.receive(is_up);
    }
    check(all.restart_count() == static_cast<std::uint64_t>(r.n),
          "restart: a wrong number of them");
  }
  r.finished.send(done{});
}

}  // namespace

void restart(const params& p) {
  const std::int64_t n = p("n");
  gr::runtime rt{{.workers = p.workers()}};
  const double ns = warmed_up(n, [&](std::int64_t count) {
    const gate end(rt, 1);
    stopwatch watch;
    const auto held = rt.spawn(drive, run{count, p("kill") != 0, end.address()});
    end.wait();
    return watch.ns();
  });
  out(p, ns / static_cast<double>(n), "ns/restart");
}

}  // namespace bench
