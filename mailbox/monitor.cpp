// SPDX-License-Identifier: Apache-2.0
// Monitors and links.
//
// A record stands in two lists: of the actor that is watched (`watchers`), under its cold::lock,
// and of the one that watches (`watching`), under that one's. It has a reference for each list, for
// the message, and for the user's handle; no two locks are held at once. All memory that telling
// needs is taken when the watch begins, so no end goes untold for want of memory.
//
// EW1  Who takes a record out of `watchers` tells, and nobody else can: so it is told once. The end
//     takes all of them after it has set control_ended; who watches later finds that bit under the
//     lock and tells itself (as M6).
// EW2  What is told is pushed under the watcher's lock, unless `deaf` is set or the record was
// taken
//     back. An actor that ends sets `deaf` and takes its records back under that lock before it
//     empties its mailbox: so nothing is left there, nor reaches its next life in the same cell.
// EW3  Links are two records. Either end fires one, and takes the other back as its watcher.
#include "monitor.hpp"
#include "overload.hpp"

#include <new>
#include <stdexcept>
#include <string>

namespace greenroom::detail {

struct watch_record {
  sync::atomic<std::uint32_t> references{1};
  watch_kind kind;
  std::uint8_t tag = 0;  // the watcher's, of what it is told by
  bool is_told = false;  // watcher's lock: fired
  sync::atomic<bool> is_taken_back{false};
  cell* target = nullptr;  // both are references, weak; null: an empty address
  cell* watcher = nullptr;
  node* message = nullptr;  // ready to be sent; null: there is none, or it is sent
  exit_reason why;          // written before it is told
  // Target's lock.
  watch_record* next_watcher = nullptr;
  watch_record** at_watcher = nullptr;  // null: not in the list
  // Watcher's lock.
  watch_record* next_watching = nullptr;
  watch_record** at_watching = nullptr;
};

struct make_notice {
  template <class Notice>
  static void in(node* n, watch_record* r) noexcept {
    ::new (static_cast<void*>(body_of<Notice>(n))) Notice(r);
  }
  static watch_record* of(node* n) noexcept { return body_of<down>(n)->record_; }
};
static_assert(sizeof(down) == sizeof(exited) && body_offset<down>() == body_offset<exited>());

namespace {

constexpr std::uint8_t notice_class = type_of<down>.size_class;

void link_watcher(cold* more, watch_record* r) GREENROOM_REQUIRES(more->lock) {
  r->next_watcher = more->watchers;
  r->at_watcher = &more->watchers;
  if (r->next_watcher != nullptr) r->next_watcher->at_watcher = &r->next_watcher;
  more->watchers = r;
}
bool unlink_watcher([[maybe_unused]] cold* more, watch_record* r) GREENROOM_REQUIRES(more->lock) {
  if (r->at_watcher == nullptr) return false;
  *r->at_watcher = r->next_watcher;
  if (r->next_watcher != nullptr) r->next_watcher->at_watcher = r->at_watcher;
  r->at_watcher = nullptr;
  return true;
}
void link_watching(cold* more, watch_record* r) GREENROOM_REQUIRES(more->lock) {
  r->next_watching = more->watching;
  r->at_watching = &more->watching;
  if (r->next_watching != nullptr) r->next_watching->at_watching = &r->next_watching;
  more->watching = r;
}
bool unlink_watching([[maybe_unused]] cold* more, watch_record* r) GREENROOM_REQUIRES(more->lock) {
  if (r->at_watching == nullptr) return false;
  *r->at_watching = r->next_watching;
  if (r->next_watching != nullptr) r->next_watching->at_watching = r->at_watching;
  r->at_watching = nullptr;
  return true;
}

// The records' cells had a cold record when they began to be watched, and keep it.
cold* cold_in(cell* c) noexcept { return c->more.load(sync::memory_order_acquire); }

// A record without the lists; its one reference is the caller's. Null when memory is out.
watch_record* make_record(cell* target, cell* watcher, watch_kind kind) noexcept {
  if ((target != nullptr && cold_of(target) == nullptr) || cold_of(watcher) == nullptr)
    return nullptr;
  auto* r = new (std::nothrow) watch_record;
  if (r == nullptr) return nullptr;
  r->kind = kind;
  r->target = target;
  r->watcher = watcher;
  if (target != nullptr) add_reference(target);
  add_reference(watcher);
  return r;
}

// The watcher hears of this watch by a message of that type, if it receives it.
bool prepare_message(watch_record* r, const message_type* type) noexcept {
  const int tag = find_tag(ops_of(r->watcher), *type);
  if (tag < 0) return true;
  r->message = allocate_node(notice_class, body_offset<down>() + sizeof(down));
  r->tag = static_cast<std::uint8_t>(tag);
  return r->message != nullptr;
}

void enter_watching(watch_record* r) noexcept {
  cold* mine = cold_in(r->watcher);
  const spin_guard guard(mine->lock);
  if (r->is_taken_back.load(sync::memory_order_relaxed)) return;
  add_watch(r);
  link_watching(mine, r);
}

// False: the target has ended.
bool enter_watchers(watch_record* r) noexcept {
  cold* theirs = cold_in(r->target);
  const spin_guard guard(theirs->lock);
  // seq_cst: EW1, as M6.
  if ((r->target->control.load(sync::memory_order_seq_cst) & control_ended) != 0) return false;
  add_watch(r);
  link_watcher(theirs, r);
  return true;
}

// What the end of a linked actor does to one that does not trap exits.
void end_with(watch_record* r) noexcept {
  cell* c = r->watcher;
  const exit_kind kind = r->why.kind();
  if (kind == exit_kind::normal) return;
  if (kind == exit_kind::stopped) {
    stop_actor(c);
    return;
  }
  const exit_reason order(exit_kind::linked, {.what = r->why.text(), .type = name_in(r)});
  {
    cold* mine = cold_in(c);
    const spin_guard guard(mine->lock);
    if (mine->order == exit_kind::normal) mine->order = order;  // the first one counts
  }
  cancel_actor(c);
}

// Tells the watcher. REQUIRES: the caller has taken it out of `watchers`, or it never was there.
void tell(watch_record* r, const exit_reason& why) noexcept {
  r->why = why;
  cell* c = r->watcher;
  cold* mine = cold_in(c);
  bool hears = false, traps = false, is_first = false, was_listed = false;
  {
    const spin_guard guard(mine->lock);
    was_listed = unlink_watching(mine, r);
    hears = !mine->deaf && !r->is_taken_back.load(sync::memory_order_relaxed);  // EW2
    r->is_told = true;
    traps = r->kind == watch_kind::monitor || mine->traps;
    if (hears && traps && r->message != nullptr) {
      node* n = r->message;
      r->message = nullptr;
      add_watch(r);
      if (r->kind == watch_kind::monitor)
        make_notice::in<down>(n, r);
      else
        make_notice::in<exited>(n, r);
      is_first = push_own_lane(c, n, r->tag);
    }
  }
  if (is_first) first_message(c);
  if (hears && !traps) end_with(r);
  if (was_listed) drop_watch(r);
}

// Out of both lists; what was told and not received yet is not received.
void take_back(watch_record* r) noexcept {
  r->is_taken_back.store(true, sync::memory_order_relaxed);  // read under the lock, or by ourselves
  cold* mine = cold_in(r->watcher);
  bool was_listed = false;
  {
    const spin_guard guard(mine->lock);
    was_listed = unlink_watching(mine, r);
  }
  if (was_listed) drop_watch(r);
  if (r->target == nullptr) return;
  cold* theirs = cold_in(r->target);
  {
    const spin_guard guard(theirs->lock);
    was_listed = unlink_watcher(theirs, r);
  }
  if (was_listed) drop_watch(r);
}

const exit_reason& no_actor() {
  static const exit_reason why(exit_kind::failed, {.what = "an empty address leads to no actor"});
  return why;
}

cell* caller(const char* what) {
  cell* c = current_cell();
  if (c == nullptr)
    throw std::logic_error(std::string("greenroom: ") + what +
                           "() was called outside of an actor or green thread");
  return c;
}

[[noreturn]] void refuse(const cell* c, const char* what, const message_type& type) {
  throw std::logic_error(std::string("greenroom: ") + name_of(c) + " does not receive `" +
                         type.name() + "`, so it cannot " + what);
}

// The caller's link to it, or null; its own list, which others shorten, under its lock.
watch_record* find_link(cell* self, const cell* target) noexcept {
  cold* mine = cold_in(self);
  if (mine == nullptr) return nullptr;
  const spin_guard guard(mine->lock);
  for (watch_record* r = mine->watching; r != nullptr; r = r->next_watching)
    if (r->kind == watch_kind::link && r->target == target) {
      add_watch(r);
      return r;
    }
  return nullptr;
}

// The other half of a link: where `self` is the one that is watched.
watch_record* find_other_half(cell* self, const cell* watcher) noexcept {
  cold* mine = cold_in(self);
  const spin_guard guard(mine->lock);
  for (watch_record* r = mine->watchers; r != nullptr; r = r->next_watcher)
    if (r->kind == watch_kind::link && r->watcher == watcher) {
      add_watch(r);
      return r;
    }
  return nullptr;
}

}  // namespace

void add_watch(watch_record* r) noexcept {
  // relaxed: the caller has a reference.
  r->references.fetch_add(1, sync::memory_order_relaxed);
}

void drop_watch(watch_record* r) noexcept {
  // acq_rel: the last owner sees all use by the others.
  if (r->references.fetch_sub(1, sync::memory_order_acq_rel) != 1) return;
  if (r->message != nullptr) free_node(r->message, notice_class);
  if (r->target != nullptr) drop_reference(r->target);
  drop_reference(r->watcher);
  delete r;
}

const char* name_in(const watch_record* r) noexcept {
  return r->target == nullptr ? "nobody" : name_of(r->target);
}
std::uint64_t id_in(const watch_record* r) noexcept {
  return r->target == nullptr ? 0 : r->target->id;
}
const exit_reason& reason_in(const watch_record* r) noexcept { return r->why; }

bool was_taken_back(node* n) noexcept {
  // relaxed: set by the receiver itself.
  return make_notice::of(n)->is_taken_back.load(sync::memory_order_relaxed);
}

watch_record* start_watch(cell* target, watch_kind kind, const message_type* type) {
  cell* self = caller("monitor");
  if (find_tag(ops_of(self), *type) < 0) refuse(self, "monitor", *type);
  watch_record* r = make_record(target, self, kind);
  if (r == nullptr || !prepare_message(r, type)) {
    if (r != nullptr) drop_watch(r);
    throw std::bad_alloc();
  }
  enter_watching(r);
  if (target == nullptr)
    tell(r, no_actor());
  else if (!enter_watchers(r))
    tell(r, exit_reason_of(target));
  return r;
}

void stop_watch(watch_record* r) noexcept { take_back(r); }

void link_actor(cell* target, const message_type* exited) {
  cell* self = caller("link");
  if (target == self) return;
  if (watch_record* r = find_link(self, target)) {
    drop_watch(r);
    return;
  }
  watch_record* r = make_record(target, self, watch_kind::link);
  watch_record* back = nullptr;
  if (target != nullptr) back = make_record(self, target, watch_kind::link);
  if (r == nullptr || (target != nullptr && back == nullptr) || !prepare_message(r, exited) ||
      (back != nullptr && !prepare_message(back, exited))) {
    if (r != nullptr) drop_watch(r);
    if (back != nullptr) drop_watch(back);
    throw std::bad_alloc();
  }
  // First what the other hears of us, for this actor does not end meanwhile.
  if (back != nullptr) {
    enter_watching(back);
    enter_watchers(back);
  }
  enter_watching(r);
  if (target == nullptr) {
    tell(r, no_actor());
  } else if (!enter_watchers(r)) {
    take_back(back);
    tell(r, exit_reason_of(target));
  }
  drop_watch(r);
  if (back != nullptr) drop_watch(back);
}

void unlink_actor(cell* target) noexcept {
  cell* self = current_cell();
  if (self == nullptr || target == nullptr || target == self) return;
  if (watch_record* r = find_link(self, target)) {
    take_back(r);
    drop_watch(r);
    if (watch_record* back = find_other_half(self, target)) {
      take_back(back);
      drop_watch(back);
    }
  }
}

void trap_exits(bool on, const message_type* exited) {
  cell* self = caller("trap_exits");
  if (on && find_tag(ops_of(self), *exited) < 0) refuse(self, "trap exits", *exited);
  cold* mine = cold_of(self);
  if (mine == nullptr) throw std::bad_alloc();
  const spin_guard guard(mine->lock);
  mine->traps = on;
}

void stop_watching(cell* c) noexcept {
  cold* mine = cold_in(c);
  if (mine == nullptr) return;
  {
    const spin_guard guard(mine->lock);
    mine->deaf = true;
  }
  for (;;) {
    watch_record* r = nullptr;
    {
      const spin_guard guard(mine->lock);
      r = mine->watching;
      if (r == nullptr) break;
      add_watch(r);
    }
    take_back(r);
    drop_watch(r);
  }
}

void hear_again(cell* c) noexcept {
  cold* mine = cold_in(c);
  if (mine == nullptr) return;
  const spin_guard guard(mine->lock);
  mine->deaf = false;
  mine->traps = false;
  mine->order = exit_kind::normal;
}

void tell_watchers(cell* c, const exit_reason& why) noexcept {
  cold* mine = cold_in(c);
  if (mine == nullptr) return;
  for (;;) {
    watch_record* r = nullptr;
    {
      const spin_guard guard(mine->lock);
      r = mine->watchers;
      if (r == nullptr) return;
      unlink_watcher(mine, r);
    }
    tell(r, why);
    drop_watch(r);  // of the list
  }
}

}  // namespace greenroom::detail
