// SPDX-License-Identifier: Apache-2.0
#include "random.hpp"

#include "worker.hpp"

#include <greenroom/park.hpp>

namespace greenroom::detail {

// A worker's own state, or one of the OS thread, which does not migrate.
GREENROOM_WORKER_CODE std::uint32_t random_seed() noexcept {
  if (worker* w = this_worker()) return next_random(w->random);
  static sync::atomic<std::uint32_t> threads{0};
  thread_local std::uint32_t state = 0;
  // relaxed: the numbers need only differ.
  if (state == 0) state = 2654435769u * (2 * threads.fetch_add(1, sync::memory_order_relaxed) + 1);
  return next_random(state);
}

}  // namespace greenroom::detail
