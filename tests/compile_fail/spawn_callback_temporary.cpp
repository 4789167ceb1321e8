// SPDX-License-Identifier: Apache-2.0
// Gives a lambda with captures, which nobody keeps, to be called later.
// expect: greenroom: a callback keeps no copy: give the callable a name
#include <greenroom/greenroom.hpp>

namespace gr = greenroom;

struct add {
  int amount;
};

void counter(gr::mailbox<add>& in);

void start(gr::runtime& rt, int& dropped) {
  const gr::drop_handler note([&](const gr::dropped_message&) { ++dropped; });  // <- error here
  rt.spawn_detached({.overload = gr::overload::drop_newest, .on_dropped = note}, counter);
}
