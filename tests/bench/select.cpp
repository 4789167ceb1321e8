// SPDX-License-Identifier: Apache-2.0
// select: one producer sends n values, each to a channel drawn at random; one green thread selects
// among all of them, by a call with so many cases, or by a set made once (form=set).
#include "workloads.hpp"

#include <greenroom/channel.hpp>
#include <greenroom/select_set.hpp>

#include <utility>
#include <vector>

namespace bench {
namespace {

using receivers = std::vector<gr::receiver<std::int64_t>>;

void produce(const std::vector<gr::sender<std::int64_t>>& all, std::int64_t n) {
  std::uint32_t random = 1;
  for (std::int64_t i = 0; i < n; ++i)
    all[draw(random, static_cast<std::uint32_t>(all.size()))].send(i);
}

template <std::size_t... I>
std::int64_t sum_of(const receivers& all, std::int64_t n, std::index_sequence<I...>) {
  std::int64_t sum = 0;
  const auto add = [&sum](std::int64_t v) { sum += v; };
  for (std::int64_t i = 0; i < n; ++i) gr::select(all[I].on(add)...);
  return sum;
}

std::int64_t sum_of_set(const receivers& all, std::int64_t n) {
  std::int64_t sum = 0;
  gr::select_set set;
  for (const auto& each : all) set.add(each.on([&sum](std::int64_t v) { sum += v; }));
  for (std::int64_t i = 0; i < n; ++i) set.wait();
  return sum;
}

std::int64_t consume(const receivers& all, std::int64_t n, bool by_call) {
  if (!by_call) return sum_of_set(all, n);
  switch (all.size()) {
    case 2: return sum_of(all, n, std::make_index_sequence<2>());
    case 16: return sum_of(all, n, std::make_index_sequence<16>());
    case 128: return sum_of(all, n, std::make_index_sequence<128>());
    default: fail("select: cases is 2, 16 or 128; form=set takes any number");
  }
}

double run(gr::runtime& rt, std::int64_t n, const params& p) {
  const auto capacity = static_cast<std::uint32_t>(p("cap"));
  const bool by_call = p.form("call", "set");
  const gate end(rt, 1);
  stopwatch watch;
  std::vector<gr::sender<std::int64_t>> senders;
  receivers all;
  for (std::int64_t i = 0; i < p("cases"); ++i) {
    auto [tx, rx] = gr::channel<std::int64_t>(capacity);
    senders.push_back(std::move(tx));
    all.push_back(std::move(rx));
  }
  rt.spawn([from = std::move(all), n, by_call, finished = end.address()] {
    if (consume(from, n, by_call) != n * (n - 1) / 2) fail("select: wrong sum");
    finished.send(done{});
  });
  rt.spawn([to = std::move(senders), n] { produce(to, n); });
  end.wait();
  return watch.ns();
}

}  // namespace

void select(const params& p) {
  const std::int64_t n = p("n");
  gr::runtime rt{{.workers = p.workers()}};
  const double ns = warmed_up(n, [&](std::int64_t some) { return run(rt, some, p); });
  out(p, ns / static_cast<double>(n), "ns/select");
}

}  // namespace bench
