// SPDX-License-Identifier: Apache-2.0
// Fiber records: type-stable, recycled, found by reports through the slabs they are cut from.
#include "fiber.hpp"

#include "worker.hpp"

#include <greenroom/detail/free_objects.hpp>

#include <algorithm>
#include <atomic>
#include <mutex>
#include <new>
#include <pthread.h>
#include <utility>

#if defined(GREENROOM_ASAN)
#include <sanitizer/asan_interface.h>
#include <sanitizer/lsan_interface.h>
#endif
#if defined(GREENROOM_TSAN)
#include <sanitizer/tsan_interface.h>
#endif

namespace greenroom::detail {

void fire_deadline(timer* t, std::int64_t now_ns);  // park.cpp

namespace {

struct record_links {
  static fiber* next(const fiber* f) noexcept { return f->next; }
  static void set_next(fiber* f, fiber* next) noexcept { f->next = next; }
  struct cursor {
    fiber* at = nullptr;

    [[nodiscard]] bool more() const noexcept { return at != nullptr; }
    fiber* take() noexcept { return std::exchange(at, at->next); }
  };
  static cursor from(fiber* first) noexcept { return {first}; }
};

std::mutex records_mutex;
// The child of a fork() must find it unlocked: there its actors' addresses are still used.
const int watches_forks = pthread_atfork(
    [] { records_mutex.lock(); }, [] { records_mutex.unlock(); }, [] { records_mutex.unlock(); });
// Under records_mutex.
constinit free_objects<fiber, record_links> free_records;
constinit slab* newest = nullptr;
constinit slab* emptied = nullptr;     // through next_whole
constinit slab* reserved = nullptr;    // for records of OS threads, when memory is out
constinit std::uint64_t next_seq = 0;  // above all that were used in memory given back
// Any thread; only ever grows.
std::atomic<slab*> all_slabs{nullptr};

// At the place of an earlier one, which somebody may still look at.
void renew(fiber* f) noexcept {
  f->at = {};
  f->state.store(phase_running, sync::memory_order_relaxed);
  f->deadline_ns.store(never_ns, sync::memory_order_relaxed);
  f->eh = {};
  f->saved_errno = 0;
  f->is_os_thread = false;
  f->pooled_stack = false;
  f->interruptible.store(false, sync::memory_order_relaxed);
  f->reason.store(0, sync::memory_order_relaxed);
  f->os_word.store(0, sync::memory_order_relaxed);
  f->seq = next_seq;
  f->inherited_ns = INT64_MAX;
  f->bound_told = 0;
  f->bound_ns = never_ns;
  f->armed_ns.store(never_ns, sync::memory_order_relaxed);
  f->deadline.heap_index = timer_node::nowhere;
}

slab* next_slab(bool of_os_thread) noexcept {
  slab* s = emptied;
  if (s != nullptr) {
    emptied = s->next_whole;
    return s;
  }
  s = map_slab();
  if (s == nullptr && of_os_thread) s = std::exchange(reserved, nullptr);
  if (s == nullptr) return nullptr;
  s->object_size = sizeof(fiber);
  s->next = all_slabs.load(std::memory_order_relaxed);
  all_slabs.store(s, std::memory_order_release);  // pairs with for_each_fiber
  return s;
}

fiber* cut_record(bool of_os_thread) noexcept {
  // relaxed: under records_mutex.
  if (newest == nullptr || newest->cut.load(sync::memory_order_relaxed) == newest->capacity()) {
    slab* s = next_slab(of_os_thread);
    if (s == nullptr) return nullptr;
    newest = s;
  }
  const unseen_writes construction;  // records pass from green thread to green thread
  const std::uint32_t cut = newest->cut.load(sync::memory_order_relaxed);
  auto* f = reinterpret_cast<fiber*>(newest->memory()) + cut;
  if (newest->used_before)
    renew(f);
  else
    ::new (f) fiber;
  f->deadline.fire = fire_deadline;
  newest->cut.store(cut + 1, sync::memory_order_release);  // pairs with for_each_fiber
  return f;
}

GREENROOM_WORKER_CODE fiber* take_record(bool of_os_thread) {
  const std::lock_guard guard(records_mutex);
  fiber* f = free_records.take();
  if (f == nullptr) f = cut_record(of_os_thread);
  if (f != nullptr) f->next = nullptr;
  return f;
}

GREENROOM_WORKER_CODE void give_record(fiber* f) {
  const std::lock_guard guard(records_mutex);
  free_records.put(f);
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
  fiber* f = take_record(false);
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
  f->bound_told = 0;
  f->bound_ns = never_ns;
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

bool reserve_records() noexcept {
  const std::lock_guard guard(records_mutex);
  if (reserved == nullptr) reserved = map_slab();
  return reserved != nullptr;
}

GREENROOM_WORKER_CODE fiber* acquire_os_fiber() {
  fiber* f = take_record(true);
  // There was a reserve of hundreds. A wait has nothing else to stand on.
  if (f == nullptr) fatal("out of memory for the record of an OS thread");
  f->is_os_thread = true;
  f->shields = 0;
  f->bound_told = 0;
  f->bound_ns = never_ns;
  return f;
}

GREENROOM_WORKER_CODE void release_os_fiber(fiber* f) {
#if defined(GREENROOM_TSAN)
  f->tsan_fiber = nullptr;  // it was the OS thread's own
#endif
  f->current.store(nullptr, sync::memory_order_relaxed);
  give_record(f);
}

bool trim_fibers(trim what) noexcept {
  static constinit std::mutex one_at_a_time;
  static constinit trimmer<fiber, record_links> trims;
  static constinit std::uint64_t used_seq = 0;
  const std::unique_lock mine(one_at_a_time, std::try_to_lock);
  if (!mine) return false;
  if (what == trim::begin_with_all) stack_pool::instance().trim();
  if (what != trim::go_on && !trims.busy()) {
    const std::lock_guard guard(records_mutex);
    trims.begin(free_records.age(what == trim::begin_with_all));
  }
  if (!trims.busy()) return false;
  trims.step(
      [](fiber* f) {
        const std::lock_guard guard(records_mutex);
        free_records.keep(f);
      },
      [](fiber* f) {
        timers::cancel(&f->deadline);  // lazily re-armed: it may still stand there
        used_seq = std::max(used_seq, f->seq);
      },
      [](slab* s) {
        const std::lock_guard guard(records_mutex);
        if (newest == s) newest = nullptr;
        next_seq = std::max(next_seq, used_seq + 1);
        // relaxed: whoever walks finds zeros.
        s->cut.store(0, sync::memory_order_relaxed);
        s->next_whole = emptied;
        emptied = s;
      });
  return trims.busy();
}

GREENROOM_WORKER_CODE fiber* current_fiber() noexcept {
  worker* w = this_worker();
  if (w != nullptr) return w->current;
  if (os_record.mine == nullptr) os_record.mine = acquire_os_fiber();
  return os_record.mine;
}

void for_each_fiber(void (*each)(fiber*, void*), void* argument) {
  for (slab* s = all_slabs.load(std::memory_order_acquire); s != nullptr; s = s->next)
    for (std::uint32_t i = 0; i < s->cut.load(sync::memory_order_acquire); ++i)
      each(reinterpret_cast<fiber*>(s->memory()) + i, argument);
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
