// SPDX-License-Identifier: Apache-2.0
// Sends a double where an int is meant: a message is never converted to another.
// expect: greenroom: this address does not accept this message
#include <greenroom/greenroom.hpp>

namespace gr = greenroom;

void user(gr::address<int> numbers) {
  numbers.send(3.7);  // <- error here
}
