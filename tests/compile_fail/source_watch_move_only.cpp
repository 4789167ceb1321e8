// SPDX-License-Identifier: Apache-2.0
// Makes a watch of a value that is moved only.
// expect: greenroom: every receiver gets a copy of what is sent, and this cannot be copied
#include <greenroom/greenroom.hpp>

namespace gr = greenroom;

struct token {
  explicit token(int n) : number(n) {}
  token(token&&) = default;
  int number;
};

void user() {
  auto ends = gr::watch(token(1));  // <- error here
  ends.tx.close();
}
