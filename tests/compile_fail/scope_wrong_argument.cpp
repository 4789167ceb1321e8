// SPDX-License-Identifier: Apache-2.0
// Starts a child with an argument its function does not take.
// expect: greenroom: this function cannot be started with these arguments
#include <greenroom/greenroom.hpp>

namespace gr = greenroom;
using namespace std::chrono_literals;

void user(gr::scope& s) {
  s.spawn([](int) {}, "ten");  // <- error here
}
