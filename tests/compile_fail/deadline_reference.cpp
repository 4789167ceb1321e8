// SPDX-License-Identifier: Apache-2.0
// Returns a reference out of a with_deadline.
// expect: greenroom: with_deadline returns a value, so the function must not return a reference
#include <greenroom/greenroom.hpp>

namespace gr = greenroom;
using namespace std::chrono_literals;

int value = 0;

void user() {
  (void)gr::with_deadline(1s, []() -> int& { return value; });  // <- error here
}
