// SPDX-License-Identifier: Apache-2.0
// Runs an actor in a process whose message holds what means nothing there.
// expect: greenroom: this message cannot cross a process: it holds a class
#include <greenroom/greenroom.hpp>
#include <greenroom/process.hpp>

namespace gr = greenroom;

struct note {
  int number;
};
struct subscribe {
  gr::address<note> who;
};

void actor(gr::mailbox<subscribe>& in);

void user() {
  gr::spawn_process(actor);  // <- error here
}
