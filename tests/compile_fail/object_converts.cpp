// SPDX-License-Identifier: Apache-2.0
// An object actor that handles an int as a double.
// expect: greenroom: this actor has no `on` for one of its messages
#include <greenroom/greenroom.hpp>

namespace gr = greenroom;

struct numbers {
  using messages = gr::messages<int>;
  void on(double) {}
};

void start(gr::runtime& rt) {
  rt.spawn_detached<numbers>();  // <- error here
}
