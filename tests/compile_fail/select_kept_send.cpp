// SPDX-License-Identifier: Apache-2.0
// Keeps a case that sends in a variable, which outlives its value.
// expect: greenroom: a case that sends is made in the call: it refers to its value
#include <greenroom/greenroom.hpp>

namespace gr = greenroom;

struct text {
  char letters[64];
};

void user(const gr::sender<text>& tx) {
  auto later = tx.on(text{}, [] {});
  gr::select(later);  // <- error here
}
