// SPDX-License-Identifier: Apache-2.0
// Memory for the stacks of green threads: slabs of address space, cut into equal stacks of one
// class each, every stack with a guard of its own below it.
//
//   slab of one class:   | guard | stack 0 | guard | stack 1 | guard | stack 2 | ... not yet open |
//                                ^ low     ^ low + size
//
// Thread rules: everything may be called from any OS thread, under one mutex; it is the slow path,
// for workers keep spare stacks of their own above it. find() takes no lock and is
// async-signal-safe. Nothing here parks. One pool per process; it is never destroyed.
//
// Invariants:
//   P1  A stack is handed out only with a guard that faults; without one acquire() fails.
//   P2  A slab, once published, stays mapped and unchanged until the process ends, so find() may
//       read it at any time. Only pages are given back, never addresses.
//   P3  A slot is in one place: live (its user's), a class's warm list, a class's cold list, or
//       in the hands of the one thread that trims it.
//   P4  The free warm stacks hold at most warm_bytes_max of memory (as counted from their tops
//       down to the first untouched mebibyte), and one batch more.
//
// Guards are page table markers (MADV_GUARD_INSTALL) where the kernel has them: they split no map,
// so a million stacks are a handful of maps. Elsewhere a guard is a PROT_NONE gap and a stack
// costs two maps, of which Linux allows 65,530 by default: acquire() then says so.
// A slab is reserved without access and opened piece by piece: under vm.overcommit_memory=2 only
// what is open counts.
//
// Rejected: free lists inside the stacks (they would touch a page of a stack that was just given
// back); one range per stack (two maps each); MADV_FREE (the memory is still charged to the
// process, and to its cgroup, until there is pressure); a bound on warm stacks by their size (a
// bound that is true for deep stacks keeps too few of the shallow ones that everybody has, so the
// pages that are really there are counted).
#pragma once

#include <greenroom/detail/sync.hpp>

#include <cstddef>
#include <cstdint>
#include <mutex>

namespace greenroom::detail {

// Usable bytes [low, low + size); a guard lies below low.
struct stack_memory {
  char* low = nullptr;
  std::size_t size = 0;
};

class stack_pool {
 public:
  static constexpr std::size_t size_min = std::size_t{16} << 10;  // or one page, if that is larger
  static constexpr std::size_t size_max = std::size_t{256} << 20;
  static constexpr std::size_t guard_size = std::size_t{64} << 10;
  static constexpr std::size_t slab_bytes_first = std::size_t{16} << 20;  // then twice as much, ...
  static constexpr std::size_t slab_bytes_max = std::size_t{1} << 30;
  static constexpr std::size_t piece_bytes = std::size_t{8} << 20;  // opened at once
  static constexpr std::size_t warm_bytes_max = std::size_t{64} << 20;
  // While that little is free, a stack counts by its size: looking costs 2 us.
  static constexpr std::size_t warm_unmeasured_max = warm_bytes_max / 2;
  static constexpr std::uint32_t trim_batch = 64;
  static constexpr std::uint32_t slabs_max = 16384;

  enum class guard_kind : std::uint8_t { unknown, marker, gap };

  static stack_pool& instance() noexcept;

  // A stack of rounded(size) bytes; the one released last if there is one, else a trimmed one,
  // else a fresh one. Its content is unspecified. On failure low is null and `why` a sentence in
  // static storage. REQUIRES: not in a signal handler.
  stack_memory acquire(std::size_t size, const char*& why) noexcept;
  // Takes back what acquire() gave. Nothing on it may be alive. Keeps it warm, or gives pages of
  // a batch of stacks back when more than warm_bytes_max are free.
  void release(stack_memory stack) noexcept;
  // Gives the pages of all free stacks back.
  void trim() noexcept;

  struct counters {
    std::size_t live = 0;            // handed out
    std::size_t free_warm = 0;       // free, pages still there
    std::size_t free_trimmed = 0;    // free, pages given back
    std::size_t reserved_bytes = 0;  // address space, guards included
    std::size_t warm_bytes = 0;      // memory in free warm stacks, at most
    std::size_t slabs = 0;
  };
  [[nodiscard]] counters count() const noexcept;
  // How guards are made here; probes at the first call.
  [[nodiscard]] guard_kind guards() noexcept;

  // The class a size falls into: a power of two from size_min (or the page size) to size_max.
  // Sizes above size_max give 0: acquire() refuses them.
  static std::size_t rounded(std::size_t size) noexcept;

  // Where an address lies. Async-signal-safe, lock-free.
  struct place {
    stack_memory stack;     // low is null: in no stack of the pool and in no guard of one
    bool in_guard = false;  // below stack.low
  };
  [[nodiscard]] static place find(const void* address) noexcept;
  [[nodiscard]] static bool is_guard_address(const void* address) noexcept {
    return find(address).in_guard;
  }

  stack_pool(const stack_pool&) = delete;
  stack_pool& operator=(const stack_pool&) = delete;

 private:
  // A slot's name: number of its slab << 16 | index in it. Slabs have under 65,536 slots.
  using slot_id = std::uint32_t;
  static constexpr slot_id none = 0xFFFFFFFF;
  static constexpr slot_id in_use = 0xFFFFFFFE;
  static constexpr int classes_max = 15;  // 16 KiB << 14 is 256 MiB

  struct slot;
  struct slab;
  struct list {  // last in, first out
    slot_id first = none;
    std::uint32_t count = 0;
  };
  struct size_class {
    list warm;  // free, pages still there
    list cold;  // free, pages given back
    std::size_t warm_bytes = 0;
    slab* open = nullptr;  // the slab that fresh stacks come from
    std::size_t next_slab_bytes = slab_bytes_first;
  };
  using held_lock = std::unique_lock<std::mutex>;

  constexpr stack_pool() = default;

  static int class_of(std::size_t rounded_size) noexcept;
  slab& slab_of(slot_id id) noexcept;
  slot& slot_of(slot_id id) noexcept;
  std::uint16_t* first_above(const char* address) noexcept;
  slot_id id_of(stack_memory stack) noexcept;
  stack_memory memory_of(slot_id id) noexcept;
  void push(list& to, slot_id id) noexcept;
  slot_id pop(list& from) noexcept;

  slot_id take_free(size_class& from) noexcept;
  slot_id take_fresh(size_class& from, std::size_t size, const char*& why) noexcept;
  bool guard_slot(slab& in, std::uint32_t index, const char*& why) noexcept;
  bool open_piece(slab& in, const char*& why) noexcept;
  slab* add_slab(size_class& to, std::size_t size, const char*& why) noexcept;
  void publish(slab* added) noexcept;
  void probe_guards() noexcept;
  void trim_warm(size_class& from, held_lock& held) noexcept;
  void give_back(slot_id* ids, std::uint32_t count) noexcept;

  // All below: under mutex_, but for what is atomic.
  mutable std::mutex mutex_;
  guard_kind guards_ = guard_kind::unknown;
  counters count_;
  size_class classes_[classes_max];
  // Append-only (P2): written under mutex_, read by find() from anywhere.
  sync::atomic<std::uint32_t> slab_count_{0};
  sync::atomic<slab*> slabs_[slabs_max]{};
  std::uint16_t by_address_[slabs_max]{};  // numbers of the slabs, lowest address first
  static stack_pool the_pool;
};

}  // namespace greenroom::detail
