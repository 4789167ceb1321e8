// SPDX-License-Identifier: Apache-2.0
// Actors that are restarted in their own cell: their mailbox and all addresses stay valid. A keeper
// decides, each time such an actor ends, whether it lives on.
//
//   create ──▶ put_by ──revive──▶ runs ──ends──▶ put by ──revive──▶ runs …
//                │                                 │
//                └──────────── finish ─────────────┴──▶ ended, as any actor ends
//
// Orders to stop, and cancels, that come while it is put by are for its next life.
// Put by, it has no object and runs nothing; its mailbox takes messages as before. Its end does not
// count as an end for those who join it; those who monitor it are told.
#pragma once

#include <greenroom/detail/cell.hpp>
#include <greenroom/exit_reason.hpp>

#include <cstdint>

namespace greenroom::detail {

struct keeper {
  // The actor has ended and is put by: from now on it is the keeper's, who may call revive() or
  // finish(), there or elsewhere. On the actor's own stack, under a shield; must not wait.
  void (*ended)(keeper*, cell*, const exit_reason& why) noexcept;
  bool keeps_messages = true;  // what is queued when it ends; else they are dead letters
};

// Before its start, of a cell that was created and whose payload is not constructed yet: it is put
// by. False: memory is out; then it has no keeper, and the caller can only finish() it.
bool put_by(cell* c, keeper* k) noexcept;
// REQUIRES, both: put by; the caller is its keeper. The payload was constructed: it runs.
void revive(cell* c) noexcept;
// Orders to stop, and cancels, that have come since its end are void: they were for a life that was
// over already. For a keeper that gives orders itself and is late with one.
void forget_orders(cell* c) noexcept;
// It is asked to stop, or killed, and told to its keeper as one that shall not run again. Any
// thread that has an address of it.
void stop_for_good(cell* c) noexcept;
void kill_for_good(cell* c) noexcept;
bool is_for_good(const cell* c) noexcept;
// It ends for good. Its messages are dead letters, whose destructors run here.
void finish(cell* c, const exit_reason& why) noexcept;
// Its messages become dead letters, and there is room again.
void drop_queued(cell* c) noexcept;

// In a catch block: what that exception means for the actor that it has left. Needs no memory to
// say at least the kind.
exit_reason reason_of_exception(cell* c) noexcept;

// Does the actor have a keeper of which that holds? Asked under a lock that finish() takes, so the
// keeper is there meanwhile.
bool is_kept(const cell* c, bool (*holds)(const keeper*, const void*), const void* what) noexcept;

// Thrown out of an actor, by the library: it ends for that reason.
struct ended_with {
  exit_reason why;
};

}  // namespace greenroom::detail
