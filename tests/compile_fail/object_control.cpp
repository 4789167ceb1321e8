// SPDX-License-Identifier: Apache-2.0
// An object with a handler for each of its messages.
// expect: no error
#include <greenroom/greenroom.hpp>

namespace gr = greenroom;
using namespace std::chrono_literals;

struct add {
  int amount;
};
struct total {
  using reply = int;
};

struct slow {
  using reply = long;
};

struct account {
  using messages = gr::messages<add, total, slow, int>;
  explicit account(int cents) : cents_(cents) {}
  void on(add m) { cents_ += m.amount; }
  int on(total) { return cents_; }
  void on(slow, gr::promise<long> answer) { answer.set(1); }
  void on(int) {}

 private:
  int cents_;
};

int user(gr::runtime& rt) {
  gr::address<add, total, slow, int> a = rt.spawn<account>(10);
  gr::address<total> named = rt.spawn<account>({.name = "savings"}, 10);
  return named.ask(total{}, 1s).value_or(0);
}
