// SPDX-License-Identifier: Apache-2.0
// Starts an object actor with arguments that it cannot be made from.
// expect: greenroom: this actor cannot be constructed from these arguments
#include <greenroom/greenroom.hpp>

namespace gr = greenroom;

struct add {
  int amount;
};
struct total {
  using reply = int;
};

struct account {
  using messages = gr::messages<add>;
  explicit account(int) {}
  void on(add) {}
};

void start(gr::runtime& rt) {
  rt.spawn_detached<account>("ten");  // <- error here
}
