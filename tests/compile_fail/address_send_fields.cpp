// SPDX-License-Identifier: Apache-2.0
// Sends what a message could be made from, not the message.
// expect: greenroom: this address does not accept this message
#include <greenroom/greenroom.hpp>

namespace gr = greenroom;

struct add {
  int amount;
};
struct total {
  using reply = int;
};

void user(gr::address<add> adder) {
  adder.send(1);  // <- error here
}
