// SPDX-License-Identifier: Apache-2.0
#define DOCTEST_CONFIG_IMPLEMENT
#include "process_test.hpp"

#include <cstring>
#include <string_view>

// A signal is to end the process as it does without a sanitizer.
extern "C" const char* __asan_default_options();
extern "C" const char* __tsan_default_options();
extern "C" const char* __asan_default_options() { return "handle_segv=0:handle_abort=0"; }
extern "C" const char* __tsan_default_options() { return "handle_segv=0:handle_abort=0"; }

int be_orphaned();  // orphan_test.cpp

int main(int argc, char** argv) {
  gr::process_main();
  if (argc == 2 && std::string_view(argv[1]) == "--be-orphaned") return be_orphaned();
  return doctest::Context(argc, argv).run();
}
