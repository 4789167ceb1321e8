// SPDX-License-Identifier: Apache-2.0
// Sends, with a deadline, a message that the address does not accept.
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

bool user(gr::address<add> adder) {
  return adder.send_for(1s, total{}).has_value();  // <- error here
}
