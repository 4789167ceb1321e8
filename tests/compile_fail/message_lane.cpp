// SPDX-License-Identifier: Apache-2.0
// Names a lane that there is not.
// expect: greenroom: a message's lane is greenroom::urgent, or it names none
#include <greenroom/greenroom.hpp>

namespace gr = greenroom;

struct low {};
struct halt {
  using lane = low;
};

void stop(const gr::address<halt>& to) {
  to.send(halt{});  // <- error here
}
