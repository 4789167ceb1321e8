// SPDX-License-Identifier: Apache-2.0
// Futex, spin lock's slow path, and the two ways to die.
#include <greenroom/detail/spin_lock.hpp>

#include <cerrno>
#include <climits>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <linux/futex.h>
#include <linux/membarrier.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace greenroom::detail {

namespace sync {

void futex_wait(const std::atomic<std::uint32_t>* word, std::uint32_t expected,
                std::int64_t until_ns) noexcept {
  timespec until{};
  if (until_ns >= 0) {
    until.tv_sec = static_cast<time_t>(until_ns / 1'000'000'000);
    until.tv_nsec = static_cast<long>(until_ns % 1'000'000'000);
  }
  // FUTEX_WAIT_BITSET takes an absolute time on the monotonic clock, which steady_clock is.
  syscall(SYS_futex, word, FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG, expected,
          until_ns < 0 ? nullptr : &until, nullptr, FUTEX_BITSET_MATCH_ANY);
}

void futex_wake(const std::atomic<std::uint32_t>* word, int count) noexcept {
  syscall(SYS_futex, word, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, count, nullptr, nullptr, 0);
}

void fence_heavy() noexcept { syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0); }

bool prepare_heavy_fence() noexcept {
  static const bool has =
      syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) == 0;
  return has;
}

}  // namespace sync

void spin_lock::wait() const noexcept {
  constexpr int spins_max = 64;
  for (int spins = 0; word_.load(sync::memory_order_relaxed); ++spins) {
    if (spins < spins_max)
      sync::relax();
    else
      sched_yield();
  }
}

void assert_failed(const char* what, const char* file, int line) {
  char text[512];
  std::snprintf(text, sizeof text, "internal error: `%s` does not hold (%s:%d)", what, file, line);
  fatal(text);
}

void fatal(const char* sentence) {
  char text[600];
  const int n = std::snprintf(text, sizeof text, "greenroom: %s\n", sentence);
  if (n > 0) {
    const std::size_t size = std::strlen(text);
    if (write(STDERR_FILENO, text, size) < 0) std::abort();
  }
  std::abort();
}

}  // namespace greenroom::detail
