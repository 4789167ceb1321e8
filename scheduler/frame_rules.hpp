// SPDX-License-Identifier: Apache-2.0
// How to get from a frame to its caller's, as the unwind tables of the program say: for stacks that
// stand still, which an unwinder that begins where it is called cannot read. Any thread; it
// allocates nothing and takes no lock.
//
// Only the stack pointer and the frame pointer are followed. A compiler finds a frame by one of
// these two; of the other registers a stack that was left knows nothing.
#pragma once

#include <cstdint>

namespace greenroom::detail {

struct frame_rule {
  bool known = false;
  bool outermost = false;   // nobody called it
  bool by_frame = false;    // the base of the frame is told by the frame pointer, not the stack's
  bool at_pointer = false;  // it is what stands at that place
  bool keeps_frame_pointer = true;
  bool frame_at_itself = false;     // the caller's frame pointer stands where this one's leads
  std::int32_t base = 0;            // from that pointer
  std::int32_t return_address = 0;  // where it stands, from the base
  std::int32_t frame_pointer = 0;   // the caller's; if it was not kept
};

// For a stack that goes on at pc, or, for callers, whose call ends there: give one less then.
frame_rule rule_at(std::uintptr_t pc) noexcept;

}  // namespace greenroom::detail
