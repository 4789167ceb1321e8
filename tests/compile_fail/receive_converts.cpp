// SPDX-License-Identifier: Apache-2.0
// Handles an int as a double: a handler takes exactly its message.
// expect: greenroom: a handler for a message that this mailbox does not receive
#include <greenroom/greenroom.hpp>

namespace gr = greenroom;

void numbers(gr::mailbox<int>& in) {
  in.receive([](double) {});  // <- error here
}
