// SPDX-License-Identifier: Apache-2.0
// Control: a channel of values that are moved only.
// expect: no error
#include <greenroom/greenroom.hpp>

namespace gr = greenroom;

struct token {
  explicit token(int n) : number(n) {}
  token(token&&) = default;
  int number;
};

void user() {
  auto [tx, rx] = gr::channel<token>(1);
  tx.send(token(1));
  for (token t : rx) (void)t;
}
