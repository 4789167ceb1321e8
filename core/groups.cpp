// SPDX-License-Identifier: Apache-2.0
// Groups of actors and those who watch them.
//
// A tie is one actor's membership of one group, or its watch on it. It stands in a table (to find
// it), in its group's list (to walk) and in its actor's end hooks.
// RG3  What watchers are told, they are told in the order in which it happened, by one thread at a
//      time: each change leaves an event in its group's line, under the shard's lock, and whoever
//      finds nobody at it tells what stands there, under no lock. So a tie that is gone stays in
//      its list until that was told, and only who tells takes ties from lists.
// RG4  A group goes when nothing is in it: no tie, no event, and nobody who keeps it (`keeps`:
// those
//      who came out of the lock with it).
// RG2 holds for ties with two shares, the list's and the hook's. Lock order: names.hpp.
#include "names.hpp"

#include <greenroom/groups.hpp>

#include <algorithm>
#include <new>
#include <utility>

namespace greenroom::detail {

namespace {

constexpr std::size_t batch_max = 32;  // ties looked at under one hold of the lock

struct group;
struct tie;

struct event {
  tie* of = nullptr;
  event* next = nullptr;
};

struct place {
  tie* of;  // null: the list's own, or a walker's mark
  place* before = this;
  place* after = this;

  void insert_after(place& at) noexcept {
    before = &at;
    after = at.after;
    after->before = this;
    at.after = this;
  }
  void take_out() noexcept {
    before->after = after;
    after->before = before;
    before = after = this;
  }
};

// All of it under the shard's lock, but what is set before it is seen.
struct tie : table_node, end_hook {
  group* of = nullptr;
  group_shard* shard = nullptr;
  cell* who = nullptr;
  tie_kind kind{};
  std::uint8_t tags[2]{};
  bool told = false;  // of its coming
  bool gone = false;
  std::uint8_t shares = 2;
  std::uint64_t number = 0;
  place in_list{this};
  event came{this};
  event went{this};
};

struct group : table_node {
  place members{nullptr};
  place watchers{nullptr};
  event* first = nullptr;
  event* last = nullptr;
  std::uint64_t next_number = 0;
  std::uint32_t keeps = 0;
  bool telling = false;
  char name[group_name_max + 1]{};

