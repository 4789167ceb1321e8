// SPDX-License-Identifier: Apache-2.0
// An object actor that answers with another type than the request names.
// expect: greenroom: a handler returns something else than its request's reply type
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
  const char* on(total) { return "many"; }
};

void start(gr::runtime& rt) {
  rt.spawn_detached<account>();  // <- error here
}
