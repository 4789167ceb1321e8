// SPDX-License-Identifier: Apache-2.0
// Forgets a handler where it waits for a while.
// expect: greenroom: no handler for one of this mailbox's messages
#include <greenroom/greenroom.hpp>

namespace gr = greenroom;
using namespace std::chrono_literals;

struct add {
  int amount;
};
struct total {
  using reply = int;
};

void counter(gr::mailbox<add, total>& in) {
  in.receive_for(1s, [](total) { return 1; });  // <- error here
}
