// SPDX-License-Identifier: Apache-2.0
// Starts a function actor with an argument too few.
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

void start() {
  gr::spawn_detached(counter);  // <- error here
}
