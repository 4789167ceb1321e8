// SPDX-License-Identifier: Apache-2.0
// Hands a select a function instead of a case.
// expect: greenroom: a case of a select is what on(), after(), at() or otherwise() returns
#include <greenroom/greenroom.hpp>

namespace gr = greenroom;

void user(const gr::receiver<int>& rx) {
  gr::select(rx.on([](int) {}), [] {});  // <- error here
}
