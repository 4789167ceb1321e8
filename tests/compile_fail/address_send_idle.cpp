// SPDX-License-Identifier: Apache-2.0
// Tells an actor that it is idle, which only the library can.
// expect: greenroom::idle
#include <greenroom/greenroom.hpp>

namespace gr = greenroom;

void tell(const gr::address<gr::idle>& to) {
  to.send(gr::idle{});  // <- error here
}
