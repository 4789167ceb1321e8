// SPDX-License-Identifier: Apache-2.0
// The end of an actor, and why.
#pragma once

#include "cold.hpp"

#include <greenroom/mailbox.hpp>

namespace greenroom::detail {

inline keeper* keeper_of(const cell* c) noexcept {
  const cold* more = c->more.load(sync::memory_order_acquire);
  return more == nullptr ? nullptr : more->kept_by;
}

// Its function returned, or its object is over.
exit_reason reason_without_exception(const cell* c) noexcept;

// On the actor's own stack. Where it has a keeper it is put by, and may run again before this
// returns: the cell must not be touched after it.
void end_actor(cell* c, reply_to& unanswered, const exit_reason& why);

}  // namespace greenroom::detail
