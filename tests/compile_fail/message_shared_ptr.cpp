// SPDX-License-Identifier: Apache-2.0
// Sends a message that holds a shared_ptr to what can be changed.
// expect: greenroom: a message must not hold a shared_ptr to non-const
#include <greenroom/greenroom.hpp>

#include <memory>

namespace gr = greenroom;

struct note {
  int number;
  std::shared_ptr<int> shared;
};

void user(gr::address<note> to, note n) {
  to.send(std::move(n));  // <- error here
}
