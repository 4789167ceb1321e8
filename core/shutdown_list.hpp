// SPDX-License-Identifier: Apache-2.0
// What the shutdown itself does with the list of those that it tells on its way.
#pragma once

#include <greenroom/shutdown.hpp>

namespace greenroom::detail {

// Takes the newest of that runtime and phase out (C11). Null: there is none; in the phase `stop` no
// more can come, nor any actor, from then on (C12).
stoppable* take_newest(home* where, shutdown_phase when) noexcept;

// Its call did not end: nobody waits for that any more.
void give_up(stoppable* what) noexcept;

}  // namespace greenroom::detail
