// SPDX-License-Identifier: Apache-2.0
// How run() learns that all its green threads are asleep for good (asleep.cpp).
#pragma once

#include <greenroom/detail/sync.hpp>
#include <greenroom/runtime.hpp>

namespace greenroom::detail {

class asleep_watch {
 public:
  asleep_watch() noexcept = default;
  asleep_watch(const asleep_watch&) = delete;
  asleep_watch& operator=(const asleep_watch&) = delete;

  // REQUIRES: it outlives the runtime; its caller waits for the shutdown next.
  void begin(runtime& rt) noexcept;
  // All were asleep, which was logged, and for that a shutdown was asked for.
  [[nodiscard]] bool found() const noexcept { return found_.load(sync::memory_order_acquire); }
  // By the watchdog.
  void look(runtime& rt);

 private:
  sync::atomic<bool> found_{false};
};

}  // namespace greenroom::detail
