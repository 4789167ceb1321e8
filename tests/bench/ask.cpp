// SPDX-License-Identifier: Apache-2.0
// ask: the "banking" program of the Savina suite with asks. A teller asks the source account,
// which asks the destination inside its handler: four messages a transfer. The destination always
// stands behind the source, so no two accounts ask each other.
#include "workloads.hpp"

#include <string>
#include <vector>

namespace bench {
namespace {

constexpr auto patience = 10s;

std::int64_t answered(const std::expected<std::int64_t, gr::error>& balance) {
  if (!balance) fail(std::string("ask: ") + balance.error().text());
  return *balance;
}

struct deposit {
  using reply = std::int64_t;
  std::int64_t amount;
};
struct transfer {
  using reply = std::int64_t;
  std::int64_t amount;
  gr::address<deposit> to;
};

class account {
 public:
  using messages = gr::messages<deposit, transfer>;
  std::int64_t on(deposit d) { return balance_ += d.amount; }
  std::int64_t on(transfer t) {
    balance_ -= t.amount;
    answered(t.to.ask(deposit{t.amount}, patience));
    return balance_;
  }

 private:
  std::int64_t balance_ = 0;
};

using accounts = std::vector<gr::address<deposit, transfer>>;

void teller(const accounts& all, std::uint32_t random, std::int64_t transfers) {
  const auto count = static_cast<std::uint32_t>(all.size());
  for (std::int64_t i = 0; i < transfers; ++i) {
    const std::uint32_t from = draw(random, count - 1);
    const std::uint32_t to = from + 1 + draw(random, count - 1 - from);
    answered(all[from].ask(transfer{1, all[to]}, patience));
  }
}

}  // namespace

void ask(const params& p) {
  const std::int64_t n = p("n");
  const std::int64_t tellers = p("tellers");
  if (p("accounts") < 2 || tellers < 1) fail("ask: needs two accounts and a teller");
  gr::runtime rt{{.workers = p.workers()}};
  const double ns = warmed_up(n, [&](std::int64_t transfers) {
    accounts all;
    for (std::int64_t i = 0; i < p("accounts"); ++i) all.push_back(rt.spawn<account>());
    const gate end(rt, tellers);
    stopwatch watch;
    for (std::int64_t i = 0; i < tellers; ++i)
      rt.spawn([&all, i, each = transfers / tellers, finished = end.address()] {
        teller(all, static_cast<std::uint32_t>(i + 1), each);
        finished.send(done{});
      });
    end.wait();
    return watch.ns();
  });
  out(p, static_cast<double>(n) / ns * 1e6, "ktransfer/s");
}

}  // namespace bench
