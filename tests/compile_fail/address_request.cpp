// SPDX-License-Identifier: Apache-2.0
// Makes a request of a message that the address does not accept.
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

void user(gr::address<add> adder) {
  (void)adder.request(total{});  // <- error here
}
