// SPDX-License-Identifier: Apache-2.0
// The first instruction on a fresh stack, and how such a stack is prepared.
#include "switch.hpp"

extern "C" [[noreturn]] void greenroom_stack_main(greenroom::detail::worker* w);

// The undefined return address ends every unwinder here: gdb, backtrace(), _Unwind_Backtrace
// (which then reports the end instead of an error), and an uncaught exception.
#if defined(GREENROOM_BOOST_CONTEXT)
// Boost.Context has its own.
#elif defined(__x86_64__)
asm(R"(
.text
.globl greenroom_stack_entry
.hidden greenroom_stack_entry
.type greenroom_stack_entry,@function
greenroom_stack_entry:
  .cfi_startproc
  .cfi_undefined rip
  endbr64
  xorl %ebp, %ebp
  movq %rdx, %rdi
  call greenroom_stack_main
  ud2
  .cfi_endproc
.size greenroom_stack_entry, .-greenroom_stack_entry
)");
#elif defined(__aarch64__)
asm(R"(
.text
.globl greenroom_stack_entry
.hidden greenroom_stack_entry
.type greenroom_stack_entry,%function
greenroom_stack_entry:
  .cfi_startproc
  .cfi_undefined x30
  hint #36
  mov x29, #0
  mov x0, x2
  bl greenroom_stack_main
  brk #1
  .cfi_endproc
.size greenroom_stack_entry, .-greenroom_stack_entry
)");
#endif

namespace greenroom::detail {

#if defined(GREENROOM_BOOST_CONTEXT)

namespace bc = boost::context::detail;

struct hand_over {
  context* from;
  worker* w;
};

static void boost_entry(bc::transfer_t t) {
  auto* given = static_cast<hand_over*>(t.data);
  given->from->sp = t.fctx;
  greenroom_stack_main(given->w);
}

void make_context(context& at, char* top) noexcept {
  at.sp = bc::make_fcontext(top, 16384, boost_entry);
}

worker* jump(context* from, context* to, worker* w) {
  hand_over given{from, w};
  const bc::transfer_t t = bc::jump_fcontext(to->sp, &given);
  auto* back = static_cast<hand_over*>(t.data);
  back->from->sp = t.fctx;
  return back->w;
}

#else

void make_context(context& at, char* top) noexcept {
  // The entry is reached by a jump with a 16-byte aligned stack; its call aligns as the ABI asks.
  at.sp = reinterpret_cast<void*>(reinterpret_cast<std::uintptr_t>(top) & ~std::uintptr_t{63});
  at.frame = nullptr;
  at.ip = reinterpret_cast<void*>(&greenroom_stack_entry);
}

#endif

}  // namespace greenroom::detail
