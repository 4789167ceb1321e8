// SPDX-License-Identifier: Apache-2.0
// Why the kernel refused memory for a stack, as a sentence that names the limit to raise.
#pragma once

#include <cstddef>

namespace greenroom::detail {

// REQUIRES: called right after the failure. `error` is its errno, `wanted` the bytes asked for.
// `maps_per_stack` is false where guards split no maps. The sentence has no final full stop and
// lives for ever (equal sentences are stored once). Any thread; reads a few files under /proc.
const char* why_no_stack(int error, std::size_t wanted, std::size_t stack_size,
                         bool maps_per_stack) noexcept;

}  // namespace greenroom::detail
