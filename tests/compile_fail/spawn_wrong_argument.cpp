// SPDX-License-Identifier: Apache-2.0
// Starts a function actor with an argument of another type.
// expect: greenroom: this actor cannot be started with these arguments
#include <greenroom/greenroom.hpp>

namespace gr = greenroom;

struct add {
  int amount;
};
struct total {
  using reply = int;
};

void counter(gr::mailbox<add>& in, int sum);

void start(gr::runtime& rt) {
  rt.spawn_detached(counter, "ten");  // <- error here
}
