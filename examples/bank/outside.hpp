// SPDX-License-Identifier: Apache-2.0
// What comes to a bank from outside: customers, and misfortune.
#pragma once

#include "teller.hpp"

namespace bank {

// Sends customers to the tellers, as fast as they are served: a send waits for room.
inline void street(const std::vector<teller_address>& tellers, unsigned accounts) {
  ++lives;
  for (;;) {
    const unsigned from = roll(accounts), to = (from + 1 + roll(accounts - 1)) % accounts;
    const customer c{from, to, static_cast<int>(1 + roll(100))};
    if (!tellers[roll(tellers.size())].send(c)) return;
  }
}

// Kills one part after the other. An address for no messages is all that it takes.
inline void misfortune(gr::time_point until, const std::vector<gr::address<>>& parts) {
  for (; gr::now() < until; gr::sleep_for(std::chrono::microseconds(roll(2000)))) {
    gr::kill(parts[roll(parts.size())]);
    ++kills;
  }
}

}  // namespace bank
