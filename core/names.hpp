// SPDX-License-Identifier: Apache-2.0
// What names and groups share: a runtime's table in shards, and types found by their names.
//
// RG1  An entry holds a reference, so its cell is not used again while the entry is there: what is
//      found by a name is the actor that was given it, or nobody.
// RG2  An entry stands in its table and in the list of its actor's end hooks, from the one step
//      under the shard's lock that puts it into both. Who takes it out of both (remove_end_hook
//      says true) frees it; else its hook does, which takes the shard's lock first.
// Lock order: a shard's lock, then the cold::lock of one actor (end hooks). Destructors, sends and
// references that are dropped come after both.
#pragma once

#include "name_table.hpp"

#include <greenroom/detail/end_hook.hpp>
#include <greenroom/detail/home.hpp>

#include <string>

namespace greenroom::detail {

struct name_shard {
  alignas(64) spin_lock lock;
  name_table table GREENROOM_GUARDED_BY(lock);
};

struct group_shard : name_shard {
  name_table ties GREENROOM_GUARDED_BY(lock);
};

struct names {
  static constexpr std::size_t shards = 64;

  home* of = nullptr;
  sync::atomic<bool> over{false};  // the shutdown is
  name_shard by_name[shards];
  group_shard by_group[shards];

  // The table uses the lower bits.
  template <class Shard>
  static Shard& shard_of(Shard (&all)[shards], std::uint64_t hash) noexcept {
    return all[hash >> 58];
  }
};

// May this actor be noted here under that name? `what`: "registry" or "group".
status check_entry(const names* all, const char* what, std::string_view name, std::size_t name_max,
                   const cell* c);
// relaxed would do; it is asked for by those who see the shutdown's end by other means.
inline bool is_over(const names* all) noexcept {
  return all->over.load(sync::memory_order_acquire);
}
inline bool actor_ended(const cell* c) noexcept {
  return (c->control.load(sync::memory_order_seq_cst) & control_ended) != 0;
}
// REQUIRES: the caller holds a reference. By address, or by name where two shared libraries each
// have a record of one type. The place of the first that is not received, or n.
std::size_t find_types(const cell* c, const message_type* const* asked, std::size_t n,
                       std::uint8_t* tags) noexcept;
std::string text_of(const cell* c);  // "store (id 7)"

}  // namespace greenroom::detail
