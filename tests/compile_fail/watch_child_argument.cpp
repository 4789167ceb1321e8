// SPDX-License-Identifier: Apache-2.0
// Starts a child with what it does not take.
// expect: greenroom: this actor cannot be constructed from these arguments
#include <greenroom/greenroom.hpp>

namespace gr = greenroom;

struct job {};
struct worker {
  using messages = gr::messages<job>;
  explicit worker(int) {}
  void on(job) {}
};

void run(gr::supervisor& app) {
  app.child<worker>("worker", gr::permanent, std::string_view("seven"));  // <- error here
}
