// SPDX-License-Identifier: Apache-2.0
// What a selective receive does between its waits. Only the actor itself.
#pragma once

#include "lanes.hpp"

namespace greenroom::detail {

// The oldest message of these types among those aside and taken; it counts as received. The others
// that were looked at are aside then (L6). Throws std::bad_alloc; no message is lost by that.
node* find_wanted(cell* c, std::uint64_t wanted);
// Nothing wanted is here. If the mailbox is full of others, room is lent for one more (L7): true,
// look again. Throws deadlock when that has been done too often, unless the receiver may rest.
bool lend_room(cell* c, std::uint64_t wanted, bool may_rest);

}  // namespace greenroom::detail
