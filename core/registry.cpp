// SPDX-License-Identifier: Apache-2.0
// Names of actors. RG1, RG2: names.hpp.
#include "names.hpp"

#include <greenroom/registry.hpp>

#include <cstdlib>
#include <stdexcept>

namespace greenroom::detail {

namespace {

struct entry : table_node, end_hook {
  cell* who;
  name_shard* shard;
  bool in_table = false;  // under the shard's lock
  std::uint32_t size;     // of its name, which lies behind it

  [[nodiscard]] std::string_view name() const noexcept {
    return {reinterpret_cast<const char*>(this + 1), size};
  }
};

void free_entry(entry* e) noexcept {
  drop_reference(e->who);
  std::free(e);
}

void on_end(end_hook* hook, cell*) noexcept {
  auto* e = static_cast<entry*>(hook);
  {
    const spin_guard guard(e->shard->lock);
    if (e->in_table) e->shard->table.erase(e);
  }
  free_entry(e);
}

// Holds a reference.
entry* make_entry(name_shard& shard, std::string_view name, std::uint64_t hash, cell* c) noexcept {
  void* memory = std::malloc(sizeof(entry) + name.size());
  if (memory == nullptr) return nullptr;
  auto* e = ::new (memory) entry;
  e->hash = hash;
  e->fire = on_end;
  e->who = c;
  e->shard = &shard;
  e->size = static_cast<std::uint32_t>(name.size());
  std::memcpy(e + 1, name.data(), name.size());
  add_reference(c);
  return e;
}

entry* find(const name_shard& shard, std::string_view name, std::uint64_t hash) noexcept
    GREENROOM_REQUIRES(shard.lock) {
  return static_cast<entry*>(shard.table.find(
      hash, [&](const table_node* n) { return static_cast<const entry*>(n)->name() == name; }));
}

std::string quoted(std::string_view name) { return "`" + std::string(name) + "`"; }

error wrong_type(std::string_view name, const cell* c, const message_type* asked) {
  const actor_ops& ops = ops_of(c);
  std::string text = "registry: " + quoted(name) + " (actor " + text_of(c) +
                     ") does not receive `" + asked->name() + "`; it receives ";
  for (std::size_t i = 0; i < ops.type_count; ++i) {
    if (i != 0) text += ", ";
    text += quoted(ops.types[i]->name());
  }
  if (ops.type_count == 0) text += "nothing";
  return {error::invalid, text};
}

}  // namespace

status put_name(names* all, std::string_view name, cell* c) {
  if (status s = check_entry(all, "registry", name, registry_name_max, c); !s) return s;
  const std::uint64_t hash = hash_of(name);
  name_shard& shard = names::shard_of(all->by_name, hash);
  entry* made = make_entry(shard, name, hash, c);
  if (made == nullptr || !prepare_end_hooks(c)) {
    if (made != nullptr) free_entry(made);
    return error::no_memory;
  }
  status outcome;
  cell* taken_by = nullptr;
  std::size_t wanted = 0;
  {
    const spin_guard guard(shard.lock);
    entry* there = find(shard, name, hash);
    if (there != nullptr && actor_ended(there->who)) {  // its hook is about to come, and frees it
      shard.table.erase(there);
      there->in_table = false;
      there = nullptr;
    }
    if (there != nullptr && there->who != c && try_add_reference(there->who)) taken_by = there->who;
    if (there == nullptr) outcome = add_end_hook(c, made);
    if (there == nullptr && outcome) {
      shard.table.insert(made);
      made->in_table = true;
      made = nullptr;
      wanted = shard.table.wants();
    }
  }
  grow<spin_lock, spin_guard>(shard.table, shard.lock, wanted);
  if (made != nullptr) free_entry(made);
  if (taken_by != nullptr) {
    outcome = error(error::refused, "registry: " + quoted(name) + " is registered already, to " +
                                        text_of(taken_by) + "; " + text_of(c) + " cannot have it");
    drop_reference(taken_by);
  } else if (!outcome && outcome.error() == error::closed) {
    outcome = error(error::closed,
                    "registry: " + text_of(c) + " has ended; it cannot be " + quoted(name));
  }
  return outcome;
}

cell* find_name(names* all, std::string_view name, const message_type* const* asked, std::size_t n,
                std::uint8_t* tags, error& why) {
  const std::uint64_t hash = hash_of(name);
  name_shard& shard = names::shard_of(all->by_name, hash);
  cell* c = nullptr;
  {
    const spin_guard guard(shard.lock);
    const entry* there = find(shard, name, hash);
    if (there != nullptr && !actor_ended(there->who) && try_add_address(there->who)) c = there->who;
  }
  if (GREENROOM_UNLIKELY(is_over(all))) {
    if (c != nullptr) drop_address(c);
    why = error::shutdown;
    return nullptr;
  }
  if (GREENROOM_UNLIKELY(c == nullptr)) {
    why = error(error::closed, "registry: nobody is registered as " + quoted(name));
    return nullptr;
  }
  const std::size_t found = find_types(c, asked, n, tags);
  if (GREENROOM_LIKELY(found == n)) return c;
  why = wrong_type(name, c, asked[found]);
  drop_address(c);
  return nullptr;
}

status remove_name(names* all, std::string_view name) {
  if (is_over(all)) return error::shutdown;
  const std::uint64_t hash = hash_of(name);
  name_shard& shard = names::shard_of(all->by_name, hash);
  entry* there = nullptr;
  bool mine = false;
  {
    const spin_guard guard(shard.lock);
    there = find(shard, name, hash);
    if (there != nullptr) {
      shard.table.erase(there);
      there->in_table = false;
      mine = remove_end_hook(there->who, there);
    }
  }
  if (mine) free_entry(there);
  if (there == nullptr)
    return error(error::closed, "registry: nobody is registered as " + quoted(name));
  return {};
}

std::size_t count_names(names* all) noexcept {
  std::size_t n = 0;
  for (name_shard& shard : all->by_name) {
    const spin_guard guard(shard.lock);
    n += shard.table.size();
  }
  return n;
}

names* names_here(const char* caller) {
  home* h = current_home();
  if (h == nullptr)
    throw std::logic_error(std::string("greenroom: ") + caller +
                           "() was called outside of an actor or green thread; a plain OS thread "
                           "asks its runtime: rt.registry()");
  return h->names;
}

// ---- shared with groups

status check_entry(const names* all, const char* what, std::string_view name, std::size_t name_max,
                   const cell* c) {
  if (is_over(all)) return error::shutdown;
  const std::string begin = std::string(what) + ": ";
  if (name.empty()) return error(error::invalid, begin + "a name is empty");
  if (name.size() > name_max)
    return error(error::invalid, begin + "a name of " + std::to_string(name.size()) + " bytes; " +
                                     std::to_string(name_max) + " at most");
  if (c == nullptr)
    return error(error::invalid, begin + "the address for " + quoted(name) + " is empty");
  if (home_of(c) != all->of)
    return error(error::invalid, begin + text_of(c) + " belongs to another runtime; it cannot be " +
                                     quoted(name) + " here");
  return {};
}

std::size_t find_types(const cell* c, const message_type* const* asked, std::size_t n,
                       std::uint8_t* tags) noexcept {
  const actor_ops& ops = ops_of(c);
  for (std::size_t i = 0; i < n; ++i) {
    std::size_t at = 0;
    while (at < ops.type_count && ops.types[at] != asked[i]) ++at;
    if (GREENROOM_UNLIKELY(at == ops.type_count)) {
      at = 0;
      while (at < ops.type_count && std::strcmp(ops.types[at]->name(), asked[i]->name()) != 0) ++at;
    }
    if (at == ops.type_count) return i;
    tags[i] = static_cast<std::uint8_t>(at);
  }
  return n;
}

std::string text_of(const cell* c) {
  return std::string(name_of(c)) + " (id " + std::to_string(c->id) + ")";
}

}  // namespace greenroom::detail
