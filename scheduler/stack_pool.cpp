// SPDX-License-Identifier: Apache-2.0
#include "stack_pool.hpp"

#include "stack_limits.hpp"

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <functional>
#include <new>
#include <sys/mman.h>
#include <unistd.h>

#if defined(GREENROOM_ASAN)
#include <sanitizer/asan_interface.h>
#endif

namespace greenroom::detail {
namespace {

// Younger than the C library's headers: Linux 6.13.
constexpr int madv_guard_install = 102;

std::size_t page_size() noexcept {
  static const std::size_t size = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  return size;
}

// Memory that is really there, looked for from the top down to the first mebibyte that has none:
// to look through all of a large stack would take hundreds of microseconds. Unknown (no mincore
// here) counts as all of it.
std::size_t resident_bytes(stack_memory stack) noexcept {
  unsigned char present[256];
  const std::size_t page = page_size();
  std::size_t pages = 0;
  for (std::size_t left = stack.size; left != 0;) {
    const std::size_t size = std::min(left, page * sizeof present);
    left -= size;
    if (::mincore(stack.low + left, size, present) != 0) return stack.size;
    std::size_t here = 0;
    for (std::size_t i = 0; i < size / page; ++i) here += present[i] & 1u;
    if (here == 0) break;
    pages += here;
  }
  return pages * page;
}

// A stack that was left without unwinding keeps poisoned red zones.
void unpoison([[maybe_unused]] stack_memory stack) noexcept {
#if defined(GREENROOM_ASAN)
  __asan_unpoison_memory_region(stack.low, stack.size);
#endif
}

}  // namespace

struct stack_pool::slot {
  slot_id next = in_use;
  std::uint32_t warm_pages = 0;
};

// Lives in one block with its slots behind it. All but `fresh` and the slots is constant.
struct stack_pool::slab {
  char* base;
  std::size_t size;    // of a stack
  std::size_t stride;  // stack and guard
  std::uint32_t count;
  std::uint32_t number;
  std::uint32_t opened;               // slots whose memory is accessible
  sync::atomic<std::uint32_t> fresh;  // slots from here on were never handed out

