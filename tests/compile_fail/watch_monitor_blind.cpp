// SPDX-License-Identifier: Apache-2.0
// Monitors with a mailbox that cannot be told.
// expect: greenroom: a mailbox must receive greenroom::down to monitor with it
#include <greenroom/greenroom.hpp>

namespace gr = greenroom;

struct job {};

void blind(gr::mailbox<job>& in, const gr::address<job>& other) {
  gr::monitor(other, in);  // <- error here
}
