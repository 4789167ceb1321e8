// SPDX-License-Identifier: Apache-2.0
// Prints the seed, then runs the tests. With --child=NAME it is a process that a test has
// started, see stacks.cpp.
#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include "stress.hpp"

#include <cstdio>
#include <cstring>

int run_child(const char* name);  // stacks.cpp

int main(int argc, char** argv) {
  constexpr char child[] = "--child=";
  if (argc == 2 && std::strncmp(argv[1], child, sizeof child - 1) == 0)
    return run_child(argv[1] + sizeof child - 1);
  std::printf("GREENROOM_SEED=%u\n", stress::seed());
  std::fflush(stdout);
  doctest::Context context(argc, argv);
  return context.run();
}