  slot* slots() noexcept { return reinterpret_cast<slot*>(this + 1); }
  [[nodiscard]] char* guard_of(std::size_t index) const noexcept { return base + index * stride; }
  [[nodiscard]] stack_memory stack_of(std::size_t index) const noexcept {
    return {guard_of(index) + guard_size, size};
  }
};

// Needs no construction at run time and no destruction, so that find() may run at any time.
constinit stack_pool stack_pool::the_pool;

stack_pool& stack_pool::instance() noexcept { return the_pool; }

std::size_t stack_pool::rounded(std::size_t size) noexcept {
  if (size > size_max) return 0;
  return std::bit_ceil(std::max({size, size_min, page_size()}));
}

int stack_pool::class_of(std::size_t rounded_size) noexcept {
  return std::countr_zero(rounded_size) - std::countr_zero(size_min);
}

// ---- slots and lists ----

stack_pool::slab& stack_pool::slab_of(slot_id id) noexcept {
  // relaxed: under mutex_, as its writer.
  return *slabs_[id >> 16].load(sync::memory_order_relaxed);
}

stack_pool::slot& stack_pool::slot_of(slot_id id) noexcept {
  return slab_of(id).slots()[id & 0xFFFF];
}

stack_memory stack_pool::memory_of(slot_id id) noexcept {
  return slab_of(id).stack_of(id & 0xFFFF);
}

// The first slab that begins above the address.
std::uint16_t* stack_pool::first_above(const char* address) noexcept {
  return std::upper_bound(by_address_, by_address_ + count_.slabs, address,
                          [this](const char* wanted, std::uint32_t number) {
                            return std::less<>{}(wanted, slab_of(number << 16).base);
                          });
}

stack_pool::slot_id stack_pool::id_of(stack_memory stack) noexcept {
  const std::uint16_t* const above = first_above(stack.low);
  GREENROOM_ASSERT(above != by_address_);
  const std::uint32_t number = above[-1];
  const slab& in = slab_of(number << 16);
  const std::size_t index = static_cast<std::size_t>(stack.low - in.base) / in.stride;
  GREENROOM_ASSERT(index < in.count && in.stack_of(index).low == stack.low &&
                   in.size == stack.size);
  return number << 16 | static_cast<std::uint32_t>(index);
}

void stack_pool::push(list& to, slot_id id) noexcept {
  slot_of(id).next = to.first;
  to.first = id;
  ++to.count;
}

stack_pool::slot_id stack_pool::pop(list& from) noexcept {
  const slot_id id = from.first;
  if (id == none) return none;
  from.first = slot_of(id).next;
  slot_of(id).next = in_use;
  --from.count;
  return id;
}

// ---- acquire ----

stack_memory stack_pool::acquire(std::size_t size, const char*& why) noexcept {
  const std::size_t rounded_size = rounded(size);
  if (rounded_size == 0) {
    why = "a stack may have 256 MiB at most";
    return {};
  }
  slot_id id;
  stack_memory stack;
  bool fresh = false;
  {
    const held_lock held(mutex_);
    size_class& from = classes_[class_of(rounded_size)];
    id = take_free(from);
    if (id == none) {
      fresh = true;
      id = take_fresh(from, rounded_size, why);
    }
    if (id == none) return {};
    ++count_.live;
    stack = memory_of(id);
  }
  if (!fresh) unpoison(stack);
  why = nullptr;
  return stack;
}

stack_pool::slot_id stack_pool::take_free(size_class& from) noexcept {
  slot_id id = pop(from.warm);
  if (id != none) {
    const std::size_t bytes = slot_of(id).warm_pages * page_size();
    from.warm_bytes -= bytes;
    count_.warm_bytes -= bytes;
    --count_.free_warm;
    return id;
  }
  id = pop(from.cold);
  if (id != none) --count_.free_trimmed;
  return id;
}

stack_pool::slot_id stack_pool::take_fresh(size_class& from, std::size_t size,
                                           const char*& why) noexcept {
  if (guards_ == guard_kind::unknown) probe_guards();
  slab* in = from.open;
  // relaxed: written under mutex_ only.
  if (in == nullptr || in->fresh.load(sync::memory_order_relaxed) == in->count) {
    in = add_slab(from, size, why);
    if (in == nullptr) return none;
    from.open = in;
  }
  const std::uint32_t index = in->fresh.load(sync::memory_order_relaxed);
  if (index == in->opened && !open_piece(*in, why)) return none;
  if (!guard_slot(*in, index, why)) return none;
  // release: a find() that sees the slot sees its guard.
  in->fresh.store(index + 1, sync::memory_order_release);
  return in->number << 16 | index;
}

// Makes the next stacks accessible: many at a time where guards are markers, for that is one map
// growing; one at a time where they are gaps, leaving its guard closed.
bool stack_pool::open_piece(slab& in, const char*& why) noexcept {
  constexpr int access = PROT_READ | PROT_WRITE;
  char* const from = in.guard_of(in.opened);
  if (guards_ == guard_kind::gap) {
    if (::mprotect(from + guard_size, in.size, access) != 0) {
      why = why_no_stack(errno, in.size, in.size, true);
      return false;
    }
    ++in.opened;
    return true;
  }
  const auto wanted = static_cast<std::uint32_t>(std::max<std::size_t>(1, piece_bytes / in.stride));
  std::uint32_t slots = std::min(wanted, in.count - in.opened);
  while (::mprotect(from, slots * in.stride, access) != 0) {
    if (slots == 1) {
      why = why_no_stack(errno, in.stride, in.size, false);
      return false;
    }
    slots = 1;
  }
  in.opened += slots;
  return true;
}

bool stack_pool::guard_slot(slab& in, std::uint32_t index, const char*& why) noexcept {
  if (guards_ == guard_kind::gap) return true;  // never opened
  char* const guard = in.guard_of(index);
  if (::madvise(guard, guard_size, madv_guard_install) == 0) return true;
  // Locked memory takes no markers on some kernels.
  if (::mprotect(guard, guard_size, PROT_NONE) == 0) return true;
  why = why_no_stack(errno, 0, in.size, true);
  return false;
}

stack_pool::slab* stack_pool::add_slab(size_class& to, std::size_t size,
                                       const char*& why) noexcept {
  if (count_.slabs == slabs_max) {
    why = "there is no room for another stack: the table of stack slabs is full";
    return nullptr;
  }
  const std::size_t stride = size + guard_size;
  std::size_t slots = std::max<std::size_t>(1, to.next_slab_bytes / stride);
  void* base;
  while ((base = ::mmap(nullptr, slots * stride, PROT_NONE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)) == MAP_FAILED) {
    if (errno != ENOMEM || slots == 1) {
      why = why_no_stack(errno, slots * stride, size, false);
      return nullptr;
    }
    slots /= 2;
    to.next_slab_bytes = slots * stride;
  }
  // One touched page must not become 2 MiB. Kernels without huge pages answer EINVAL.
  ::madvise(base, slots * stride, MADV_NOHUGEPAGE);
  void* const block = ::operator new(sizeof(slab) + slots * sizeof(slot), std::nothrow);
  if (block == nullptr) {
    ::munmap(base, slots * stride);
    why = "there is no room for another stack: the heap is exhausted";
    return nullptr;
  }
  auto* const added = new (block) slab{static_cast<char*>(base),
                                       size,
                                       stride,
                                       static_cast<std::uint32_t>(slots),
                                       static_cast<std::uint32_t>(count_.slabs),
                                       0,
                                       {0}};
  for (std::size_t i = 0; i < slots; ++i) new (added->slots() + i) slot;
  to.next_slab_bytes = std::min(to.next_slab_bytes * 2, slab_bytes_max);
  publish(added);
  return added;
}

void stack_pool::publish(slab* added) noexcept {
  const auto number = static_cast<std::uint16_t>(added->number);
  std::uint16_t* const end = by_address_ + count_.slabs;
  std::uint16_t* const at = first_above(added->base);
  std::copy_backward(at, end, end + 1);
  *at = number;
  // relaxed: published by the count.
  slabs_[number].store(added, sync::memory_order_relaxed);
  ++count_.slabs;
  count_.reserved_bytes += added->count * added->stride;
  // release: pairs with the acquire in find() (P2).
  slab_count_.store(number + 1u, sync::memory_order_release);
}

// ---- release and trim ----

void stack_pool::release(stack_memory stack) noexcept {
  std::size_t bytes = stack.size;
  held_lock held(mutex_);
  if (count_.warm_bytes + bytes > warm_unmeasured_max) {
    held.unlock();
    bytes = resident_bytes(stack);
    held.lock();
  }
  const slot_id id = id_of(stack);
  slot& freed = slot_of(id);
  GREENROOM_ASSERT(freed.next == in_use);
  freed.warm_pages = static_cast<std::uint32_t>(bytes / page_size());
  size_class& to = classes_[class_of(stack.size)];
  push(to.warm, id);
  to.warm_bytes += bytes;
  count_.warm_bytes += bytes;
  --count_.live;
  ++count_.free_warm;
  if (count_.warm_bytes <= warm_bytes_max) return;
  // The class that holds most gives: else one that is out of use would leave no room to others.
  size_class* most = &to;
  for (size_class& other : classes_) {
    if (other.warm_bytes > most->warm_bytes) most = &other;
  }
  trim_warm(*most, held);
}

void stack_pool::trim() noexcept {
  held_lock held(mutex_);
  for (size_class& each : classes_) {
    while (each.warm.count != 0) trim_warm(each, held);
  }
}

// One batch. The system calls are made without the lock: the batch is in nobody's list (P3).
void stack_pool::trim_warm(size_class& from, held_lock& held) noexcept {
  slot_id batch[trim_batch];
  std::uint32_t count = 0;
  for (slot_id id; count < trim_batch && (id = pop(from.warm)) != none; ++count) {
    const std::size_t bytes = slot_of(id).warm_pages * page_size();
    from.warm_bytes -= bytes;
    count_.warm_bytes -= bytes;
    batch[count] = id;
  }
  count_.free_warm -= count;
  held.unlock();
  give_back(batch, count);
  held.lock();
  for (std::uint32_t i = count; i != 0; --i) push(from.cold, batch[i - 1]);
  count_.free_trimmed += count;
}

// Neighbours go in one call: guards between them survive it.
void stack_pool::give_back(slot_id* ids, std::uint32_t count) noexcept {
  std::sort(ids, ids + count);
  for (std::uint32_t i = 0; i < count;) {
    std::uint32_t next = i + 1;
    while (next < count && ids[next] == ids[next - 1] + 1) ++next;
    const stack_memory first = memory_of(ids[i]);
    const stack_memory last = memory_of(ids[next - 1]);
    // Fails where the host locks its memory (mlockall): then the pages stay, as it wished.
    ::madvise(first.low, static_cast<std::size_t>(last.low + last.size - first.low), MADV_DONTNEED);
    i = next;
  }
}

// ---- the rest ----

stack_pool::counters stack_pool::count() const noexcept {
  const held_lock held(mutex_);
  return count_;
}

stack_pool::guard_kind stack_pool::guards() noexcept {
  const held_lock held(mutex_);
  if (guards_ == guard_kind::unknown) probe_guards();
  return guards_;
}

// By behaviour, for emulators answer "done" to advice they ignore: the kernel must refuse to read
// a marked page.
void stack_pool::probe_guards() noexcept {
  guards_ = guard_kind::gap;
  const char* const wish = std::getenv("GREENROOM_GUARD");
  if (wish != nullptr && std::strcmp(wish, "mprotect") == 0) return;
  const std::size_t size = page_size();
  void* const page =
      ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED) return;
  int ends[2];
  if (::madvise(page, size, madv_guard_install) == 0 && ::pipe2(ends, O_CLOEXEC) == 0) {
    if (::write(ends[1], page, 1) == -1 && errno == EFAULT) guards_ = guard_kind::marker;
    ::close(ends[0]);
    ::close(ends[1]);
  }
  ::munmap(page, size);
}

stack_pool::place stack_pool::find(const void* address) noexcept {
  const auto wanted = reinterpret_cast<std::uintptr_t>(address);
  // acquire: pairs with the release in publish() (P2).
  const std::uint32_t slabs = the_pool.slab_count_.load(sync::memory_order_acquire);
  for (std::uint32_t i = 0; i < slabs; ++i) {
    const slab& in = *the_pool.slabs_[i].load(sync::memory_order_relaxed);
    const std::uintptr_t offset = wanted - reinterpret_cast<std::uintptr_t>(in.base);
    // acquire: pairs with the release in take_fresh().
    if (offset >= in.fresh.load(sync::memory_order_acquire) * in.stride) continue;
    return {in.stack_of(offset / in.stride), offset % in.stride < guard_size};
  }
  return {};
}

}  // namespace greenroom::detail
