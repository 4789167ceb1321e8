// SPDX-License-Identifier: Apache-2.0
// Answers a selected request with something else than its reply.
// expect: greenroom: a handler returns something else than its request's reply type
#include <greenroom/greenroom.hpp>

namespace gr = greenroom;

struct add {
  int amount;
};
struct total {
  using reply = int;
};

void counter(gr::mailbox<add, total>& in) {
  in.receive_only([](total) { return "many"; });  // <- error here
}
