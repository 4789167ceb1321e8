// SPDX-License-Identifier: Apache-2.0
// A signal that makes runtimes write their dumps to their loggers. The handler counts and wakes, no
// more; a thread of each runtime that wants it does the rest, so it works while all workers are
// stuck. The handler that was there before is back when the last of them has gone.
#pragma once

#include <greenroom/detail/sync.hpp>

#include <cstdint>
#include <pthread.h>

namespace greenroom::detail {

class dump_signal {
 public:
  dump_signal() = default;
  dump_signal(const dump_signal&) = delete;
  dump_signal& operator=(const dump_signal&) = delete;
  ~dump_signal() { stop(); }

  // Calls dump(user) on a thread of its own, once or more often after each signal. Null, or why
  // not.
  const char* start(int signal, void (*dump)(void* user), void* user) noexcept;
  // Waits for a dump under way.
  void stop() noexcept;

 private:
  static void* main(void* self) noexcept;

  int signal_ = 0;  // 0: not started
  void (*dump_)(void*) = nullptr;
  void* user_ = nullptr;
  std::uint32_t seen_ = 0;  // how many came before
  sync::atomic<bool> stops_{false};
  pthread_t thread_{};
};

}  // namespace greenroom::detail
