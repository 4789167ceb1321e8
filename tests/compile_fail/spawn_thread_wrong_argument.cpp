// SPDX-License-Identifier: Apache-2.0
// Starts a green thread with an argument its function does not take.
// expect: greenroom: this function cannot be started with these arguments
#include <greenroom/greenroom.hpp>

namespace gr = greenroom;

void start() {
  gr::spawn([](int) {}, "ten");  // <- error here
}
