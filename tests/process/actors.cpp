// SPDX-License-Identifier: Apache-2.0
#include "process_test.hpp"

#include <cstdio>
#include <cstdlib>
#include <dirent.h>
#include <stdexcept>
#include <unistd.h>

namespace process_tests {

namespace {

volatile int* nowhere = nullptr;

void die_by(const std::string& how) {
  if (how == "segfault") *nowhere = 1;
  if (how == "abort") std::abort();
  if (how == "exit") std::exit(3);
  if (how == "throw") throw std::runtime_error("as it was told");
  if (how == "garbage") {
    const std::string bytes(64, '\xff');
    [[maybe_unused]] const auto n = ::write(3, bytes.data(), bytes.size());
    for (;;) ::pause();
  }
  if (how == "spin")
    for (volatile bool always = true; always;) {}
}

}  // namespace

void everyday_actor(everyday& in) {
  std::vector<int> numbers;
  while (in.receive([](say s) { return s.text + " from " + std::to_string(::getpid()); },
                    [&](note n) { numbers.push_back(n.number); }, [&](total) { return numbers; },
                    [](die d) { die_by(d.how); })) {}
}

// Ours have a group of their own; a sanitizer's symbolizer is a child, too, and has not.
bool has_children() {
  bool found = false;
  DIR* const folder = ::opendir("/proc");
  while (const dirent* const one = ::readdir(folder)) {
    std::FILE* const file =
        std::fopen(("/proc/" + std::string(one->d_name) + "/stat").c_str(), "re");
    if (file == nullptr) continue;
    int pid = 0, parent = 0, group = 0;
    char state = 0;
    if (std::fscanf(file, "%d (%*[^)]) %c %d %d", &pid, &state, &parent, &group) == 4)
      found = found || (parent == ::getpid() && group == pid);
    std::fclose(file);
  }
  ::closedir(folder);
  return found;
}

std::size_t open_descriptors() {
  std::size_t count = 0;
  DIR* const folder = ::opendir("/proc/self/fd");
  while (::readdir(folder) != nullptr) ++count;
  ::closedir(folder);
  return count;
}

}  // namespace process_tests
