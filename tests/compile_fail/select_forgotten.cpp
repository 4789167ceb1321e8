// SPDX-License-Identifier: Apache-2.0
// Selects on a mailbox without a handler for one of its messages.
// expect: greenroom: no handler for one of this mailbox's messages
#include <greenroom/greenroom.hpp>

namespace gr = greenroom;

struct add {
  int amount;
};
struct stop {};

void user(gr::mailbox<add, stop>& in) {
  gr::select(in.on([](add) {}));  // <- error here
}
