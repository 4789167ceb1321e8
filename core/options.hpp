// SPDX-License-Identifier: Apache-2.0
// Checking what a runtime is made with, and the environment's overrides.
#pragma once

#include <greenroom/runtime.hpp>

namespace greenroom::detail {

// The options with the environment's overrides; throws std::invalid_argument for values that make
// no sense, naming option or variable and value.
runtime_options checked(const runtime_options& given);
// Throws std::invalid_argument for a negative one, naming it.
void check_deadline(const char* what, duration given);
void check_deadlines(const char* of, const shutdown_deadlines& given);

}  // namespace greenroom::detail
