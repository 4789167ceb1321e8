// SPDX-License-Identifier: Apache-2.0
// Runs an actor in a process whose reply holds an enum that has not a value for each number.
// expect: greenroom: this message cannot cross a process: it holds an enum
#include <greenroom/greenroom.hpp>
#include <greenroom/process.hpp>

namespace gr = greenroom;

enum colour { red, green };
struct paint {
  colour which;
};
struct ask_paint {
  using reply = paint;
};

void actor(gr::mailbox<ask_paint>& in);

void user() {
  gr::spawn_process(actor);  // <- error here
}
