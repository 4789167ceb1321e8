// SPDX-License-Identifier: Apache-2.0
// Memory is limited by RLIMIT_DATA, which counts what is writable and private. Rejected: RLIMIT_AS,
// which counts reserved addresses too, and stacks of green threads lie in large reservations.
#include "process_limits.hpp"

#include <greenroom/config.hpp>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dirent.h>
#include <sys/resource.h>

namespace greenroom::detail {

namespace {

// A sanitizer's own memory would count.
#if defined(GREENROOM_ASAN) || defined(GREENROOM_TSAN)
constexpr bool is_sanitized = true;
#else
constexpr bool is_sanitized = false;
#endif

// Bytes that count for RLIMIT_DATA now.
std::uint64_t data_in_use() {
  std::FILE* const file = std::fopen("/proc/self/status", "re");
  if (file == nullptr) return 0;
  char line[256];
  unsigned long long kib = 0;
  while (std::fgets(line, sizeof line, file) != nullptr)
    if (std::sscanf(line, "VmData: %llu kB", &kib) == 1) break;
  std::fclose(file);
  return static_cast<std::uint64_t>(kib) << 10;
}

std::uint64_t first_free_descriptor() {
  DIR* const folder = ::opendir("/proc/self/fd");
  if (folder == nullptr) return 0;
  std::uint64_t highest = 0;
  while (const dirent* const one = ::readdir(folder)) {
    const std::uint64_t number = std::strtoul(one->d_name, nullptr, 10);
    // The folder itself is among them, and goes.
    if (number != static_cast<std::uint64_t>(::dirfd(folder)) && number > highest) highest = number;
  }
  ::closedir(folder);
  return highest + 1;
}

template <class Which>
std::string set_limit(Which which, std::uint64_t soft, std::uint64_t hard, const char* name) {
  rlimit now{};
  ::getrlimit(which, &now);
  const auto least = [](rlim_t a, std::uint64_t b) { return a < b ? a : static_cast<rlim_t>(b); };
  const rlimit wanted{least(now.rlim_max, soft), least(now.rlim_max, hard)};
  if (::setrlimit(which, &wanted) == 0) return {};
  return std::string(name) + " could not be set: " + std::strerror(errno);
}

std::uint64_t sum(std::uint64_t a, std::uint64_t b) { return a > no_limit - b ? no_limit : a + b; }

}  // namespace

std::string set_limits(const process_order& order) {
  std::string why;
  if (!is_sanitized && order.memory_max != no_limit) {
    const std::uint64_t most = sum(data_in_use(), order.memory_max);
    why = set_limit(RLIMIT_DATA, most, most, "memory_max");
  }
  if (why.empty() && order.cpu_seconds_max != no_limit) {
    rusage used{};
    ::getrusage(RUSAGE_SELF, &used);
    const std::uint64_t seconds =
        sum(order.cpu_seconds_max,
            static_cast<std::uint64_t>(used.ru_utime.tv_sec + used.ru_stime.tv_sec));
    why = set_limit(RLIMIT_CPU, seconds, sum(seconds, 1), "cpu_max");
  }
  if (why.empty() && order.file_size_max != no_limit)
    why = set_limit(RLIMIT_FSIZE, order.file_size_max, order.file_size_max, "file_size_max");
  if (why.empty() && order.files_max != no_limit) {
    const std::uint64_t most = sum(first_free_descriptor(), order.files_max);
    why = set_limit(RLIMIT_NOFILE, most, most, "files_max");
  }
  return why;
}

}  // namespace greenroom::detail
