// SPDX-License-Identifier: Apache-2.0
// Receives from a channel with a function that takes something else.
// expect: greenroom: the function of a case that receives takes the channel's value
#include <greenroom/greenroom.hpp>

namespace gr = greenroom;

struct text {};

void user(const gr::receiver<int>& rx) {
  gr::select(rx.on([](text) {}));  // <- error here
}
