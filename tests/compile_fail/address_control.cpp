// SPDX-License-Identifier: Apache-2.0
// What an address is meant for: sending, asking, narrowing.
// expect: no error
#include <greenroom/greenroom.hpp>

namespace gr = greenroom;
using namespace std::chrono_literals;

struct add {
  int amount;
};
struct total {
  using reply = int;
};

int user(gr::address<add, total, int> counter) {
  counter.send(add{1});
  counter.send(3);
  gr::address<add> adder = counter;
  adder.send(add{.amount = 2});
  if (!adder.try_send(add{3})) return 1;
  if (!adder.send_for(1s, add{3})) return 1;
  gr::address<total, add> turned = counter;
  return turned.ask(total{}, 100ms).value_or(0);
}
