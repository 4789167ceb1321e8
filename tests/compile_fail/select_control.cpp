// SPDX-License-Identifier: Apache-2.0
// Control: channels and selects without a mistake.
// expect: no error
#include <greenroom/greenroom.hpp>

namespace gr = greenroom;

struct add {
  int amount;
};

void user(gr::mailbox<add>& in) {
  auto [tx, rx] = gr::channel<int>(1);
  int sum = 0;
  while (gr::select(in.on([&](add m) { sum += m.amount; }), rx.on([&](int n) { sum += n; }),
                    tx.on(1, [] {}), gr::after(std::chrono::seconds(1), [] {}),
                    gr::otherwise([] {}))) {}
}
