// SPDX-License-Identifier: Apache-2.0
// Starts an object actor one of whose messages holds a raw pointer.
// expect: greenroom: a message must not hold a raw pointer
#include <greenroom/greenroom.hpp>

namespace gr = greenroom;

struct note {
  int* where;
};
struct reader {
  using messages = gr::messages<note>;
  void on(note) {}
};

void start(gr::runtime& rt) {
  rt.spawn_detached<reader>();  // <- error here
}
