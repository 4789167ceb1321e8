// SPDX-License-Identifier: Apache-2.0
// Makes a request of a message that names no reply.
// expect: greenroom: only a request can be asked: it names its reply (using reply = ...)
#include <greenroom/greenroom.hpp>

namespace gr = greenroom;
using namespace std::chrono_literals;

struct add {
  int amount;
};

void user(gr::address<add> adder) {
  (void)adder.request(add{1});  // <- error here
}