  place& list(tie_kind kind) noexcept { return kind == tie_kind::member ? members : watchers; }
};

void free_tie(tie* t) noexcept {
  if (t == nullptr) return;
  drop_reference(t->who);
  delete t;
}

std::uint64_t hash_of_tie(const group* g, const cell* c, tie_kind kind) noexcept {
  const std::uint64_t h = mix(g->hash, reinterpret_cast<std::uintptr_t>(c));
  return mix(h, static_cast<std::uint64_t>(kind) + 1);
}

group* find_group(const group_shard& s, std::string_view name, std::uint64_t hash) noexcept
    GREENROOM_REQUIRES(s.lock) {
  return static_cast<group*>(s.table.find(
      hash, [&](const table_node* n) { return static_cast<const group*>(n)->name == name; }));
}

tie* find_tie(const group_shard& s, const group* g, const cell* c, tie_kind kind) noexcept
    GREENROOM_REQUIRES(s.lock) {
  return static_cast<tie*>(s.ties.find(hash_of_tie(g, c, kind), [&](const table_node* n) {
    const auto* t = static_cast<const tie*>(n);
    return t->of == g && t->who == c && t->kind == kind;
  }));
}

void put_event(group* g, event& e) noexcept {
  (g->last == nullptr ? g->first : g->last->next) = &e;
  g->last = &e;
}

// It is a member or watcher no more; those who watch are yet to be told.
void part(group_shard& s, tie* t) noexcept GREENROOM_REQUIRES(s.lock) {
  s.ties.erase(t);
  t->gone = true;
  put_event(t->of, t->went);
}

// RG4. The group to be deleted without the lock, or null.
group* let_go(group_shard& s, group* g) noexcept GREENROOM_REQUIRES(s.lock) {
  if (--g->keeps != 0 || g->first != nullptr || g->members.after != &g->members ||
      g->watchers.after != &g->watchers)
    return nullptr;
  s.table.erase(g);
  return g;
}

void copy_text(char* to, std::size_t size, const char* from) noexcept {
  std::size_t n = 0;
  for (; n + 1 < size && from[n] != '\0'; ++n) to[n] = from[n];
  to[n] = '\0';
}

template <class Notice>
void notify_of(const tie& watcher, const tie& member, std::uint8_t tag) noexcept {
  // What is for one that ends is no dead letter.
  if ((watcher.who->in.look() & inbox::closed) != 0 || !try_add_address(watcher.who)) return;
  Notice notice{{}, {}, member.who->id};
  copy_text(notice.group, sizeof notice.group, member.of->name);
  copy_text(notice.name, sizeof notice.name, name_of(member.who));
  node* n = make_node(std::move(notice));
  if (n == nullptr || !post_own_room(watcher.who, n, tag)) {
    if (n != nullptr) destroy_node<Notice>(n);
    count_dead(watcher.who, dead_letter::full, &type_of<Notice>);
  }
  drop_address(watcher.who);
}

void notify(const tie& watcher, const tie& member, bool came) noexcept {
  if (came)
    notify_of<group_joined>(watcher, member, watcher.tags[0]);
  else
    notify_of<group_left>(watcher, member, watcher.tags[1]);
}

// By who tells: nobody else takes ties from lists, so a tie is a place to go on from. Only those
// that were told of; those that come meanwhile are not, so they are passed by.
template <class Each>
void for_each_told(group_shard& s, place& list, Each&& each) noexcept {
  place* at = &list;
  for (bool more = true; more;) {
    tie* batch[batch_max];
    std::size_t n = 0;
    {
      const spin_guard guard(s.lock);
      place* next = at->after;
      for (std::size_t looks = 0; looks < batch_max || next->of == nullptr; ++looks) {
        if (next == &list) {
          more = false;
          break;
        }
        if (tie* t = next->of) {
          at = next;
          if (t->told) batch[n++] = t;
        }
        next = next->after;
      }
    }
    for (std::size_t i = 0; i < n; ++i) each(*batch[i]);
  }
}

void tell_event(group_shard& s, group* g, event& e) noexcept {
  tie* t = e.of;
  const bool came = &e == &t->came;
  if (t->kind == tie_kind::member)
    for_each_told(s, g->watchers, [&](const tie& watcher) { notify(watcher, *t, came); });
  else if (came)
    for_each_told(s, g->members, [&](const tie& member) { notify(*t, member, true); });
  bool last = false;
  {
    const spin_guard guard(s.lock);
    if (came) {
      t->told = true;
    } else {
      t->in_list.take_out();
      last = --t->shares == 0;
    }
  }
  if (last) free_tie(t);
}

// RG3. The caller has counted itself in `keeps`.
void tell(group_shard& s, group* g) noexcept {
  for (;;) {
    event* e = nullptr;
    group* over = nullptr;
    bool done = false;
    {
      const spin_guard guard(s.lock);
      e = g->telling ? nullptr : g->first;
      if (e == nullptr) {
        over = let_go(s, g);
        done = true;
      } else {
        g->telling = true;
        g->first = std::exchange(e->next, nullptr);
        if (g->first == nullptr) g->last = nullptr;
      }
    }
    delete over;
    if (done) return;
    tell_event(s, g, *e);
    const spin_guard guard(s.lock);
    g->telling = false;
  }
}

void on_end(end_hook* hook, cell*) noexcept {
  auto* t = static_cast<tie*>(hook);
  group_shard& s = *t->shard;
  group* g = nullptr;
  bool last = false;
  {
    const spin_guard guard(s.lock);
    if (!t->gone) {
      part(s, t);
      g = t->of;
      ++g->keeps;
    }
    last = --t->shares == 0;
  }
  if (last) free_tie(t);
  if (g != nullptr) tell(s, g);
}

tie* make_tie(group_shard& s, cell* c, tie_kind kind, const std::uint8_t* tags) noexcept {
  auto* t = new (std::nothrow) tie;
  if (t == nullptr) return nullptr;
  t->fire = on_end;
  t->shard = &s;
  t->who = c;
  t->kind = kind;
  if (tags != nullptr) std::copy(tags, tags + 2, t->tags);
  add_reference(c);
  return t;
}

group* make_group(std::string_view name, std::uint64_t hash) noexcept {
  auto* g = new (std::nothrow) group;
  if (g == nullptr) return nullptr;
  g->hash = hash;
  std::copy(name.begin(), name.end(), g->name);
  return g;
}

// A walker's mark in a list of members, and addresses that were taken and not given on.
struct walk {
  group_shard& s;
  group* g = nullptr;
  place mark{nullptr};
  cell* batch[batch_max];
  std::size_t first = 0;
  std::size_t last = 0;

