// SPDX-License-Identifier: Apache-2.0
// millions: n actors alive at once, each answers once, all stop; how much memory that took, and how
// much of it comes back.
#include "workloads.hpp"

#include <vector>

namespace bench {
namespace {

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

struct figures {
  double made_ns = 0;
  std::int64_t kb_alive = 0;
};

// Makes them, hears each of them, and lets all go.
void keeper(gr::mailbox<answer>& in, const params& p, figures& f, gr::address<done> finished) {
  const std::int64_t n = p("n");
  const bool functions = p.form("object", "function");
  stopwatch watch;
  {
    std::vector<gr::address<question>> actors;
    actors.reserve(static_cast<std::size_t>(n));
    for (std::int64_t i = 0; i < n; ++i)
      actors.push_back(functions ? gr::spawn<answerer_object>(in.address())
                                 : gr::spawn(answerer, in.address()));
    std::int64_t sum = 0;
    std::int64_t heard = 0;
    for (std::int64_t i = 0; i < n; ++i) {
      actors[static_cast<std::size_t>(i)].send(question{i});
      while (heard < i - 256) {
        in.receive([&](answer a) { sum += a.number; });
        ++heard;
      }
    }
    while (heard++ < n) in.receive([&](answer a) { sum += a.number; });
    check(sum == n * (n - 1) / 2, "each actor answers once");
    f.made_ns = watch.ns();
    f.kb_alive = status_kb("VmRSS");
  }
  finished.send(done{});
}

}  // namespace

void millions(const params& p) {
  gr::runtime rt{{.workers = p.workers()}};
  {  // what a runtime takes anyway
    const gate end(rt, 1);
    rt.spawn([finished = end.address()] { finished.send(done{}); });
    end.wait();
  }
  const std::int64_t kb_before = status_kb("VmRSS");
  figures f;
  const gate end(rt, 1);
  {
    const gr::address<answer> held =
        rt.spawn([&](gr::mailbox<answer>& in,
                     gr::address<done> finished) { keeper(in, p, f, std::move(finished)); },
                 end.address());
    end.wait();
  }
  stopwatch watch;
  while (rt.actors() > 1) gr::sleep_for(std::chrono::milliseconds(1));  // the gate is one
  const double stopped = watch.seconds();
  const double back = wait_for_memory(kb_before, f.kb_alive);
  const auto n = static_cast<double>(p("n"));
  out(p, static_cast<double>(f.kb_alive - kb_before) * 1024 / n, "B/actor",
      "made_s=%.2f stopped_s=%.2f before_mb=%.1f alive_mb=%.0f after_mb=%.1f back_s=%.2f",
      f.made_ns / 1e9, stopped, static_cast<double>(kb_before) / 1024,
      static_cast<double>(f.kb_alive) / 1024, static_cast<double>(status_kb("VmRSS")) / 1024, back);
}

}  // namespace bench
