// SPDX-License-Identifier: Apache-2.0
// Has two handlers for one message.
// expect: greenroom: two handlers for one of this mailbox's messages
#include <greenroom/greenroom.hpp>

namespace gr = greenroom;

struct add {
  int amount;
};
struct total {
  using reply = int;
};

void counter(gr::mailbox<add>& in) {
  in.receive([](add) {}, [](add) {});  // <- error here
}
