// SPDX-License-Identifier: Apache-2.0
// What our workloads share beside common.hpp: a gate at which the main thread waits for its
// actors.
//
// Every workload is one function of one file, named in the table of main.cpp together with its
// parameters and their defaults. It makes a runtime and runs in it.
#pragma once

#include "common.hpp"

#include <greenroom/greenroom.hpp>

#include <cstdint>

namespace gr = greenroom;

namespace bench {

struct done {};

// Opens when `count` actors have sent it `done`.
class gate {
 public:
  gate(gr::runtime& rt, std::int64_t count);
  gr::address<done> address() const { return counter_; }
  void wait() const;

 private:
  struct all_done {
    using reply = bool;
  };
  static void count_down(gr::mailbox<done, all_done>& in, std::int64_t left);

  gr::address<done, all_done> counter_;
};

// Waits until the process is as small as before, but for a tenth of what it grew by, or until
// patience ends: memory is given back in the background. Growth that the library may keep warm is
// not waited for. How long it took, in seconds.
double wait_for_memory(std::int64_t kb_before, std::int64_t kb_alive);

}  // namespace bench
