// SPDX-License-Identifier: Apache-2.0
// Takes the promise of another type than the request names.
// expect: greenroom: a handler for a message that this mailbox does not receive
#include <greenroom/greenroom.hpp>

namespace gr = greenroom;

struct add {
  int amount;
};
struct total {
  using reply = int;
};

void counter(gr::mailbox<total>& in) {
  in.receive([](total, gr::promise<const char*>) {});  // <- error here
}
