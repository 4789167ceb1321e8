// SPDX-License-Identifier: Apache-2.0
#include "stack_limits.hpp"

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <mutex>
#include <sys/resource.h>
#include <unistd.h>

namespace greenroom::detail {
namespace {

// Few limits can be hit, and each has one value for most of a process's life, so that the table
// of sentences stays small. When it is full the rest is told without values.
constexpr int sentences_max = 16;
constexpr std::size_t sentence_size = 400;

std::mutex sentences_mutex;
char* sentences[sentences_max];

const char* remember(const char* text) noexcept {
  const std::lock_guard held(sentences_mutex);
  for (char*& known : sentences) {
    if (known == nullptr) {
      known = static_cast<char*>(std::malloc(std::strlen(text) + 1));
      if (known == nullptr) break;
      return std::strcpy(known, text);
    }
    if (std::strcmp(known, text) == 0) return known;
  }
  return "there is no room for another stack; look at RLIMIT_AS (ulimit -v), "
         "vm.overcommit_memory and vm.max_map_count";
}

// The number that follows `key` in a small file; -1 when it cannot be read.
long long number_in(const char* path, const char* key) noexcept {
  char text[4096];
  const int file = ::open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) return -1;
  const ssize_t size = ::read(file, text, sizeof text - 1);
  ::close(file);
  if (size <= 0) return -1;
  text[size] = '\0';
  const char* at = std::strstr(text, key);
  return at == nullptr ? -1 : std::atoll(at + std::strlen(key));
}

bool exceeds(int resource, const char* used_key, std::size_t wanted,
             unsigned long long& limit_kib) noexcept {
  rlimit limit{};
  if (::getrlimit(resource, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return false;
  limit_kib = limit.rlim_cur >> 10;
  const long long used_kib = number_in("/proc/self/status", used_key);
  return used_kib < 0 || static_cast<unsigned long long>(used_kib) + (wanted >> 10) > limit_kib;
}

}  // namespace

// By elimination: the limits whose use can be read cheaply come first. Counting the lines of
// /proc/self/maps would cost tens of milliseconds at the very limit it should find.
const char* why_no_stack(int error, std::size_t wanted, std::size_t stack_size,
                         bool maps_per_stack) noexcept {
  char text[sentence_size];
  const int start = std::snprintf(
      text, sizeof text, "there is no room for another stack of %zu KiB: ", stack_size >> 10);
  char* const at = text + start;
  const std::size_t left = sizeof text - static_cast<std::size_t>(start);
  unsigned long long limit_kib = 0;
  if (error != ENOMEM) {
    std::snprintf(at, left, "the operating system answered \"%s\" (errno %d)",
                  ::strerrordesc_np(error), error);
  } else if (exceeds(RLIMIT_AS, "VmSize:", wanted, limit_kib)) {
    std::snprintf(at, left,
                  "the limit on address space, RLIMIT_AS (ulimit -v), is %llu KiB; raise it",
                  limit_kib);
  } else if (exceeds(RLIMIT_DATA, "VmData:", wanted, limit_kib)) {
    std::snprintf(at, left, "the limit on data, RLIMIT_DATA (ulimit -d), is %llu KiB; raise it",
                  limit_kib);
  } else if (number_in("/proc/sys/vm/overcommit_memory", "") == 2) {
    std::snprintf(at, left,
                  "vm.overcommit_memory is 2 and the machine's CommitLimit, %lld KiB, is reached; "
                  "raise vm.overcommit_ratio, or use smaller stacks",
                  number_in("/proc/meminfo", "CommitLimit:"));
  } else if (maps_per_stack) {
    std::snprintf(at, left,
                  "the limit on maps, vm.max_map_count, is %lld, and each stack takes two of them "
                  "where the kernel has no guard markers (Linux before 6.13); raise it with sysctl",
                  number_in("/proc/sys/vm/max_map_count", ""));
  } else {
    std::snprintf(at, left,
                  "the machine is out of memory, or the process reached vm.max_map_count (%lld)",
                  number_in("/proc/sys/vm/max_map_count", ""));
  }
  return remember(text);
}

}  // namespace greenroom::detail
