// SPDX-License-Identifier: Apache-2.0
// Selects nothing at all.
// expect: greenroom: receive_only needs a handler
#include <greenroom/greenroom.hpp>

namespace gr = greenroom;

struct add {
  int amount;
};

void counter(gr::mailbox<add>& in) {
  in.receive_only();  // <- error here
}
