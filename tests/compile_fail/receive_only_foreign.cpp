// SPDX-License-Identifier: Apache-2.0
// Selects a message that the mailbox does not receive.
// expect: greenroom: a handler for a message that this mailbox does not receive
#include <greenroom/greenroom.hpp>

namespace gr = greenroom;

struct add {
  int amount;
};
struct total {
  using reply = int;
};

void counter(gr::mailbox<add>& in) {
  in.receive_only([](total) { return 1; });  // <- error here
}
