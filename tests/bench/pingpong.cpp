// SPDX-License-Identifier: Apache-2.0
// pingpong: n messages between two actors, as functions that receive or as objects with handlers.
#include "workloads.hpp"

#include <utility>

namespace bench {
namespace {

struct ball {
  std::int64_t number;
};

void pong(gr::mailbox<ball>& in, gr::address<ball> back) {
  while (in.receive([&](ball b) { back.send(ball{b.number + 1}); })) {}
}

void ping(gr::mailbox<ball>& in, std::int64_t rounds, gr::address<done> finished) {
  const gr::address<ball> other = gr::spawn(pong, in.address());
  for (std::int64_t i = 0; i < rounds; ++i) {
    other.send(ball{i});
    in.receive([](ball) {});
  }
  finished.send(done{});
}

double run_functions(gr::runtime& rt, std::int64_t n) {
  const gate end(rt, 1);
  stopwatch watch;
  const gr::address<ball> first = rt.spawn(ping, n / 2, end.address());
  end.wait();
  return watch.ns();
}

class pong_object {
 public:
  using messages = gr::messages<ball>;
  explicit pong_object(gr::address<ball> back) : back_(std::move(back)) {}
  void on(ball b) { back_.send(ball{b.number + 1}); }

 private:
  gr::address<ball> back_;
};

struct start {};

class ping_object {
 public:
  using messages = gr::messages<start, ball>;
  ping_object(std::int64_t rounds, gr::address<done> finished)
      : left_(rounds), finished_(std::move(finished)) {}

  void on(start) {
    other_ = gr::spawn<pong_object>(gr::self().address<ball>());
    next();
  }
  void on(ball) { next(); }

 private:
  void next() {
    if (left_-- > 0) {
      other_.send(ball{left_});
    } else {
      other_ = {};  // the two hold each other: one must let go
      finished_.send(done{});
    }
  }

  gr::address<ball> other_;
  std::int64_t left_;
  gr::address<done> finished_;
};

double run_objects(gr::runtime& rt, std::int64_t n) {
  const gate end(rt, 1);
  stopwatch watch;
  const gr::address<start> first = rt.spawn<ping_object>(n / 2, end.address());
  first.send(start{});
  end.wait();
  return watch.ns();
}

}  // namespace

void pingpong(const params& p) {
  const std::int64_t n = p("n");
  const auto run = p.form("function", "object") ? run_functions : run_objects;
  gr::runtime rt{{.workers = p.workers()}};
  const double ns = warmed_up(n, [&](std::int64_t size) { return run(rt, size); });
  out(p, ns / static_cast<double>(n), "ns/msg");
}

}  // namespace bench
