// SPDX-License-Identifier: Apache-2.0
// Sends a message that holds a string_view.
// expect: greenroom: a message must not hold a string_view
#include <greenroom/greenroom.hpp>

#include <string_view>

namespace gr = greenroom;

struct note {
  int number;
  std::string_view text;
};

void user(gr::address<note> to, note n) {
  to.send(std::move(n));  // <- error here
}
