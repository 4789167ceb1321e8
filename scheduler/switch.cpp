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
.globl __x86_return_thunk
.hidden __x86_return_thunk
.type __x86_return_thunk,@function
__x86_return_thunk:
  .cfi_startproc
  popq %r11
  .cfi_def_cfa_offset 0
  .cfi_register rip, r11
  notrack jmp *%r11
  .cfi_endproc
.size __x86_return_thunk, .-__x86_return_thunk
.globl greenroom_call_on_stack
.hidden greenroom_call_on_stack
.type greenroom_call_on_stack,@function
greenroom_call_on_stack:
  .cfi_startproc
  endbr64
  pushq %rbp
  .cfi_def_cfa_offset 16
  .cfi_offset rbp, -16
  movq %rsp, %rbp
  .cfi_def_cfa_register rbp
  movq %rdi, %rsp
  movq %rdx, %rdi
  call *%rsi
  movq %rbp, %rsp
  popq %rbp
  .cfi_def_cfa rsp, 8
  ret
  .cfi_endproc
.size greenroom_call_on_stack, .-greenroom_call_on_stack
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
.globl greenroom_call_on_stack
.hidden greenroom_call_on_stack
.type greenroom_call_on_stack,%function
greenroom_call_on_stack:
  .cfi_startproc
  hint #34
  stp x29, x30, [sp, #-16]!
  .cfi_def_cfa_offset 16
  .cfi_offset x29, -16
  .cfi_offset x30, -8
  mov x29, sp
  .cfi_def_cfa_register x29
  mov sp, x0
  mov x0, x2
  blr x1
  mov sp, x29
  ldp x29, x30, [sp], #16
  .cfi_def_cfa sp, 0
  ret
  .cfi_endproc
.size greenroom_call_on_stack, .-greenroom_call_on_stack
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

struct call {
  void (*function)(void*);
  void* argument;
};

static void boost_call(bc::transfer_t t) {
  const auto what = *static_cast<call*>(t.data);
  what.function(what.argument);
  bc::jump_fcontext(t.fctx, nullptr);
}

void call_on_stack(char* top, void (*function)(void*), void* argument) {
  call what{function, argument};
  bc::jump_fcontext(bc::make_fcontext(top, std::size_t{4} << 20, boost_call), &what);
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

extern "C" void greenroom_call_on_stack(char* top, void (*function)(void*), void* argument);

void call_on_stack(char* top, void (*function)(void*), void* argument) {
  greenroom_call_on_stack(top, function, argument);
}

void make_context(context& at, char* top) noexcept {
  // The entry is reached by a jump with a 16-byte aligned stack; its call aligns as the ABI asks.
  at.sp = reinterpret_cast<void*>(reinterpret_cast<std::uintptr_t>(top) & ~std::uintptr_t{63});
  at.frame = nullptr;
  at.ip = reinterpret_cast<void*>(&greenroom_stack_entry);
}

#endif

}  // namespace greenroom::detail
