// SPDX-License-Identifier: Apache-2.0
// Lets two functions race that return different types.
// expect: greenroom: what runs in one race must return one type
#include <greenroom/greenroom.hpp>

namespace gr = greenroom;
using namespace std::chrono_literals;

void user() {
  (void)gr::race([] { return 1; }, [] { return "one"; });  // <- error here
}
