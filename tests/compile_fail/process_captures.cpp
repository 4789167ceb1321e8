// SPDX-License-Identifier: Apache-2.0
// Runs a lambda that refers to what is here in another process.
// expect: greenroom: what runs in another process is a function or a lambda without captures
#include <greenroom/greenroom.hpp>
#include <greenroom/process.hpp>

namespace gr = greenroom;

struct note {
  int number;
};

void user(int& sum) {
  auto actor = [&sum](gr::mailbox<note>& in) { in.receive([&](note n) { sum += n.number; }); };
  gr::spawn_process(actor);  // <- error here
}
