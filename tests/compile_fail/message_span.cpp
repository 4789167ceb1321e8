// SPDX-License-Identifier: Apache-2.0
// Sends a message that holds a span.
// expect: greenroom: a message must not hold a span
#include <greenroom/greenroom.hpp>

#include <span>

namespace gr = greenroom;

struct note {
  int number;
  std::span<int> numbers;
};

void user(gr::address<note> to, note n) {
  to.send(std::move(n));  // <- error here
}
