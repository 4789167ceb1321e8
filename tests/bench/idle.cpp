// SPDX-License-Identifier: Apache-2.0
// idle: resident memory of an actor that has answered one message and waits for the next.
#include "workloads.hpp"

#include <algorithm>
#include <utility>
#include <vector>

namespace bench {
namespace {

constexpr std::int64_t unanswered_max = 512;

struct question {
  std::int64_t number;
};
struct answer {
  std::int64_t number;
};

void answerer(gr::mailbox<question>& in, gr::address<answer> back) {
  while (in.receive([&](question q) { back.send(answer{q.number}); })) {}
}

class answerer_object {
 public:
  using messages = gr::messages<question>;
  explicit answerer_object(gr::address<answer> back) : back_(std::move(back)) {}
  void on(question q) { back_.send(answer{q.number}); }

 private:
  gr::address<answer> back_;
};

// Measures while all of them live; they end when their addresses go with this function.
void keeper(gr::mailbox<answer>& in, const params& p, gr::address<done> finished) {
  const std::int64_t n = p("n");
  const bool functions = p.form("function", "object");
  const std::int64_t kb_before = status_kb("VmRSS");
  stopwatch watch;
  std::vector<gr::address<question>> actors;
  actors.reserve(static_cast<std::size_t>(n));
  for (std::int64_t i = 0; i < n; ++i) {
    actors.push_back(functions ? gr::spawn(answerer, in.address())
                               : gr::spawn<answerer_object>(in.address()));
    actors.back().send(question{i});
    if (i >= unanswered_max) in.receive([](answer) {});
  }
  for (std::int64_t i = 0; i < std::min(n, unanswered_max); ++i) in.receive([](answer) {});
  const double took = watch.ns();
  const auto bytes = static_cast<double>((status_kb("VmRSS") - kb_before) * 1024);
  out(p, bytes / static_cast<double>(n), "B/actor", "setup_ms=%.0f", took / 1e6);
  finished.send(done{});
}

}  // namespace

void idle(const params& p) {
  gr::runtime rt{{.workers = p.workers()}};
  const gate end(rt, 1);
  const gr::address<answer> held =
      rt.spawn([&p](gr::mailbox<answer>& in, gr::address<done> f) { keeper(in, p, std::move(f)); },
               end.address());
  end.wait();
}

}  // namespace bench
