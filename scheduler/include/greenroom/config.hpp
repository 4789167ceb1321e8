// SPDX-License-Identifier: Apache-2.0
// Compiler facts, sanitizer detection and the assertion that stays on in release builds.
#pragma once

#define GREENROOM_VERSION_MAJOR 0
#define GREENROOM_VERSION_MINOR 1
#define GREENROOM_VERSION_PATCH 0

#if __cplusplus < 202100L
#error "greenroom: needs -std=c++23 (g++ 12 or clang 19, or newer)"
#endif
#if !defined(__cpp_exceptions)
#error "greenroom: needs exceptions (an actor is ended and cancelled by unwinding)"
#endif

#if defined(__SANITIZE_ADDRESS__)
#define GREENROOM_ASAN 1
#endif
#if defined(__SANITIZE_THREAD__)
#define GREENROOM_TSAN 1
#endif
#if defined(__has_feature)
#if __has_feature(address_sanitizer) && !defined(GREENROOM_ASAN)
#define GREENROOM_ASAN 1
#endif
#if __has_feature(thread_sanitizer) && !defined(GREENROOM_TSAN)
#define GREENROOM_TSAN 1
#endif
#endif

#define GREENROOM_NOINLINE __attribute__((noinline))
// Of a function that only assembly calls, which a link-time optimiser does not read.
#if defined(__clang__)
#define GREENROOM_CALLED_BY_ASSEMBLY __attribute__((used))
#else
#define GREENROOM_CALLED_BY_ASSEMBLY __attribute__((used, externally_visible))
#endif
#define GREENROOM_COLD __attribute__((noinline, cold))
#define GREENROOM_LIKELY(x) __builtin_expect(!!(x), 1)
#define GREENROOM_UNLIKELY(x) __builtin_expect(!!(x), 0)

// Of a function that waits and is called at many places: a `ret` is predicted to go where the last
// call came from, which was the green thread that ran before. This one pops the address and jumps,
// which is predicted by history (6 ns a wait).
#if defined(__x86_64__) && defined(__has_attribute)
#if __has_attribute(function_return)
#define GREENROOM_RETURNS_BY_JUMP __attribute__((function_return("thunk-extern")))
#endif
#endif
#if !defined(GREENROOM_RETURNS_BY_JUMP)
#define GREENROOM_RETURNS_BY_JUMP
#endif

// Functions that touch per-worker state or switch stacks. Worker state is used by one green
// thread after another without synchronisation that ThreadSanitizer could see (it is one OS
// thread), so these functions are not instrumented; their atomics are all the same.
#if defined(GREENROOM_TSAN)
#define GREENROOM_WORKER_CODE __attribute__((noinline, no_sanitize("thread")))
#define GREENROOM_INLINE_WORKER_CODE __attribute__((always_inline, no_sanitize("thread"))) inline
#else
#define GREENROOM_WORKER_CODE
#define GREENROOM_INLINE_WORKER_CODE __attribute__((always_inline)) inline
#endif

namespace greenroom::detail {

// Prints the broken invariant and where, then aborts. For our own bugs, never for user input.
[[noreturn]] GREENROOM_COLD void assert_failed(const char* what, const char* file, int line);

// Prints `greenroom: ` and the sentence on standard error, then aborts.
[[noreturn]] GREENROOM_COLD void fatal(const char* sentence);

}  // namespace greenroom::detail

#define GREENROOM_ASSERT(condition) \
  (GREENROOM_LIKELY(condition)      \
       ? static_cast<void>(0)       \
       : ::greenroom::detail::assert_failed(#condition, __FILE__, __LINE__))
