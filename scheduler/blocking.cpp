// SPDX-License-Identifier: Apache-2.0
// Blocking calls that are announced, and calls on the OS thread's own stack.
#include <greenroom/blocking.hpp>

#include "scheduler.hpp"

#include <exception>

#if defined(GREENROOM_ASAN)
#include <sanitizer/common_interface_defs.h>
#endif
#if defined(GREENROOM_TSAN)
#include <sanitizer/tsan_interface.h>
#endif

namespace greenroom::detail {

GREENROOM_WORKER_CODE blocking_section::blocking_section() noexcept {
  if (worker* w = this_worker()) w->home->begin_blocking(w);
}

// Perhaps on another worker, if the section has waited; the first one has seen for itself then
// that it is free again.
GREENROOM_WORKER_CODE blocking_section::~blocking_section() {
  if (worker* w = this_worker()) w->home->end_blocking(w);
}

namespace {

struct os_call {
  void (*function)(void*);
  void* argument;
  std::exception_ptr thrown;
  void* fake_stack;   // for AddressSanitizer, as is
  stack_memory mine;  // the stack to come back to
};

// On the OS thread's stack. Nothing may be thrown across the change of stacks.
void call_there(void* argument) {
  auto* c = static_cast<os_call*>(argument);
#if defined(GREENROOM_ASAN)
  __sanitizer_finish_switch_fiber(nullptr, nullptr, nullptr);
#endif
  try {
    c->function(c->argument);
  } catch (...) { c->thrown = std::current_exception(); }
#if defined(GREENROOM_ASAN)
  __sanitizer_start_switch_fiber(nullptr, c->mine.low, c->mine.size);
#endif
}

}  // namespace

// The OS thread's stack is free below the place where worker_main left it, for as long as this
// green thread does not leave the worker; so while it is used, the code is outside of the worker.
GREENROOM_WORKER_CODE static void call_on_stack_of(worker* w, os_call& c) {
  constexpr std::uintptr_t red_zone = 128;
  constexpr std::uintptr_t alignment = 64;
  const auto at = reinterpret_cast<std::uintptr_t>(w->os_fiber->at.sp);
  auto* const top = reinterpret_cast<char*>((at - red_zone) & ~(alignment - 1));
  [[maybe_unused]] fiber* const mine = w->current;
  set_this_worker(nullptr);
#if defined(GREENROOM_ASAN)
  const stack_memory& there = w->os_fiber->stack;
  __sanitizer_start_switch_fiber(&c.fake_stack, there.low, there.size);
#endif
#if defined(GREENROOM_TSAN)
  __tsan_switch_to_fiber(w->os_fiber->tsan_fiber, 0);
#endif
  call_on_stack(top, call_there, &c);
#if defined(GREENROOM_TSAN)
  __tsan_switch_to_fiber(mine->tsan_fiber, 0);
#endif
#if defined(GREENROOM_ASAN)
  __sanitizer_finish_switch_fiber(c.fake_stack, nullptr, nullptr);
#endif
  set_this_worker(w);
}

GREENROOM_WORKER_CODE void run_on_os_stack(void (*call)(void*), void* argument) {
  worker* w = this_worker();
  if (w == nullptr) {
    call(argument);
    return;
  }
  os_call c{call, argument, {}, nullptr, w->current->stack};
  call_on_stack_of(w, c);
  if (c.thrown) std::rethrow_exception(std::move(c.thrown));
}

}  // namespace greenroom::detail
