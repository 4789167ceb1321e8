// SPDX-License-Identifier: Apache-2.0
// For tests of what ends a process or must be set before it starts: runs a piece in a child and
// tells how it ended and what it printed.
#pragma once

#include <csignal>
#include <cstdlib>
#include <string>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

namespace child_process {

struct result {
  int status = 0;
  std::string errors;  // what it wrote on standard error

  [[nodiscard]] bool exited_with(int code) const {
    return WIFEXITED(status) && WEXITSTATUS(status) == code;
  }
  // An emulator runs this program, and the kernel cannot start it.
  [[nodiscard]] bool could_not_start() const { return exited_with(98); }
  [[nodiscard]] bool killed_by(int signal) const {
    return WIFSIGNALED(status) && WTERMSIG(status) == signal;
  }
};

// `work` ends the child itself. The child has no signal handlers of the test framework, no
// alternate stack, and leaves no core file.
template <class Work>
result run(Work work) {
  int ends[2];
  if (::pipe(ends) != 0) return {};
  const pid_t child = ::fork();
  if (child == 0) {
    ::dup2(ends[1], STDERR_FILENO);
    ::close(ends[0]);
    ::close(ends[1]);
    for (const int each : {SIGSEGV, SIGBUS, SIGABRT}) std::signal(each, SIG_DFL);
    stack_t none{};
    none.ss_flags = SS_DISABLE;
    ::sigaltstack(&none, nullptr);
    const rlimit no_core{0, 0};
    ::setrlimit(RLIMIT_CORE, &no_core);
    work();
    ::_exit(99);
  }
  ::close(ends[1]);
  result r;
  char text[1024];
  for (ssize_t n; (n = ::read(ends[0], text, sizeof text)) > 0;)
    r.errors.append(text, static_cast<std::size_t>(n));
  ::close(ends[0]);
  if (child > 0) ::waitpid(child, &r.status, 0);
  return r;
}

// Runs one test case of this program, one that is marked to be skipped otherwise, in a process of
// its own that starts with that environment variable set.
inline result run_test_case(const char* name, const char* variable, const char* value) {
  const std::string filter = std::string("--test-case=") + name;
  return run([&] {
    ::setenv(variable, value, 1);
    ::dup2(STDERR_FILENO, STDOUT_FILENO);
    ::execl("/proc/self/exe", "child", filter.c_str(), "--no-skip", static_cast<char*>(nullptr));
    ::_exit(98);
  });
}

}  // namespace child_process
