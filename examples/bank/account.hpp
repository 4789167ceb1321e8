// SPDX-License-Identifier: Apache-2.0
// An account. Its balance is what its book adds up to: a new life reads the book first.
#pragma once

#include <map>

#include "luck.hpp"
#include "paper.hpp"

namespace bank {

class account {
 public:
  using messages = gr::messages<movement>;

  explicit account(book* written) : written_(written) {
    ++lives;
    for (const movement& m : *written_) count(m);
  }

  // Done once, however often it is asked for: a teller that has not heard the answer asks again.
  // It has one transfer under way, and what it sends comes in order: its last number will do.
  bool on(movement m) {
    if (m.number <= last_[m.teller]) return true;
    if (balance_ + m.amount < 0) return false;
    risk("before it was written");
    written_->push_back(m);
    count(m);
    risk("written, and not answered");
    return true;
  }

 private:
  void count(const movement& m) {
    balance_ += m.amount;
    last_[m.teller] = m.number;
  }

  book* written_;
  int balance_ = opening_balance;
  std::map<unsigned, unsigned> last_;  // by teller
};
using account_address = gr::address<movement>;

}  // namespace bank
