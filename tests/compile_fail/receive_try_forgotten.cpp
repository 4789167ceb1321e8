// SPDX-License-Identifier: Apache-2.0
// Forgets a handler where it does not wait either.
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
  in.try_receive([](add) {});  // <- error here
}
