// SPDX-License-Identifier: Apache-2.0
// Starts a function actor one of whose messages holds a raw pointer.
// expect: greenroom: a message must not hold a raw pointer
#include <greenroom/greenroom.hpp>

namespace gr = greenroom;

struct note {
  int* where;
};
void reader(gr::mailbox<note>& in);

void start(gr::runtime& rt) {
  rt.spawn_detached(reader);  // <- error here
}
