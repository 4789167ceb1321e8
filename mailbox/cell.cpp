// SPDX-License-Identifier: Apache-2.0
// The life of a cell: made, counted, named, closed, freed.
#include "overload.hpp"

#include <greenroom/actor.hpp>

#include <cstdio>
#include <cstring>
#include <new>
#include <pthread.h>

namespace greenroom::detail {

cell* allocate_cell(home* h, std::size_t payload) noexcept;  // cell_pool.cpp
void free_cell(cell* c) noexcept;

cold* cold_of(cell* c) noexcept {
  cold* more = c->more.load(sync::memory_order_acquire);
  if (more != nullptr) return more;
  auto* made = new (std::nothrow) cold;
  if (made == nullptr) return nullptr;
  // release: others see it constructed; seq_cst: M6, join.cpp.
  if (c->more.compare_exchange_strong(more, made, sync::memory_order_seq_cst,
                                      sync::memory_order_acquire))
    return made;
  delete made;
  return more;
}

void retire_stop_hook(cold* more) noexcept {
  // seq_cst: as set_stop_hook. Who cancels may be telling it at this moment, so it is not
  // destroyed.
  stop_hook* hook = more->on_stop.exchange(nullptr, sync::memory_order_seq_cst);
  if (hook == nullptr) return;
  hook->older = more->old_hooks;
  more->old_hooks = hook;
}

void free_cold(cold* more) noexcept {
  if (more == nullptr) return;
  // relaxed: nobody else refers to the cell any more.
  retire_stop_hook(more);
  while (stop_hook* hook = more->old_hooks) {
    more->old_hooks = hook->older;
    hook->destroy(hook);
  }
  delete[] more->name;
  delete more->rules;
  free_lanes(more->aside);
  delete more;
}

static bool wants_rules(const spawn_options& how, std::uint32_t capacity) noexcept {
  return capacity != 0 && (how.overload != overload::wait || how.marks.high != 0);
}

static bool set_name(cold* more, std::string_view name) noexcept {
  more->name = new (std::nothrow) char[name.size() + 1];
  if (more->name == nullptr) return false;
  std::memcpy(more->name, name.data(), name.size());
  more->name[name.size()] = '\0';
  return true;
}

std::uint64_t this_os_thread() noexcept { return static_cast<std::uint64_t>(::pthread_self()); }

// relaxed: only the thread itself has to see that it is the one.
GREENROOM_COLD static bool is_let_in(const home* h, spawns_from from) noexcept {
  return from == spawns_from::inside &&
         (current_home() == h || h->ended_by.load(sync::memory_order_relaxed) == this_os_thread());
}

GREENROOM_COLD bool refuses_asks(const home* h) noexcept {
  return h->accepts.load(sync::memory_order_acquire) == spawns_from::inside &&
         h->ended_by.load(sync::memory_order_relaxed) != this_os_thread();
}

cell* create_cell(home* h, const actor_ops* ops, std::size_t payload, const spawn_options& how) {
  const spawns_from from = h->accepts.load(sync::memory_order_acquire);
  if (GREENROOM_UNLIKELY(from != spawns_from::anywhere) && !is_let_in(h, from)) return nullptr;
  cell* c = allocate_cell(h, payload);
  if (c == nullptr) return nullptr;
  std::uint32_t capacity = how.capacity == 0 ? h->capacity : how.capacity;
  if (capacity == unbounded) capacity = 0;
  if (capacity > inbox::capacity_max) capacity = inbox::capacity_max;
  c->parked.store(nullptr, sync::memory_order_relaxed);
  c->control.store(0, sync::memory_order_relaxed);
  c->capacity = static_cast<std::uint16_t>(capacity);
  c->credit = 0;
  c->lent.store(0, sync::memory_order_relaxed);
  c->taken = nullptr;
  c->more.store(nullptr, sync::memory_order_relaxed);
  c->addresses.store(alive + 1, sync::memory_order_relaxed);
  const bool ruled = wants_rules(how, capacity);
  if (!how.name.empty() || how.stack_size > h->stack_size || ruled) {
    cold* more = cold_of(c);
    if (more == nullptr || (!how.name.empty() && !set_name(more, how.name)) ||
        (ruled && !make_rules(c, more, how, capacity))) {
      free_cold(more);
      c->more.store(nullptr, sync::memory_order_relaxed);
      free_cell(c);
      return nullptr;
    }
    if (how.stack_size > h->stack_size) {
      more->stack_size = how.stack_size;
      c->control.store(control_big_stack, sync::memory_order_relaxed);
    }
  }
  // From here on a walker may take a reference (try_add_reference), and only the last one frees it.
  c->references.store(1, sync::memory_order_relaxed);
  count_begun(h);
  // M16: a spawner from outside is counted, then looks again (both seq_cst); a shutdown closes,
  // then counts. One sees the other, so no actor is made that a shutdown does not wait for.
  if (GREENROOM_UNLIKELY(h->accepts.load(sync::memory_order_seq_cst) != from) &&
      !is_let_in(h, h->accepts.load(sync::memory_order_seq_cst))) {
    discard_cell(c);
    return nullptr;
  }
  c->id = new_actor_id(h->runs_on);
  // Walkers take a cell with ops for a living actor; released when all else is set.
  __atomic_store_n(&c->ops, static_cast<const task_ops*>(ops), __ATOMIC_RELEASE);
  return c;
}

// Some stand there from the beginning (make_rules); other bits are what late pokes have left.
static std::uint64_t first_bits(const cell* c) noexcept { return c->in.look() & inbox::waiters; }

void start_function(cell* c) {
  c->in.reset(first_bits(c));
  schedule(home_of(c)->runs_on, c, true);
}

void start_object(cell* c) {
  // It rests at once: an object actor costs the scheduler nothing until its first message.
  c->in.reset(first_bits(c) | inbox::idle);
}

static void recycle(cell* c) noexcept {
  free_cold(c->more.load(sync::memory_order_acquire));
  c->more.store(nullptr, sync::memory_order_relaxed);
  __atomic_store_n(&c->ops, static_cast<const task_ops*>(nullptr), __ATOMIC_RELEASE);
  c->in.reset(inbox::closed);
  free_cell(c);
}

void discard_cell(cell* c) {
  home* h = home_of(c);
  drop_reference(c);
  count_ended(h);
}

void first_message(cell* c) noexcept {
  if (ops_of(c).handle != nullptr)
    schedule(home_of(c)->runs_on, c, false);
  else if (GREENROOM_UNLIKELY((c->control.load(sync::memory_order_relaxed) & control_selects) != 0))
    tell_select(c);  // relaxed: set before the rest, whose release the clearer of idle acquired
  else
    schedule_fiber(c->parked.load(sync::memory_order_relaxed));  // M2: it parked before
}

void close_mailbox(cell* c) noexcept {
  if (c->in.raise(inbox::closed)) first_message(c);
}

// Without an address nobody can send, so the receiver ends once it is empty (orphaned()). It is
// only told to look: draining and destructors run on the actor's own turn, for a chain of a
// million actors that hold each other would overflow this stack. And the actor itself may have
// made a new address meanwhile. The actor may have ended by now, and its cell have become another
// one's: that one looks in vain, for cells stay cells (see poke_cell).
void look_for_addresses(cell* c) noexcept { poke_cell(c); }

void add_address(cell* c) noexcept {
  constexpr std::uint8_t lent_max = 255;
  if (current_cell() != c) {
    // relaxed: an address is handed on by other means, which order this before its drop.
    c->addresses.fetch_add(1, sync::memory_order_relaxed);
    return;
  }
  if (c->lent.load(sync::memory_order_relaxed) == lent_max) settle_addresses(c);
  c->lent.store(static_cast<std::uint8_t>(c->lent.load(sync::memory_order_relaxed) + 1),
                sync::memory_order_relaxed);
}

void settle_addresses(cell* c) noexcept {
  const std::uint8_t n = c->lent.load(sync::memory_order_relaxed);
  if (n == 0) return;
  c->addresses.fetch_add(n, sync::memory_order_relaxed);
  // release, and after the above: see try_add_address.
  c->lent.store(0, sync::memory_order_release);
}

bool try_add_address(cell* c) noexcept {
  for (;;) {
    // `lent` first: an actor that settles meanwhile is then counted once or twice, never not at
    // all. Twice may give an address to an actor that nobody else has one of, as it may itself.
    const std::int32_t lent = c->lent.load(sync::memory_order_acquire);
    std::int32_t n = c->addresses.load(sync::memory_order_acquire);
    const std::int32_t held = n > alive / 2 ? n - alive + lent : n;
    if (held <= 0) return false;
    if (c->addresses.compare_exchange_weak(n, n + 1, sync::memory_order_relaxed)) return true;
  }
}

bool try_add_reference(cell* c) noexcept {
  std::uint32_t n = c->references.load(sync::memory_order_relaxed);
  // acquire: what was written before the cell was started, or dropped, is seen.
  while (n != 0)
    if (c->references.compare_exchange_weak(n, n + 1, sync::memory_order_acquire,
                                            sync::memory_order_relaxed))
      return true;
  return false;
}

void last_reference_gone(cell* c) noexcept { recycle(c); }

std::size_t mailbox_size(const cell* c) noexcept {
  if (c->capacity != 0) {
    const std::uint32_t admitted = inbox::depth_in(c->in.look());
    const std::uint32_t handled = c->credit;
    return (admitted > handled ? admitted - handled : 0) + size_aside(c);
  }
  // Unbounded: no depth is kept, so they are counted. Only the receiver removes nodes (M1).
  std::size_t n = size_aside(c);
  for (const node* at = c->taken; at != nullptr; at = inbox::next_of(at)) ++n;
  for (const node* at = inbox::node_in(c->in.look()); at != nullptr; at = inbox::next_of(at)) ++n;
  return n;
}

cell* current_cell() noexcept { return static_cast<cell*>(current_task()); }

home* current_home() noexcept {
  cell* c = current_cell();
  return c == nullptr ? nullptr : home_of(c);
}

void keep_alive(cell* c) {
  add_address(c);
  // No read-modify-write: it was not started yet, so nobody else sets bits.
  c->control.store(c->control.load(sync::memory_order_relaxed) | control_detached,
                   sync::memory_order_relaxed);
}

// The control bit was set before, the actor sets the hook and then looks at the bit; all are
// sequentially consistent, so one of the two sees the other. It is told before its wait ends, so a
// callback that lives as long as the wait hears of it. Who walks the cells has no reference.
static void tell_stop(cell* c) noexcept {
  if (!try_add_reference(c)) return;
  const cold* more = c->more.load(sync::memory_order_seq_cst);
  stop_hook* hook = more == nullptr ? nullptr : more->on_stop.load(sync::memory_order_seq_cst);
  if (hook != nullptr) hook->fire(hook);
  drop_reference(c);
}

void stop_actor(cell* c) noexcept {
  c->control.fetch_or(control_stop, sync::memory_order_seq_cst);
  tell_stop(c);
  poke_cell(c);
}

void cancel_actor(cell* c) noexcept {
  c->control.fetch_or(control_cancel, sync::memory_order_seq_cst);
  tell_stop(c);
  cancel(c);
}

stop_hook* find_stop_hook(const cell* c) noexcept {
  const cold* more = c->more.load(sync::memory_order_acquire);
  return more == nullptr ? nullptr : more->on_stop.load(sync::memory_order_acquire);
}

bool set_stop_hook(cell* c, stop_hook* hook) noexcept {
  cold* more = cold_of(c);
  if (more == nullptr) return false;
  more->on_stop.store(hook, sync::memory_order_seq_cst);
  return true;
}

bool is_stopped(const cell* c) noexcept {
  return (c->control.load(sync::memory_order_seq_cst) & (control_stop | control_cancel)) != 0;
}

// Any cell that ever was: only the word is touched, unless it shows a receiver at rest, which is
// then the caller's to make runnable (M2) and cannot end before that.
void poke_cell(task* t) {
  auto* c = static_cast<cell*>(t);
  if (c->in.raise(inbox::signal)) first_message(c);
}

int find_tag(const actor_ops& ops, const message_type& type) noexcept {
  for (std::size_t at = 0; at < ops.type_count; ++at)
    if (ops.types[at] == &type) return static_cast<int>(at);
  for (std::size_t at = 0; at < ops.type_count; ++at)
    if (std::strcmp(ops.types[at]->name(), type.name()) == 0) return static_cast<int>(at);
  return -1;
}

const char* name_of(const cell* c) noexcept {
  const cold* more = c->more.load(sync::memory_order_acquire);
  if (more != nullptr && more->name != nullptr) return more->name;
  const auto* ops = static_cast<const actor_ops*>(__atomic_load_n(&c->ops, __ATOMIC_ACQUIRE));
  return ops == nullptr ? "(ended)" : ops->type_name();
}

std::size_t stack_size_of_cell(const task* t) {
  return static_cast<const cell*>(t)->more.load(sync::memory_order_acquire)->stack_size;
}

void describe_cell(const task* t, char* name, std::size_t size, std::uint64_t& id) {
  const auto* c = static_cast<const cell*>(t);
  const char* from = name_of(c);
  std::size_t n = 0;
  while (n + 1 < size && from[n] != '\0') {
    name[n] = from[n];
    ++n;
  }
  name[n] = '\0';
  id = c->id;
}

bool identify_cell(task* t, char* name, std::size_t size, std::uint64_t& id) {
  auto* c = static_cast<cell*>(t);
  if (!try_add_reference(c)) return false;
  // acquire: all else was set before.
  const bool lives = __atomic_load_n(&c->ops, __ATOMIC_ACQUIRE) != nullptr;
  if (lives) describe_cell(c, name, size, id);
  drop_reference(c);
  return lives;
}

// ---- locals

// Never used twice: a local at the place of a dead one must not find its values.
std::uint64_t new_local_key() noexcept {
  static sync::atomic<std::uint64_t> last{0};
  return last.fetch_add(1, sync::memory_order_relaxed) + 1;
}

// The newest first.
static local_slot*& first_local() {
  struct of_thread {
    local_slot* first = nullptr;
    ~of_thread() { destroy_locals(first); }
  };
  if (cell* c = current_cell()) {
    cold* more = cold_of(c);
    if (more == nullptr) throw std::bad_alloc();
    return more->locals;
  }
  static thread_local of_thread here;  // a foreign OS thread: it does not migrate
  return here.first;
}

void* find_local(std::uint64_t key) {
  for (const local_slot* s = first_local(); s != nullptr; s = s->next)
    if (s->key == key) return s->value;
  return nullptr;
}

void add_local(std::uint64_t key, void* value, void (*destroy)(void*)) {
  local_slot*& first = first_local();
  auto* made = new (std::nothrow) local_slot{key, value, destroy, first};
  if (made == nullptr) {
    destroy(value);
    throw std::bad_alloc();
  }
  first = made;
}

// A destructor finds those that are older, and may make others, which go next.
void destroy_locals(local_slot*& first) {
  while (local_slot* s = first) {
    first = s->next;
    s->destroy(s->value);
    delete s;
  }
}

// ---- messages that nobody handles

void destroy_message(const message_type& type, node* n, error::code_type why) noexcept {
  if (type.is_request && *reply_of(n)) answer_error(*reply_of(n), why);
  if (type.destroy != nullptr) type.destroy(reinterpret_cast<char*>(n) + type.body_at);
  free_node(n, type.size_class);
}

void destroy_message(const cell* c, node* n, error::code_type why) noexcept {
  destroy_message(*ops_of(c).types[inbox::tag_of(n)], n, why);
}

}  // namespace greenroom::detail
