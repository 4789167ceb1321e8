// SPDX-License-Identifier: Apache-2.0
// Makes a work queue of values whose move may throw.
// expect: greenroom: a message is moved to its receiver, and this one's move may throw
#include <greenroom/greenroom.hpp>

namespace gr = greenroom;

struct heavy {
  heavy() = default;
  heavy(heavy&&) noexcept(false) {}
};

void user() {
  auto ends = gr::work_queue<heavy>(1);  // <- error here
  ends.tx.close();
}
