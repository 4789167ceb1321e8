// SPDX-License-Identifier: Apache-2.0
// What is on paper outlives whoever wrote it. Each sheet has one writer at a time: an actor, and
// after its end the same actor's next life. So there are no locks.
#pragma once

#include <algorithm>
#include <map>
#include <numeric>
#include <utility>
#include <vector>

namespace bank {

// Money that comes into an account or, negative, leaves it. The reply: whether it was possible.
struct movement {
  using reply = bool;
  unsigned teller, number;  // of the transfer that it is a half of
  int amount;
};
using book = std::vector<movement>;           // of one account; nothing is ever crossed out
inline constexpr int opening_balance = 1000;  // of each account, in no book

// On a teller's desk: the transfer that it is at. While it is open, it is not known to be done.
struct slip {
  unsigned number = 0, from = 0, to = 0;
  int amount = 0;
  bool is_open = false;
};

struct paper {
  std::vector<book> books;
  std::vector<slip> slips;
};

inline int balance_of(const book& b) {
  return std::accumulate(b.begin(), b.end(), opening_balance,
                         [](int sum, const movement& m) { return sum + m.amount; });
}

// A teller has not come to the end of a transfer that it began.
inline bool has_open_slip(const paper& all) {
  return std::any_of(all.slips.begin(), all.slips.end(), [](const slip& s) { return s.is_open; });
}

// How many transfers do not have two halves that make 0.
inline std::size_t count_faults(const paper& all) {
  std::map<std::pair<unsigned, unsigned>, int> sums;
  for (const book& b : all.books)
    for (const movement& m : b) sums[{m.teller, m.number}] += m.amount;
  return sums.size() - static_cast<std::size_t>(std::count_if(
                           sums.begin(), sums.end(), [](const auto& s) { return s.second == 0; }));
}

}  // namespace bank
