// SPDX-License-Identifier: Apache-2.0
// Programs made for spawn_process, programs that were not, and options that make no sense.
#include "process_test.hpp"

#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <sys/stat.h>
#include <unistd.h>

using namespace process_tests;

struct square {
  using reply = int;
  int side;
};
struct rename_it {
  std::string name;
};

namespace {

// How asking a program fails.
std::string failure_of(const char* program, const gr::process_options& how = {}) {
  std::string text;
  unit::log_book log;
  in_runtime(
      [&] {
        const auto other = gr::spawn_process<square>(program, how);
        const auto said = other.ask(square{3}, unit::long_time);
        text = said ? "it answers" : said.error().text();
      },
      log.logger());
  CHECK(!has_children());
  return text;
}

template <class F>
std::string refusal_of(F&& make) {
  try {
    make();
    return "it is taken";
  } catch (const std::invalid_argument& e) { return e.what(); }
}

}  // namespace

TEST_CASE("a program of its own serves an actor, and has the environment that it is given") {
  in_runtime([] {
    const auto other = gr::spawn_process<square>(PROCESS_HELPER, {.clean_environment = true});
    const auto said = other.ask(square{12}, unit::long_time);
    REQUIRE_MESSAGE(said, (said ? "" : said.error().text()));
    CHECK(*said == 144);
  });
}

TEST_CASE("a program that is not there, or is none of ours, is reported by name and cause") {
  CHECK(failure_of("/nowhere/at/all", {.name = "none"}) ==
        "cannot start a process for none: /nowhere/at/all: No such file or directory");
  CHECK(failure_of("/dev/null", {.name = "none"}) ==
        "cannot start a process for none: /dev/null: Permission denied");
  CHECK(failure_of("/bin/true", {.name = "truth"}) ==
        "cannot start a process for truth: it ended before it was ready: exit status 0");
  CHECK(failure_of("/bin/cat", {.name = "cat"}) ==
        "cannot start a process for cat: it ended before it was ready: exit status 0");
}

TEST_CASE("a program that says nothing is killed after start_within") {
  const std::string script = "/tmp/greenroom-silent-" + std::to_string(::getpid());
  std::FILE* const file = std::fopen(script.c_str(), "we");
  REQUIRE(file != nullptr);
  std::fputs("#!/bin/sh\nsleep 1000\n", file);
  std::fclose(file);
  ::chmod(script.c_str(), 0700);
  CHECK(failure_of(script.c_str(), {.name = "silence", .start_within = 100ms}) ==
        "cannot start a process for silence: it gave no answer in 100 ms; does its main call "
        "greenroom::serve_process?");
  ::unlink(script.c_str());
}

TEST_CASE("a program built from other types is refused before it gets a message") {
  const std::string changed = "/tmp/greenroom-changed-" + std::to_string(::getpid());
  REQUIRE(::symlink(PROCESS_HELPER, changed.c_str()) == 0);
  std::string text;
  unit::log_book log;
  in_runtime(
      [&] {
        const auto other =
            gr::spawn_process<square, rename_it>(changed.c_str(), {.name = "changed"});
        const auto said = other.ask(square{3}, unit::long_time);
        text = said ? "it answers" : said.error().text();
      },
      log.logger());
  ::unlink(changed.c_str());
  CHECK(text ==
        "cannot start a process for changed: message `rename_it` is of another shape there "
        "(`rename_it`): build both programs from the same types");
  CHECK(failure_of("/proc/self/exe", {.name = "self"}).find("its main does not call") !=
        std::string::npos);
}

TEST_CASE("a main that does not begin with process_main is told so before there is a process") {
  CHECK(std::system(PROCESS_HELPER " --unprepared") == 0);
  CHECK(std::system(PROCESS_HELPER " 2>/dev/null") == 2 << 8);
}

TEST_CASE("options that make no sense are refused with their name and value") {
  CHECK(refusal_of([] { (void)gr::in_process(everyday_actor, {.cpu_max = 0s}); }) ==
        "greenroom: process_options.cpu_max is 0 ns; it must be above 0");
  CHECK(refusal_of([] { (void)gr::in_process(everyday_actor, {.message_size_max = 0}); }) ==
        "greenroom: process_options.message_size_max is 0; it must be 1 byte to 1 GiB");
  CHECK(refusal_of([] {
          (void)gr::in_process(everyday_actor, {.stack_size = 1});
        }).find("stack_size is 1") != std::string::npos);
}
