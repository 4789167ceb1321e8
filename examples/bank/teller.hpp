// SPDX-License-Identifier: Apache-2.0
// A teller takes money out of one account and puts it into another. Before it touches either, it
// writes down what it is about to do: its next life carries that out.
#pragma once

#include "account.hpp"

namespace bank {

struct customer {
  unsigned from, to;
  int amount;
};

// Asks until it is answered: an account that died may have done it, or not, and will know.
inline bool move(const account_address& at, const movement& m) {
  for (;; gr::yield())
    if (const auto done = at.ask(m, std::chrono::seconds(1))) return *done;
}

inline void teller(gr::mailbox<customer>& in, unsigned own, slip* desk,
                   const std::vector<account_address>& accounts) {
  ++lives;
  const auto carry_out = [&] {
    const slip s = *desk;
    risk("on paper, and nothing done");
    if (move(accounts[s.from], {own, s.number, -s.amount})) {
      risk("money in hand");
      move(accounts[s.to], {own, s.number, s.amount});
      risk("all done, and it does not say so");
    }
    desk->is_open = false;
  };
  if (desk->is_open) carry_out();
  while (in.receive([&](customer c) {
    *desk = {desk->number + 1, c.from, c.to, c.amount, true};
    carry_out();
  })) {}
}
using teller_address = gr::address<customer>;

}  // namespace bank
