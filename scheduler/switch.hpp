// SPDX-License-Identifier: Apache-2.0
// The context switch: saves where this stack stands, continues the other one.
//
// Inline assembly with every register in the clobber list, so the compiler spills only what is
// alive at that place. It ends in an indirect jump, not a `ret`: a `ret` into another stack is
// mispredicted every time (6-8 ns). The worker travels in a register, since after the switch the
// stack may stand on another OS thread, where nothing that was read before is true.
// The x87 and MXCSR control words are not saved: they are the OS thread's.
// Rejected: saving the callee-saved registers by hand in an out-of-line routine (2.8 ns against
// 0.9) and swapcontext (174 ns, a system call for the signal mask).
#pragma once

#include <greenroom/config.hpp>

#include <cstddef>
#include <cstdint>

#if !defined(__x86_64__) && !defined(__aarch64__) && !defined(GREENROOM_BOOST_CONTEXT)
#define GREENROOM_BOOST_CONTEXT 1
#endif
#if defined(GREENROOM_BOOST_CONTEXT)
#include <boost/context/detail/fcontext.hpp>
#endif

namespace greenroom::detail {

struct worker;

// Where a suspended stack stands. Written by the stack that leaves, read by whoever resumes it.
struct context {
  void* sp = nullptr;
  void* frame = nullptr;
  void* ip = nullptr;
};

extern "C" void greenroom_stack_entry();  // switch.cpp: the first instruction on a fresh stack

// Calls function(argument) on the stack that ends at `top`, and comes back.
void call_on_stack(char* top, void (*function)(void*), void* argument);

// Prepares a fresh stack so that the next jump to it enters greenroom_stack_main(worker*).
void make_context(context& at, char* top) noexcept;

#if defined(GREENROOM_BOOST_CONTEXT)

// Boost.Context's fcontext. A context's sp is the fcontext handle.
worker* jump(context* from, context* to, worker* w);

#elif defined(__x86_64__)

#if defined(__AVX512F__)
#define GREENROOM_VECTOR_CLOBBERS                                                               \
  , "xmm16", "xmm17", "xmm18", "xmm19", "xmm20", "xmm21", "xmm22", "xmm23", "xmm24", "xmm25",   \
      "xmm26", "xmm27", "xmm28", "xmm29", "xmm30", "xmm31", "k1", "k2", "k3", "k4", "k5", "k6", \
      "k7"
#else
#define GREENROOM_VECTOR_CLOBBERS
#endif

// Returns the worker that resumed this stack.
__attribute__((always_inline)) inline worker* jump(context* from, context* to, worker* w) {
  register context* from_reg asm("rdi") = from;
  register context* to_reg asm("rsi") = to;
  register worker* worker_reg asm("rdx") = w;
  asm volatile(
      "leaq 1f(%%rip), %%rax\n\t"
      "movq %%rsp, 0(%%rdi)\n\t"
      "movq %%rbp, 8(%%rdi)\n\t"
      "movq %%rax, 16(%%rdi)\n\t"
      "movq 0(%%rsi), %%rsp\n\t"
      "movq 8(%%rsi), %%rbp\n\t"
      "jmpq *16(%%rsi)\n"
      "1:\n\t"
      "endbr64\n\t"
      : "+r"(from_reg), "+r"(to_reg), "+r"(worker_reg)
      :
      : "rax", "rcx", "rbx", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "memory", "cc",
        "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10",
        "xmm11", "xmm12", "xmm13", "xmm14", "xmm15", "st", "st(1)", "st(2)", "st(3)", "st(4)",
        "st(5)", "st(6)", "st(7)" GREENROOM_VECTOR_CLOBBERS);
  return worker_reg;
}

#elif defined(__aarch64__)

__attribute__((always_inline)) inline worker* jump(context* from, context* to, worker* w) {
  register context* from_reg asm("x0") = from;
  register context* to_reg asm("x1") = to;
  register worker* worker_reg asm("x2") = w;
  // x18 is the platform register and x29 the frame pointer, which is saved by hand.
  asm volatile(
      "adr x9, 1f\n\t"
      "mov x10, sp\n\t"
      "stp x10, x29, [x0]\n\t"
      "str x9, [x0, #16]\n\t"
      "ldp x10, x29, [x1]\n\t"
      "ldr x9, [x1, #16]\n\t"
      "mov sp, x10\n\t"
      "br x9\n"
      "1:\n\t"
      "hint #36\n\t"  // bti j
      : "+r"(from_reg), "+r"(to_reg), "+r"(worker_reg)
      :
      : "x3", "x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11", "x12", "x13", "x14", "x15", "x16",
        "x17", "x19", "x20", "x21", "x22", "x23", "x24", "x25", "x26", "x27", "x28", "x30",
        "memory", "cc", "v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7", "v8", "v9", "v10", "v11",
        "v12", "v13", "v14", "v15", "v16", "v17", "v18", "v19", "v20", "v21", "v22", "v23", "v24",
        "v25", "v26", "v27", "v28", "v29", "v30", "v31");
  return worker_reg;
}

#endif

}  // namespace greenroom::detail
