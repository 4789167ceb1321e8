// SPDX-License-Identifier: Apache-2.0
// bigfan: the "big" program of the Savina suite as a closed loop: every actor has one ping at a
// random other under way, n in a row, and answers the pings of all others.
#include "workloads.hpp"

#include <memory>
#include <utility>
#include <vector>

namespace bench {
namespace {

struct ping {
  std::uint32_t from;
};
struct pong {};
struct go {};
struct stop {};
struct meet;
using anybody = gr::address<meet, ping, pong, go, stop>;
using everybody = std::vector<anybody>;
struct meet {
  std::shared_ptr<const everybody> all;
};

class node {
 public:
  using messages = gr::messages<meet, ping, pong, go, stop>;
  node(std::uint32_t me, std::int64_t pings, gr::address<done> finished)
      : me_(me), random_(lcg(me + 1)), left_(pings), finished_(std::move(finished)) {}

  void on(meet m) { all_ = std::move(m.all); }
  void on(go) { send_ping(); }
  void on(ping p) { (*all_)[p.from].send(pong{}); }
  void on(pong) {
    if (--left_ > 0)
      send_ping();
    else
      finished_.send(done{});
  }
  void on(stop) { gr::self().stop(); }  // all hold all: nobody would ever be let go

 private:
  void send_ping() {
    const std::uint32_t other = draw(random_, static_cast<std::uint32_t>(all_->size() - 1));
    (*all_)[other >= me_ ? other + 1 : other].send(ping{me_});
  }

  std::uint32_t me_;
  std::uint32_t random_;
  std::int64_t left_;
  gr::address<done> finished_;
  std::shared_ptr<const everybody> all_;
};

}  // namespace

void bigfan(const params& p) {
  const std::int64_t n = p("n");
  const auto actors = static_cast<std::uint32_t>(p("actors"));
  if (actors < 2) fail("bigfan: needs two actors or more");
  gr::runtime rt{{.workers = p.workers()}};
  const double ns = warmed_up(n, [&](std::int64_t pings) {
    const gate end(rt, actors);
    everybody list;
    for (std::uint32_t i = 0; i < actors; ++i) {
      // Room for a ping of every other, an answer, and a word from outside: nobody waits.
      list.push_back(rt.spawn<node>({.capacity = actors + 4}, i, pings, end.address()));
    }
    const auto all = std::make_shared<const everybody>(std::move(list));
    for (const anybody& a : *all) a.send(meet{all});
    stopwatch watch;
    for (const anybody& a : *all) a.send(go{});
    end.wait();
    const double took = watch.ns();
    for (const anybody& a : *all) a.send(stop{});
    return took;
  });
  out(p, 2.0 * static_cast<double>(n * actors) / ns * 1e3, "Mmsg/s");
}

}  // namespace bench