  explicit walk(group_shard& shard) noexcept : s(shard) {}
  walk(const walk&) = delete;
  walk& operator=(const walk&) = delete;
  ~walk() {
    while (first != last) drop_address(batch[first++]);
    if (g == nullptr) return;
    {
      const spin_guard guard(s.lock);
      mark.take_out();
    }
    tell(s, g);  // lets go of it
  }
  // False: that was all.
  bool fill(std::uint64_t end) noexcept {
    first = last = 0;
    const spin_guard guard(s.lock);
    for (std::size_t looks = 0; looks < batch_max; ++looks) {
      place* next = mark.after;
      if (next == &g->members) return false;
      mark.take_out();
      mark.insert_after(*next);
      const tie* t = next->of;
      if (t == nullptr || t->gone || actor_ended(t->who)) continue;
      if (t->number >= end) return false;
      if (try_add_address(t->who)) batch[last++] = t->who;
    }
    return true;
  }
};

}  // namespace

status enter_group(names* all, std::string_view name, cell* c, tie_kind kind,
                   const std::uint8_t* tags) {
  if (status s = check_entry(all, "group", name, group_name_max, c); !s) return s;
  const std::uint64_t hash = hash_of(name);
  group_shard& s = names::shard_of(all->by_group, hash);
  tie* made = make_tie(s, c, kind, tags);
  group* fresh = make_group(name, hash);
  if (made == nullptr || fresh == nullptr || !prepare_end_hooks(c)) {
    free_tie(made);
    delete fresh;
    return error::no_memory;
  }
  status outcome;
  group* told = nullptr;
  std::size_t more_groups = 0;
  std::size_t more_ties = 0;
  {
    const spin_guard guard(s.lock);
    group* g = find_group(s, name, hash);
    const bool known = g != nullptr && find_tie(s, g, c, kind) != nullptr;
    if (!known) outcome = add_end_hook(c, made);
    if (!known && outcome) {
      if (g == nullptr) s.table.insert(g = std::exchange(fresh, nullptr));
      made->of = g;
      made->hash = hash_of_tie(g, c, kind);
      made->number = g->next_number++;
      s.ties.insert(made);
      place& list = g->list(kind);
      made->in_list.insert_after(*list.before);
      put_event(g, made->came);
      made = nullptr;
      told = g;
      ++g->keeps;
      more_groups = s.table.wants();
      more_ties = s.ties.wants();
    }
  }
  grow<spin_lock, spin_guard>(s.table, s.lock, more_groups);
  grow<spin_lock, spin_guard>(s.ties, s.lock, more_ties);
  free_tie(made);
  delete fresh;
  if (told != nullptr) tell(s, told);
  if (!outcome && outcome.error() == error::closed)
    return error(error::closed, "group: " + text_of(c) + " has ended; it cannot be in `" +
                                    std::string(name) + "`");
  return outcome;
}

status leave_group(names* all, std::string_view name, cell* c, tie_kind kind) {
  if (is_over(all)) return error::shutdown;
  const std::uint64_t hash = hash_of(name);
  group_shard& s = names::shard_of(all->by_group, hash);
  group* g = nullptr;
  {
    const spin_guard guard(s.lock);
    group* there = find_group(s, name, hash);
    tie* t = there == nullptr ? nullptr : find_tie(s, there, c, kind);
    if (t != nullptr) {
      part(s, t);
      if (remove_end_hook(c, t)) --t->shares;  // the list has the other still
      g = there;
      ++g->keeps;
    }
  }
  if (g == nullptr)
    return error(error::closed,
                 "group: " + (c == nullptr ? std::string("nobody") : text_of(c)) +
                     (kind == tie_kind::member ? " is not in `" : " does not watch `") +
                     std::string(name) + "`");
  tell(s, g);
  return {};
}

void walk_group(names* all, std::string_view name, const message_type* const* asked, std::size_t n,
                void (*each)(void* argument, cell* c, const std::uint8_t* tags), void* argument) {
  if (is_over(all)) return;
  const std::uint64_t hash = hash_of(name);
  group_shard& s = names::shard_of(all->by_group, hash);
  walk way(s);
  std::uint64_t end = 0;
  {
    const spin_guard guard(s.lock);
    way.g = find_group(s, name, hash);
    if (way.g == nullptr) return;
    ++way.g->keeps;
    way.mark.insert_after(way.g->members);
    end = way.g->next_number;
  }
  for (bool more = true; more;) {
    more = way.fill(end);
    while (way.first != way.last) {
      cell* c = way.batch[way.first++];
      std::uint8_t tags[message_types_max];
      if (find_types(c, asked, n, tags) == n)
        each(argument, c, tags);
      else
        drop_address(c);
    }
  }
}

}  // namespace greenroom::detail
