// SPDX-License-Identifier: Apache-2.0
// Children of scopes, gathers and races that are meant so.
// expect: no error
#include <greenroom/greenroom.hpp>

namespace gr = greenroom;
using namespace std::chrono_literals;

struct total {
  using reply = int;
};

int user(gr::runtime& rt, gr::address<total, int> counter) {
  gr::scope s(rt);
  s.spawn([](int) {}, 3);
  s.spawn({.name = "a child"}, [] {});
  s.join();
  auto [a, b, c] = gr::gather_for(1s, counter.request(total{}), [] { return 2l; }, [] {});
  return gr::race([] { return 1; }, counter.request(total{})).value_or(a.value_or(0));
}
