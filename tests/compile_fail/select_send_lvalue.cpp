// SPDX-License-Identifier: Apache-2.0
// Would copy a value that can only be moved.
// expect: greenroom: this value cannot be copied: tx.on(std::move(value), ...) gives it away
#include <greenroom/greenroom.hpp>

namespace gr = greenroom;

struct token {
  token() = default;
  token(token&&) = default;
};

void user(const gr::sender<token>& tx, token mine) {
  gr::select(tx.on(mine, [] {}));  // <- error here
}
