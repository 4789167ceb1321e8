// SPDX-License-Identifier: Apache-2.0
// Memory for objects of one size that are recycled and never freed, since somebody may look at
// one after its end: cells, records of fibers, messages. It comes in slabs of 64 KiB. What is
// known of a slab stands apart, in a table at the beginning of its chunk of 16 MiB, so that all of
// a slab's memory can be given back to the system: what was there then reads as zeros.
//
// Thread rules: map_slab() and give_back() may be called from any thread, and never park.
#pragma once

#include <greenroom/detail/sync.hpp>

#include <cstddef>
#include <cstdint>

namespace greenroom::detail {

struct alignas(64) slab {
  static constexpr std::size_t size = 64u << 10;
  static constexpr std::size_t chunk_size = 16u << 20;

  // Set by whoever mapped it.
  void* owner;
  slab* next;  // of all its owner has
  std::uint32_t object_size;
  bool used_before;  // its objects were cut, and given back
  // Objects cut from it. release: a walker that goes no further sees them made.
  sync::atomic<std::uint32_t> cut;
  // The trimmer only.
  std::uint32_t idle;
  slab* next_whole;

  [[nodiscard]] char* memory() noexcept {
    const auto at = reinterpret_cast<std::uintptr_t>(this);
    const std::uintptr_t chunk = at & ~(chunk_size - 1);
    return reinterpret_cast<char*>(chunk + (at - chunk) / sizeof(slab) * size);
  }
  [[nodiscard]] std::uint32_t capacity() const noexcept {
    return static_cast<std::uint32_t>(size / object_size);
  }
  // The one that an object lies in.
  static slab* of(const void* object) noexcept {
    const auto at = reinterpret_cast<std::uintptr_t>(object);
    const std::uintptr_t chunk = at & ~(chunk_size - 1);
    return reinterpret_cast<slab*>(chunk + (at - chunk) / size * sizeof(slab));
  }
};
static_assert(sizeof(slab) == 64 && slab::chunk_size / slab::size * sizeof(slab) <= slab::size);

// All zeros, header and memory. Null when memory is out.
slab* map_slab() noexcept;
// REQUIRES: nothing in its memory is used but by those who find zeros there as good.
void give_back(slab* s) noexcept;

}  // namespace greenroom::detail
