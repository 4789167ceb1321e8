// SPDX-License-Identifier: Apache-2.0
// Starts an actor with a mailbox as a child of a scope.
// expect: greenroom: a child of a scope has no mailbox; spawn() makes actors
#include <greenroom/greenroom.hpp>

namespace gr = greenroom;
using namespace std::chrono_literals;

void user(gr::scope& s) {
  s.spawn([](gr::mailbox<int>& in) { in.receive([](int) {}); });  // <- error here
}
