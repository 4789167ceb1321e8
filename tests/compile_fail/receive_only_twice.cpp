// SPDX-License-Identifier: Apache-2.0
// Selects one message with two handlers.
// expect: greenroom: two handlers for one of this mailbox's messages
#include <greenroom/greenroom.hpp>

namespace gr = greenroom;

struct add {
  int amount;
};
struct total {
  using reply = int;
};

void counter(gr::mailbox<add, total>& in) {
  in.try_receive_only([](add) {}, [](const add&) {});  // <- error here
}
