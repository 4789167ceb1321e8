// SPDX-License-Identifier: Apache-2.0
// Fiber records: type-stable, recycled, found by reports through the blocks they are cut from.
#include "fiber.hpp"

#include "worker.hpp"

#include <atomic>
#include <mutex>
#include <new>
#include <pthread.h>

#if defined(GREENROOM_ASAN)
#include <sanitizer/asan_interface.h>
#include <sanitizer/lsan_interface.h>
#endif
#if defined(GREENROOM_TSAN)
#include <sanitizer/tsan_interface.h>
extern "C" void AnnotateIgnoreWritesBegin(const char* file, int line);
extern "C" void AnnotateIgnoreWritesEnd(const char* file, int line);
#endif

namespace greenroom::detail {

void fire_deadline(timer* t, std::int64_t now_ns);  // park.cpp

namespace {

struct block {
  static constexpr std::size_t records = 64;
  block* next;
  fiber all[records];
};

std::mutex records_mutex;
// The child of a fork() must find it unlocked: there its actors' addresses are still used.
const int watches_forks = pthread_atfork(
    [] { records_mutex.lock(); }, [] { records_mutex.unlock(); }, [] { records_mutex.unlock(); });
fiber* free_records = nullptr;        // under records_mutex
std::atomic<block*> blocks{nullptr};  // only ever grows

block* make_block() {
  // Records pass from green thread to green thread of one worker without synchronisation that
  // ThreadSanitizer could see, so it must not take their construction for a racing write.
#if defined(GREENROOM_TSAN)
  AnnotateIgnoreWritesBegin(__FILE__, __LINE__);
#endif
  auto* b = new (std::nothrow) block{};
#if defined(GREENROOM_TSAN)
  AnnotateIgnoreWritesEnd(__FILE__, __LINE__);
#endif
  return b;
}

GREENROOM_WORKER_CODE fiber* take_record() {
  const std::lock_guard guard(records_mutex);
  if (free_records == nullptr) {
    block* b = make_block();
    if (b == nullptr) return nullptr;
    for (fiber& f : b->all) {
      f.deadline.fire = fire_deadline;
      f.deadline.of = &f;
      f.next = free_records;
      free_records = &f;
    }
    b->next = blocks.load(std::memory_order_relaxed);
    blocks.store(b, std::memory_order_release);  // pairs with for_each_fiber
  }
  fiber* f = free_records;
  free_records = f->next;
  f->next = nullptr;
  return f;
}

GREENROOM_WORKER_CODE void give_record(fiber* f) {
  const std::lock_guard guard(records_mutex);
  f->next = free_records;
  free_records = f;
}

// Parked stacks are read near their tops only. Were all tops at the same place in their pages, a
// few hundred of them would compete for the same sets of the caches, so they are spread over the
// upper part of the page, as far as the frames of a typical wait still fit below.
char* coloured_top(const stack_memory& s) noexcept {
  constexpr std::uint32_t colours = 48;
  constexpr std::uint32_t line = 64;
  const auto page = static_cast<std::uint32_t>(reinterpret_cast<std::uintptr_t>(s.low) >> 12);
  const std::uint64_t mixed = (page * 0x9E37'79B1u) >> 8;
  return s.low + s.size - line * ((mixed * colours) >> 24);
}

struct os_thread_record {
  fiber* mine = nullptr;
  ~os_thread_record() {
    if (mine != nullptr) release_os_fiber(mine);
  }
};

thread_local os_thread_record os_record;

}  // namespace

GREENROOM_WORKER_CODE fiber* acquire_fiber(std::size_t stack_size, const char*& why) {
  const stack_memory memory = stack_pool::instance().acquire(stack_size, why);
  if (memory.low == nullptr) return nullptr;
  fiber* f = take_record();
  if (f == nullptr) {
    stack_pool::instance().release(memory);
    why = "out of memory for a green thread's record";
    return nullptr;
  }
  f->stack = memory;
  f->is_os_thread = false;
  f->eh = {};
  f->saved_errno = 0;
  f->shields = 0;
  f->swallowed = 0;
  make_context(f->at, coloured_top(memory));
#if defined(GREENROOM_TSAN)
  if (f->tsan_fiber == nullptr) f->tsan_fiber = __tsan_create_fiber(0);
  __tsan_release(f);  // acquired as the first act on the new stack
#endif
  return f;
}

GREENROOM_WORKER_CODE void release_fiber(fiber* f) {
  f->owner.store(nullptr, sync::memory_order_relaxed);
  f->current.store(nullptr, sync::memory_order_relaxed);
#if defined(GREENROOM_ASAN)
  // Its frames are abandoned, not returned from: their red zones are still poisoned.
  __asan_unpoison_memory_region(f->stack.low, f->stack.size);
  f->fake_stack = nullptr;
#endif
#if defined(GREENROOM_TSAN)
  // Released by the stack itself as it left for the last time (switch_to). The next use starts
  // with a fresh shadow call stack.
  __tsan_acquire(f);
  __tsan_destroy_fiber(f->tsan_fiber);
  f->tsan_fiber = nullptr;
#endif
  stack_pool::instance().release(f->stack);
  f->stack = {};
  give_record(f);
}

GREENROOM_WORKER_CODE fiber* acquire_os_fiber() {
  fiber* f = take_record();
  if (f == nullptr) fatal("out of memory for the record of an OS thread");
  f->is_os_thread = true;
  f->shields = 0;
  return f;
}

GREENROOM_WORKER_CODE void release_os_fiber(fiber* f) {
#if defined(GREENROOM_TSAN)
  f->tsan_fiber = nullptr;  // it was the OS thread's own
#endif
  f->current.store(nullptr, sync::memory_order_relaxed);
  give_record(f);
}

GREENROOM_WORKER_CODE fiber* current_fiber() noexcept {
  worker* w = this_worker();
  if (w != nullptr) return w->current;
  if (os_record.mine == nullptr) os_record.mine = acquire_os_fiber();
  return os_record.mine;
}

void for_each_fiber(void (*each)(fiber*, void*), void* argument) {
  for (block* b = blocks.load(std::memory_order_acquire); b != nullptr; b = b->next)
    for (fiber& f : b->all) each(&f, argument);
}

#if defined(GREENROOM_ASAN)
namespace {

// LeakSanitizer looks for owners on the stacks of OS threads only: without this, what green threads
// own that are parked as the process ends would be reported. Its check comes after all destructors.
struct parked_stacks_are_roots {
  ~parked_stacks_are_roots() {
    for_each_fiber(
        [](fiber* f, void*) {
          char* const top = f->stack.low + f->stack.size;
          char* const from = static_cast<char*>(f->at.sp);
          if (f->stack.low <= from && from < top)
            __lsan_register_root_region(from, static_cast<std::size_t>(top - from));
        },
        nullptr);
  }
} const at_exit;

}  // namespace
#endif

}  // namespace greenroom::detail
