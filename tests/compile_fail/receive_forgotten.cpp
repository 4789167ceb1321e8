// SPDX-License-Identifier: Apache-2.0
// Forgets the handler for one of the messages.
// expect: greenroom: no handler for one of this mailbox's messages
#include <greenroom/greenroom.hpp>

namespace gr = greenroom;

struct add {
  int amount;
};
struct total {
  using reply = int;
};

void counter(gr::mailbox<add, total>& in) {
  in.receive([](add) {});  // <- error here
}
