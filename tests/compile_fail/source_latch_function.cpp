// SPDX-License-Identifier: Apache-2.0
// Gives a case of a latch a function that takes an argument.
// expect: greenroom: the function of a case that waits for zero takes no argument
#include <greenroom/greenroom.hpp>

namespace gr = greenroom;

void user() {
  gr::latch l(1);
  gr::select(l.on([](int) {}));  // <- error here
}
