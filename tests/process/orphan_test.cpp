// SPDX-License-Identifier: Apache-2.0
// A process does not outlive the program that made it.
#include "process_test.hpp"

#include <csignal>
#include <cstdio>
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace process_tests;

extern "C" char** environ;  // NOLINT: as POSIX has it

int be_orphaned();

// Makes a process that computes for ever, says its number, and waits to be killed.
int be_orphaned() {
  gr::runtime rt;
  const auto kept = rt.spawn(gr::in_process(everyday_actor));
  const auto said = kept.ask(say{""}, unit::long_time);
  if (!said) return 1;
  std::printf("%s\n", said->c_str());
  std::fflush(stdout);
  (void)kept.ask(die{"spin"}, unit::long_time);
  return 1;
}

// Goal: nobody is left when the host dies without a chance to clean up. Method: another instance of
// this program makes a process whose function never waits; it is killed, and then a descriptor of
// the process that it made must tell its end.
TEST_CASE("a process that computes for ever dies with the program that made it, also by SIGKILL") {
  int ends[2];
  REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
  posix_spawn_file_actions_t files;
  ::posix_spawn_file_actions_init(&files);
  ::posix_spawn_file_actions_adddup2(&files, ends[1], 1);
  char name[] = "/proc/self/exe", mode[] = "--be-orphaned";
  char* const arguments[] = {name, mode, nullptr};
  pid_t host = 0;
  REQUIRE(::posix_spawn(&host, name, &files, nullptr, arguments, environ) == 0);
  ::posix_spawn_file_actions_destroy(&files);
  ::close(ends[1]);
  std::FILE* const from = ::fdopen(ends[0], "r");
  int made = 0;
  char line[512];
  while (std::fgets(line, sizeof line, from) != nullptr)
    if (std::sscanf(line, " from %d", &made) == 1) break;
  REQUIRE(made > 0);
  const int handle = static_cast<int>(::syscall(SYS_pidfd_open, made, 0));
  REQUIRE(handle >= 0);
  pollfd ended{handle, POLLIN, 0};
  CHECK(::poll(&ended, 1, 0) == 0);
  ::kill(host, SIGKILL);
  const int has_ended = ::poll(&ended, 1, 60'000);
  CHECK(has_ended == 1);
  if (has_ended != 1) ::kill(made, SIGKILL);  // else it holds our output open for ever
  ::close(handle);
  std::fclose(from);
  int status = 0;
  ::waitpid(host, &status, 0);
}
