// SPDX-License-Identifier: Apache-2.0
// Turns an address into one that accepts more than it does.
// expect: greenroom: an address narrows only to what it accepts
#include <greenroom/greenroom.hpp>

namespace gr = greenroom;

struct add {
  int amount;
};
struct total {
  using reply = int;
};

gr::address<add, total> user(gr::address<add> adder) {
  gr::address<add, total> wide = adder;  // <- error here
  return wide;
}
