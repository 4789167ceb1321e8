// SPDX-License-Identifier: Apache-2.0
// Makes a oneshot of a value whose move may throw.
// expect: greenroom: a message is moved to its receiver, and this one's move may throw
#include <greenroom/greenroom.hpp>

namespace gr = greenroom;

struct heavy {
  heavy() = default;
  heavy(heavy&&) noexcept(false) {}
};

void user() {
  auto ends = gr::oneshot<heavy>();  // <- error here
  (void)ends.tx.wanted();
}
