// SPDX-License-Identifier: Apache-2.0
// What a process made by spawn_process may use from now on, by setrlimit. Called in that process,
// when its runtime stands and before the code that is not trusted.
#pragma once

#include "process_order.hpp"

#include <string>

namespace greenroom::detail {

// "", or a sentence: the limit that the system did not take.
std::string set_limits(const process_order& order);

}  // namespace greenroom::detail
