// SPDX-License-Identifier: Apache-2.0
// Two kinds of actor that do the same job, and a main that asks one of them.
// [counter]
#include <greenroom/greenroom.hpp>

#include <cstdio>

namespace gr = greenroom;
using namespace std::chrono_literals;

struct add   { int amount; };                  // a message is a plain struct
struct total { using reply = int; };           // a request names its reply

void counter(gr::mailbox<add, total>& in, int sum) {  // an actor is a function that receives
  while (in.receive([&](add m) { sum += m.amount; },
                    [&](total) { return sum; })) {}   // false once the mailbox is closed
}

int main() {
  gr::runtime rt;
  gr::address<add, total> c = rt.spawn(counter, 10);
  gr::address<add> adder = c;                         // narrows: may add, may not ask
  adder.send(add{32});
  std::expected<int, gr::error> n = c.ask(total{}, 100ms);  // ask always has a deadline
  std::printf("%d\n", n.value_or(-1));
}
// [/counter]
