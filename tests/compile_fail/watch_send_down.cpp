// SPDX-License-Identifier: Apache-2.0
// Sends what only the library tells.
// expect: greenroom: only the library itself sends this message
#include <greenroom/greenroom.hpp>

namespace gr = greenroom;

void forge(const gr::address<gr::down>& to, const gr::down& old) {
  to.send(gr::down(old));  // <- error here
}
