// SPDX-License-Identifier: Apache-2.0
// Sends on a channel with a function that takes an argument.
// expect: greenroom: the function of a case that sends takes no argument
#include <greenroom/greenroom.hpp>

namespace gr = greenroom;

void user(const gr::sender<int>& tx) {
  gr::select(tx.on(1, [](int) {}));  // <- error here
}
