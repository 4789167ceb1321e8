// SPDX-License-Identifier: Apache-2.0
// Turns a fault in a stack's guard into a sentence that names the green thread, and abort().
//
// SIGSEGV and SIGBUS are handled on an alternate stack, which every OS thread that carries green
// threads must set: without one the kernel cannot even start the handler. Whatever is no overflow
// of a pool's stack goes to the action that was there before, as if this handler were not.
//
// Thread rules: install and remove from any thread; the alternate stack is the calling OS
// thread's own, set before its first green thread and dropped after its last one.
//
// Invariants:
//   V1  The saved previous actions are written before the handler becomes reachable and stay as
//       they are while it may be reached, also through a handler installed on top of it.
//   V2  The handler takes no lock and allocates nothing.
#pragma once

#include <cstddef>
#include <cstdint>

namespace greenroom::detail {

// Counted: the first call installs, the last remove restores. Where another handler was
// installed on top of ours in the meantime, it stays, and ours stays reachable through it. False:
// the kernel refused; then nothing is counted.
bool install_overflow_handler() noexcept;
void remove_overflow_handler() noexcept;

// The calling OS thread's. One that the host has set already is kept. False: there was no memory;
// an overflow on this thread then ends in a plain SIGSEGV.
bool set_alternate_stack() noexcept;
void drop_alternate_stack() noexcept;

// Writes the name of the green thread on the stack that begins at stack_low, NUL-terminated, and
// its id. Called inside the signal handler: async-signal-safe only.
using describe_fn = void (*)(const void* stack_low, char* name, std::size_t name_size,
                             std::uint64_t& id);
// Null: overflows are reported without a name.
void set_overflow_describer(describe_fn describe) noexcept;

}  // namespace greenroom::detail
