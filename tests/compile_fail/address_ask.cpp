// SPDX-License-Identifier: Apache-2.0
// Asks a request that the address does not accept.
// expect: greenroom: this address does not accept this message
#include <greenroom/greenroom.hpp>

namespace gr = greenroom;
using namespace std::chrono_literals;

struct add {
  int amount;
};
struct total {
  using reply = int;
};

int user(gr::address<add> adder) {
  return adder.ask(total{}, 1s).value_or(0);  // <- error here
}
