// SPDX-License-Identifier: Apache-2.0
// Makes a channel of values that hold a raw pointer.
// expect: greenroom: a message must not hold a raw pointer
#include <greenroom/greenroom.hpp>

namespace gr = greenroom;

struct note {
  int number;
  int* where;
};

void user() {
  auto ends = gr::channel<note>(1);  // <- error here
  ends.first.close();
}
