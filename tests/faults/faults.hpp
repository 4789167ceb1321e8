// SPDX-License-Identifier: Apache-2.0
// Failures of allocations, for tests: the n-th that is asked for while they are armed gets nothing,
// alone or with all that follow. What counts as one is every way in which the library, the test and
// the C++ library ask for memory: operator new, malloc and its kin, mmap, mprotect (a stack is
// opened), a thread, and the library's own pools (nodes, cells, slabs, stacks), which ask the
// system so rarely that their failures would be missed.
//
// Thread rules: arm() and disarm() by one thread; everything else by all.
#pragma once

#include <cstdint>

namespace faults {

enum class which : std::uint8_t {
  the_one,        // that one alone
  from_there_on,  // that one, and all until they are disarmed
};

// What is asked for from now on is counted from 1. `at` 0: only counted.
void arm(which how, std::uint64_t at) noexcept;
// How many have been asked for meanwhile.
std::uint64_t disarm() noexcept;
// Has one failed since arm()?
bool has_failed() noexcept;

// While one lives, what its thread asks for neither counts nor fails. It must not wait.
class exempt {
 public:
  exempt() noexcept;
  ~exempt();
  exempt(const exempt&) = delete;
  exempt& operator=(const exempt&) = delete;
};

// For a report: which run it is, and the stack of the first failure in it. Async-signal-safe.
void describe(const char* scenario) noexcept;
void print_state() noexcept;

// The report on the end of the process by a signal or after too long a time.
void watch_this_process() noexcept;
void allow_seconds(unsigned seconds) noexcept;

}  // namespace faults
