// SPDX-License-Identifier: Apache-2.0
// A function actor that wants to be told that it is idle.
// expect: greenroom: a greenroom::idle is for object actors; here receive_for does it
#include <greenroom/greenroom.hpp>

namespace gr = greenroom;

struct add {
  int amount;
};

void counter(gr::mailbox<add, gr::idle>& in) {
  in.receive([](add) {}, [](gr::idle) {});
}

void start(gr::runtime& rt) {
  rt.spawn(counter);  // <- error here
}
