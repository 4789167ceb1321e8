// SPDX-License-Identifier: Apache-2.0
// Makes a channel of values aligned to 32 bytes.
// expect: greenroom: a value may be aligned to 16 bytes at most
#include <greenroom/greenroom.hpp>

namespace gr = greenroom;

struct alignas(32) wide {
  char bytes[32];
};

void user() {
  auto ends = gr::channel<wide>(1);  // <- error here
  ends.first.close();
}
