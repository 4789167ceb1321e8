// SPDX-License-Identifier: Apache-2.0
// Who watches whom: records that two actors share, and what the end of one does with them.
#pragma once

#include "cold.hpp"

#include <greenroom/monitor.hpp>

namespace greenroom::detail {

// Of an actor that is about to end or to be restarted: it hears nothing any more, and watches
// nobody. Whoever it is linked to keeps their side until they are told of its end.
void stop_watching(cell* c) noexcept;
// It has ended: those who watch it are told, on its own stack.
void tell_watchers(cell* c, const exit_reason& why) noexcept;
// It runs again in the same cell, and hears.
void hear_again(cell* c) noexcept;

}  // namespace greenroom::detail
