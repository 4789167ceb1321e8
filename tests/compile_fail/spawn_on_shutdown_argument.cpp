// SPDX-License-Identifier: Apache-2.0
// A hook that wants an argument, which nobody has for it.
// expect: greenroom: a function for on_shutdown takes no argument
#include <greenroom/greenroom.hpp>

namespace gr = greenroom;

gr::shutdown_hook user(gr::runtime& rt) {
  return rt.on_shutdown([](int) {});  // <- error here
}
