// SPDX-License-Identifier: Apache-2.0
// Answers with a double where an int is named.
// expect: greenroom: a handler returns something else than its request's reply type
#include <greenroom/greenroom.hpp>

namespace gr = greenroom;

struct add {
  int amount;
};
struct total {
  using reply = int;
};

void counter(gr::mailbox<total>& in) {
  in.receive([](total) { return 3.7; });  // <- error here
}
