// SPDX-License-Identifier: Apache-2.0
// Sends a message that holds a raw pointer.
// expect: greenroom: a message must not hold a raw pointer
#include <greenroom/greenroom.hpp>

namespace gr = greenroom;

struct note {
  int number;
  int* where;
};

void user(gr::address<note> to, note n) {
  to.send(std::move(n));  // <- error here
}
