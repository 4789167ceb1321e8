// SPDX-License-Identifier: Apache-2.0
// The end of an actor, seen by its hooks (detail/end_hook.hpp).
#pragma once

#include "cold.hpp"

namespace greenroom::detail {

// By the actor that ends, after control_ended was set; newest first, under no lock.
void fire_end_hooks(cell* c, cold* more) noexcept;

}  // namespace greenroom::detail
