// SPDX-License-Identifier: Apache-2.0
// An object actor without a handler for one of its messages.
// expect: greenroom: this actor has no `on` for one of its messages
#include <greenroom/greenroom.hpp>

namespace gr = greenroom;

struct add {
  int amount;
};
struct total {
  using reply = int;
};

struct account {
  using messages = gr::messages<add, total>;
  void on(add) {}
};

void start(gr::runtime& rt) {
  rt.spawn_detached<account>();  // <- error here
}
