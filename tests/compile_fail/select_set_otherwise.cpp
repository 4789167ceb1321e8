// SPDX-License-Identifier: Apache-2.0
// Adds an otherwise to a set.
// expect: greenroom: a set has no otherwise(): its try_now() does not wait
#include <greenroom/greenroom.hpp>

namespace gr = greenroom;

void user(gr::select_set& set) {
  set.add(gr::otherwise());  // <- error here
}
