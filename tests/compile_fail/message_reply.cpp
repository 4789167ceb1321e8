// SPDX-License-Identifier: Apache-2.0
// Answers with a reply that holds a string_view.
// expect: greenroom: a message must not hold a string_view
#include <greenroom/greenroom.hpp>

#include <string_view>

namespace gr = greenroom;

struct name {
  using reply = std::string_view;
};

void reader(gr::mailbox<name>& in) {
  in.receive([](name) { return std::string_view("me"); });  // <- error here
}
