// SPDX-License-Identifier: Apache-2.0
// Makes a broadcast of values that are moved only.
// expect: greenroom: every receiver gets a copy of what is sent, and this cannot be copied
#include <greenroom/greenroom.hpp>

namespace gr = greenroom;

struct token {
  explicit token(int n) : number(n) {}
  token(token&&) = default;
  int number;
};

void user() {
  auto tx = gr::broadcast<token>(1, gr::slow::wait);  // <- error here
  tx.close();
}
