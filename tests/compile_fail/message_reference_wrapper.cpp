// SPDX-License-Identifier: Apache-2.0
// Sends a message that holds a reference_wrapper.
// expect: greenroom: a message must not hold a reference_wrapper
#include <greenroom/greenroom.hpp>

#include <functional>

namespace gr = greenroom;

struct note {
  int number;
  std::reference_wrapper<int> where;
};

void user(gr::address<note> to, note n) {
  to.send(std::move(n));  // <- error here
}
