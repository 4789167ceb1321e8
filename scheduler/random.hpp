// SPDX-License-Identifier: Apache-2.0
// Choices without a reason: whom to steal from first, which of several ready cases a select takes.
// Marsaglia's xorshift with 32 bits; a state is never 0.
#pragma once

#include <greenroom/config.hpp>

#include <cstdint>

namespace greenroom::detail {

// Of a worker's state too, which ThreadSanitizer must not watch.
GREENROOM_INLINE_WORKER_CODE std::uint32_t next_random(std::uint32_t& state) noexcept {
  state ^= state << 13;
  state ^= state >> 17;
  state ^= state << 5;
  return state;
}

}  // namespace greenroom::detail
