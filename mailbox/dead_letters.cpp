// SPDX-License-Identifier: Apache-2.0
#include <greenroom/detail/home.hpp>

#include <cstring>
#include <mutex>
#include <thread>

namespace greenroom {

const char* name_of(dead_letter_reason reason) noexcept {
  static constexpr const char* names[dead_letter_reasons] = {
      "closed",   "undelivered", "full",       "timeout", "cancelled",
      "deadlock", "expired",     "late_reply", "dropped", "crashed"};
  return names[static_cast<std::size_t>(reason)];
}

}  // namespace greenroom

namespace greenroom::detail {

dead_table::row& dead_table::find(const char* name) noexcept {
  if (GREENROOM_UNLIKELY(name == nullptr)) return rows_[types_max];
  const std::uint64_t mixed = reinterpret_cast<std::uintptr_t>(name) * 0x9e37'79b9'7f4a'7c15u;
  std::size_t i = mixed >> 56;
  static_assert(types_max == 256);
  for (std::size_t probes = 0; probes < probes_max; ++probes, i = (i + 1) % types_max) {
    // relaxed: names are static, and a row's counters mean something without it.
    const char* there = rows_[i].name.load(sync::memory_order_relaxed);
    if (GREENROOM_LIKELY(there == name)) return rows_[i];
    if (there != nullptr) continue;
    if (rows_[i].name.compare_exchange_strong(there, name, sync::memory_order_relaxed,
                                              sync::memory_order_relaxed) ||
        there == name)
      return rows_[i];
  }
  return rows_[types_max];
}

void dead_table::count(const char* name, dead_letter_reason reason, std::uint64_t n) noexcept {
  // relaxed: a counter.
  find(name).counts[static_cast<std::size_t>(reason)].fetch_add(n, sync::memory_order_relaxed);
}

std::uint64_t dead_table::total(dead_letter_reason reason) const noexcept {
  std::uint64_t sum = 0;
  for (const row& r : rows_)
    sum += r.counts[static_cast<std::size_t>(reason)].load(sync::memory_order_relaxed);
  return sum;
}

void dead_table::reset() noexcept {
  for (row& r : rows_) {
    r.name.store(nullptr, sync::memory_order_relaxed);
    for (auto& n : r.counts) n.store(0, sync::memory_order_relaxed);
  }
}

namespace {

// A listener's own dead letters are counted and not told, or it could call itself for ever. It does
// not wait, so the thread stays the same while it runs.
GREENROOM_NOINLINE bool& is_telling() noexcept {
  static thread_local bool telling = false;
  bool* mine = &telling;
  asm volatile("" : "+r"(mine)::"memory");
  return *mine;
}

void copy_name(char (&to)[96], const char* from) noexcept {
  std::size_t n = 0;
  while (n + 1 < sizeof to && from[n] != '\0') {
    to[n] = from[n];
    ++n;
  }
  to[n] = '\0';
}

GREENROOM_COLD void tell(const cell* c, dead_letter_reason reason, const char* type,
                         std::uint64_t n) noexcept {
  if (is_telling()) return;
  is_telling() = true;
  dead_letters& d = home_of(c)->dead;
  // seq_cst, as all of DL1.
  const std::uint32_t parity = d.epoch.load() % 2;
  d.calls[parity].fetch_add(1);
  const std::uint32_t wanted = d.wanted.load();
  if (wanted != 0) {
    greenroom::dead_letter letter{reason, n, c->id, {}, {}};
    copy_name(letter.type, type == nullptr ? "" : type);
    copy_name(letter.actor, name_of(c));
    if ((wanted & dead_letters::wakes) != 0 &&
        (d.wanted.fetch_and(~dead_letters::wakes) & dead_letters::wakes) != 0)
      if (dead_listener* l = d.first.load()) l->call(l, letter);
    for (dead_listener* l = d.listeners.load(); l != nullptr; l = l->next.load())
      l->call(l, letter);
  }
  d.calls[parity].fetch_sub(1);
  is_telling() = false;
}

// DL1
void wait_for_tellers(dead_letters& d) noexcept {
  static std::mutex turning;  // the epoch is turned by one at a time
  const std::lock_guard guard(turning);
  for (int turn = 0; turn < 2; ++turn) {
    const std::uint32_t parity = d.epoch.fetch_add(1) % 2;
    while (d.calls[parity].load() != 0) std::this_thread::yield();
  }
}

}  // namespace

void add_listener(home* h, dead_listener* l) noexcept {
  dead_letters& d = h->dead;
  const spin_guard guard(d.lock);
  l->linked = true;
  l->next.store(d.listeners.load());
  d.listeners.store(l);
  d.wanted.fetch_or(dead_letters::listens);
}

void remove_listener(home* h, dead_listener* l) noexcept {
  dead_letters& d = h->dead;
  {
    const spin_guard guard(d.lock);
    if (!l->linked) return;
    l->linked = false;
    sync::atomic<dead_listener*>* at = &d.listeners;
    while (at->load() != l) at = &at->load()->next;
    at->store(l->next.load());  // it keeps its own `next`: a teller may stand on it
    if (d.listeners.load() == nullptr) d.wanted.fetch_and(~dead_letters::listens);
  }
  wait_for_tellers(d);
}

void set_first_listener(home* h, dead_listener* l) noexcept {
  h->dead.first.store(l);
  h->dead.wanted.fetch_or(dead_letters::wakes);
}

void remove_all_listeners(home* h) noexcept {
  dead_letters& d = h->dead;
  {
    const spin_guard guard(d.lock);
    d.wanted.store(0);
    d.first.store(nullptr);
    for (dead_listener* l = d.listeners.exchange(nullptr); l != nullptr; l = l->next.load())
      l->linked = false;
  }
  wait_for_tellers(d);
}

void count_dead(const cell* c, dead_letter_reason reason, const message_type* type,
                std::uint64_t n) noexcept {
  dead_letters& d = home_of(c)->dead;
  const char* name = type == nullptr ? nullptr : type->name();
  d.table.count(name, reason, n);
  // relaxed: a letter at the moment when a listener comes may be told or not.
  if (GREENROOM_UNLIKELY(d.wanted.load(sync::memory_order_relaxed) != 0)) tell(c, reason, name, n);
}

void count_expired(const message_type* type) noexcept {
  if (cell* c = current_cell()) count_dead(c, dead_letter_reason::expired, type);
}

}  // namespace greenroom::detail
