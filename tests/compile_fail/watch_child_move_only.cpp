// SPDX-License-Identifier: Apache-2.0
// Gives a child something that cannot be copied for its next start.
// expect: greenroom: what a child is started with is copied for each start
#include <greenroom/greenroom.hpp>

#include <memory>

namespace gr = greenroom;

struct job {};
void worker(gr::mailbox<job>&, std::unique_ptr<int>) {}

void run(gr::supervisor& app) {
  app.child("worker", gr::permanent, worker, std::make_unique<int>(1));  // <- error here
}
