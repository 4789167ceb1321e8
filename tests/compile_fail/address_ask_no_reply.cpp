// SPDX-License-Identifier: Apache-2.0
// Asks a message that names no reply type.
// expect: greenroom: only a request can be asked: it names its reply
#include <greenroom/greenroom.hpp>

namespace gr = greenroom;
using namespace std::chrono_literals;

struct add {
  int amount;
};
struct total {
  using reply = int;
};

bool user(gr::address<add, total> counter) {
  return counter.ask(add{1}, 1s).has_value();  // <- error here
}
