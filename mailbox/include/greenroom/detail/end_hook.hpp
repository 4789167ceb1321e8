// SPDX-License-Identifier: Apache-2.0
// Hooks at the end of an actor: whoever wants to know of it at that moment leaves a record there.
//
// The record is the caller's, and nothing is allocated when the actor ends. Each hook is fired once
// or removed once, and never both: both take it from the list under the lock of the cold record.
// Who fires has taken nothing else, so `fire` may take locks, send without waiting and drop
// references; it must not wait.
// Order (M6): the end sets control_ended, then looks at the list; who adds takes the lock, then
// looks at control_ended. So a hook that was added is fired, and one that came too late is refused.
#pragma once

#include <greenroom/detail/cell.hpp>

namespace greenroom::detail {

struct end_hook {
  // On the stack of the actor that ended, after its destructors; no message is admitted there any
  // more. Who joins it goes on when all hooks are through. The record is the hook's own from here
  // on.
  void (*fire)(end_hook* mine, cell* ended) noexcept;
  // The list's: null while it stands in none.
  end_hook* next = nullptr;
  end_hook** at = nullptr;
};

// Makes room for hooks, so that add_end_hook allocates nothing. False: memory is out.
bool prepare_end_hooks(cell* c) noexcept;
// Any thread. REQUIRES: the caller holds a reference, and keeps one until the hook is fired or
// removed. Errors: closed (it has ended; the hook is not fired), no_memory.
status add_end_hook(cell* c, end_hook* hook) noexcept;
// True: it will not be fired. False: it was, or is at this moment, on another thread. REQUIRES: the
// record still exists, which the caller's own lock sees to that `fire` takes before it frees it.
bool remove_end_hook(cell* c, end_hook* hook) noexcept;

}  // namespace greenroom::detail
