// SPDX-License-Identifier: Apache-2.0
// Sends a message that holds a raw pointer deep inside.
// expect: greenroom: a message must not hold a raw pointer
#include <greenroom/greenroom.hpp>

#include <utility>
#include <vector>

namespace gr = greenroom;

struct inner {
  std::pair<int, const char*> named;
};
struct note {
  int number;
  std::vector<inner> all;
};

void user(gr::address<note> to, note n) {
  to.send(std::move(n));  // <- error here
}
