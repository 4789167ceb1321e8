// SPDX-License-Identifier: Apache-2.0
// Sends a message that holds what its author does not want sent.
// expect: greenroom: a message must not hold a type for which greenroom::sendable is false
#include <greenroom/greenroom.hpp>

namespace gr = greenroom;

struct handle {
  int number;
};
template <>
inline constexpr bool greenroom::sendable<handle> = false;
struct note {
  handle h;
};

void user(gr::address<note> to) {
  to.send(note{});  // <- error here
}
