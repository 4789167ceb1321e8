// SPDX-License-Identifier: Apache-2.0
// Tries to send a message that the address does not accept.
// expect: greenroom: this address does not accept this message
#include <greenroom/greenroom.hpp>

namespace gr = greenroom;

struct add {
  int amount;
};
struct total {
  using reply = int;
};

bool user(gr::address<add> adder) {
  return adder.try_send(total{}).has_value();  // <- error here
}
