// SPDX-License-Identifier: Apache-2.0
// What the tests of processes share: messages, and functions that run in a process of their own.
#pragma once

#include <greenroom/process.hpp>

#include "unit_test.hpp"

#include <string>
#include <utility>
#include <vector>

namespace process_tests {

struct say {
  using reply = std::string;
  std::string text;
};
struct note {
  int number;
};
struct total {
  using reply = std::vector<int>;
};
struct die {
  using reply = void;
  std::string how;
};

// Answers, keeps what it is told, and dies in the way that it is asked to.
using everyday = gr::mailbox<say, note, total, die>;
using everyday_address = gr::address<say, note, total, die>;
void everyday_actor(everyday& in);

// Runs the body on a green thread of a runtime; fails the test when that fails.
template <class F>
void in_runtime(F&& body, gr::logger logger = {}) {
  gr::runtime rt({.workers = 2, .logger = logger});
  const gr::status ended = rt.spawn(std::forward<F>(body)).join();
  CHECK_MESSAGE(ended, (ended ? "" : ended.error().text()));
}

bool has_children();             // zombies included
std::size_t open_descriptors();  // of this process

}  // namespace process_tests
