// SPDX-License-Identifier: Apache-2.0
// The actor's cell: 64 bytes that every sender, the scheduler and the actor itself meet at, then
// the actor's own object. Cells are type-stable: recycled within their home, never unmapped, so a
// stale poke or a late weak reference reads a cell, if perhaps another actor's.
#pragma once

#include <greenroom/detail/inbox.hpp>
#include <greenroom/detail/node.hpp>
#include <greenroom/detail/task.hpp>
#include <greenroom/error.hpp>
#include <greenroom/overload.hpp>

#include <cstddef>
#include <cstdint>
#include <source_location>
#include <string_view>

namespace greenroom {

inline constexpr std::uint32_t unbounded = 0xffff'ffff;

// How an actor is started; what is left out comes from the runtime's options.
struct spawn_options {
  std::string_view name = {};  // shown in reports; default: the actor's type
  std::uint32_t capacity = 0;  // messages the mailbox holds; 0: the runtime's; or unbounded
  std::size_t stack_size = 0;  // bytes; 0: the runtime's
  // What a full mailbox does (an unbounded one is never full), who hears of what it drops, and who
  // hears that it fills.
  greenroom::overload overload = greenroom::overload::wait;
  drop_handler on_dropped = {};
  water_marks marks = {};
  // After so long without a message an object actor gets a greenroom::idle, again and again.
  duration idle = duration::max();
};

namespace detail {

struct cell;
struct cold;
struct home;
class mailbox_base;

// What the compiled core knows of an actor type.
struct actor_ops : task_ops {
  void (*body)(cell*, mailbox_base&);           // a function actor, whole
  void (*handle)(cell*, node*, mailbox_base&);  // an object actor, one message
  void (*destroy)(cell*);                       // its closure or object
  const message_type* const* types;
  std::size_t type_count;
  const char* (*type_name)();
};

struct cell : task {
  // Receiver only.
  std::uint16_t capacity;           // set before the start; 0: unbounded
  std::uint8_t credit;              // handled, not yet given back
  sync::atomic<std::uint8_t> lent;  // addresses of itself that it made, not yet in `addresses`
  // Any thread.
  inbox in;
  // Receiver only.
  node* taken;  // from the inbox, oldest first
  // Any thread; allocated on first need.
  sync::atomic<cold*> more;
  sync::atomic<std::int32_t> addresses;    // strong ones without those lent, + alive
  sync::atomic<std::uint32_t> references;  // weak ones and handles, + 1 while addresses != 0
  std::uint64_t id;                        // set before the start
};
static_assert(sizeof(void*) != 8 || sizeof(cell) == 64);

inline constexpr std::size_t payload_at = 64;
inline constexpr std::size_t payload_max = 960;  // bigger actors are boxed

inline void* payload_of(cell* c) noexcept { return reinterpret_cast<char*>(c) + payload_at; }
inline const actor_ops& ops_of(const cell* c) noexcept {
  return *static_cast<const actor_ops*>(c->ops);
}
// The receiver's tag of a message type, or -1: it does not receive it. By address, or by name where
// two shared libraries each have a record of one type.
int find_tag(const actor_ops& ops, const message_type& type) noexcept;

// ---- compiled core, all of it callable from any thread unless said otherwise

// A cell with room for the payload, not started: one address and one life are counted. Null when
// memory is out or the home does not accept.
cell* create_cell(home* where, const actor_ops* ops, std::size_t payload, const spawn_options& how);
// Its payload was constructed: object actors rest, function actors become runnable.
void start_function(cell* c);
void start_object(cell* c);
// Its payload could not be constructed.
void discard_cell(cell* c);

// Addresses are counted in two places. What an actor copies itself (it spawns a thousand children
// and gives each its address) is counted in `lent`, which costs no locked step and leaves the line
// alone that the children's messages and drops go to. settle_addresses() moves that to `addresses`;
// it is called before the actor looks whether it is orphaned, so before every rest, and at its end.
// `addresses` has `alive` added to it until the actor has ended, so until then it is never 0,
// whatever was lent and dropped; who brings it to 0 lets go of the one reference behind all that.
inline constexpr std::int32_t alive = 1 << 30;

void look_for_addresses(cell* c) noexcept;
void last_reference_gone(cell* c) noexcept;
// The caller holds an address, or is the living actor itself.
void add_address(cell* c) noexcept;
void settle_addresses(cell* c) noexcept;  // the actor itself only

inline void add_reference(cell* c) noexcept {
  // relaxed: the caller holds something that keeps it already.
  c->references.fetch_add(1, sync::memory_order_relaxed);
}
inline void drop_reference(cell* c) noexcept {
  if (c->references.fetch_sub(1, sync::memory_order_acq_rel) == 1) last_reference_gone(c);
}
// For those who hold nothing and found the cell by walking. False: it is free.
bool try_add_reference(cell* c) noexcept;
inline void drop_address(cell* c) noexcept {
  // acq_rel: what was done through any address happens before the close.
  const std::int32_t before = c->addresses.fetch_sub(1, sync::memory_order_acq_rel);
  if (before == alive + 1)
    look_for_addresses(c);
  else if (before == 1)
    drop_reference(c);
}
// Receiver only, with an empty inbox: nobody can send any more. M7: what was sent through the
// last address happened before its count fell (release), so after this the inbox must be looked
// at once more before the actor ends.
inline bool orphaned(cell* c) noexcept {
  if (c->lent.load(sync::memory_order_relaxed) != 0) settle_addresses(c);
  return c->addresses.load(sync::memory_order_acquire) == alive;
}
// An address where there may be none left; false: there is none.
bool try_add_address(cell* c) noexcept;

// Sends. A node that was not admitted is the caller's again if `keep` is set, unless it throws.
status post_slow(cell* c, node* n, std::uint32_t tag, time_point deadline, bool keep,
                 std::source_location at);
void first_message(cell* c) noexcept;  // admitted::first: make the receiver runnable

// Puts the node in, waiting for room until the deadline. Unless `keep`, a node that was not
// admitted is destroyed and counted as a dead letter.
inline status post(cell* c, node* n, std::uint32_t tag, time_point deadline, bool keep,
                   std::source_location at = std::source_location::current()) {
  const admitted how = c->in.push(n, tag, c->capacity);
  if (GREENROOM_LIKELY(how == admitted::queued)) return {};
  if (how == admitted::first) {
    first_message(c);
    return {};
  }
  return post_slow(c, n, tag, deadline, keep, at);
}
// One attempt; never parks. Keeps the node when it was not admitted.
status try_post(cell* c, node* n, std::uint32_t tag);

// With room of its own, past a full mailbox; never parks. What a closed one refuses is a dead
// letter. False: its depth can count no more, and the node is the caller's.
bool post_own_room(cell* c, node* n, std::uint32_t tag) noexcept;

// Sends the request and waits for the answer: a payload node, or an outcome (see take_answer).
std::uint64_t ask(cell* c, node* n, std::uint32_t tag, time_point deadline,
                  std::source_location at = std::source_location::current());
// Before the answer is promised, or the request is thrown away: from here on the asker does not
// wait for the actor that had it.
void note_promise(const reply_to& to) noexcept;
// Answers; null: memory was out, which is told instead. False: nobody waits for it any more; a late
// answer is freed and counted.
bool answer(const reply_to& to, node* n, const message_type* type) noexcept;
void answer_error(const reply_to& to, error why) noexcept;
// The error that an ask's outcome stands for; frees an error node.
error error_in(std::uint64_t value);
inline bool is_value(std::uint64_t value) noexcept {
  return value >= 4096 && inbox::tag_of(reinterpret_cast<node*>(value)) == 0;
}

// ---- the receiving side; only the actor itself

enum class next : std::uint8_t { message, nothing, closed };
// The next message, or null and why not. May park until the deadline; throws `cancelled`.
node* next_message(mailbox_base& box, time_point deadline, next& why);
// As it is, without waiting.
node* poll_message(mailbox_base& box, next& why);
// The next message of the types whose tags' bits are set, or null and why not; the others stay
// (L1). As next_message; throws deadlock when the mailbox is full of others for good.
inline constexpr std::uint64_t all_types = ~std::uint64_t{0};
node* select_message(mailbox_base& box, std::uint64_t wanted, time_point deadline, next& why);
void use_lanes(cell* c) noexcept;  // it has urgent types
// Before its start: gives it a message with this tag after each `idle`. False: memory is out.
bool watch_idle(cell* c, duration idle, std::uint32_t tag);
// Puts a message that was handed out aside until unstash(); null: no memory. May be ignored, as a
// send. Then all of them are the next to be handed out; how many they were.
status stash(cell* c, node* n, std::uint32_t tag);
std::size_t unstash(cell* c);
// Takes the message that stands in place out of the inbox, with what came after it.
void take_around(mailbox_base& box) noexcept;
void close_mailbox(cell* c) noexcept;
std::size_t mailbox_size(const cell* c) noexcept;
std::uint64_t dropped_by(const cell* c) noexcept;  // by its policy, so far; any thread

// The cell of the actor that runs the caller, or null.
cell* current_cell() noexcept;
home* current_home() noexcept;  // of the runtime whose worker runs the caller, or null
// Asks it to end at its next receive (object form: after this message).
void stop_actor(cell* c) noexcept;
void cancel_actor(cell* c) noexcept;
// What is to be told when it is: on the thread that stops or cancels it, under no lock; may be told
// more than once. Destroyed with the cell.
struct stop_hook {
  void (*fire)(stop_hook*) noexcept;
  void (*destroy)(stop_hook*) noexcept;
  stop_hook* older = nullptr;  // of the actor's lives before, in the same cell
};
stop_hook* find_stop_hook(const cell* c) noexcept;  // null: it has none
// The actor itself, and only once in a life. False: out of memory.
bool set_stop_hook(cell* c, stop_hook* hook) noexcept;
// It was asked to stop or cancelled. After set_stop_hook: who did that before has not told it.
bool is_stopped(const cell* c) noexcept;
// Waits until it has ended, or the deadline; how it did. Parks. REQUIRES: the caller holds a
// reference.
status join_actor(cell* c, time_point deadline = never,
                  std::source_location at = std::source_location::current());
// Before its start: it holds an address of itself until the runtime shuts down.
void keep_alive(cell* c);
// What it waits for, "" when it runs. Any thread that holds a reference; it is a moment old.
void describe_wait(const cell* c, char* text, std::size_t size) noexcept;
// The same with the place in the source, where that is known: "receive", "ask `totals` to ledger at
// report.cpp:12".
void describe_wait_and_place(const cell* c, char* text, std::size_t size) noexcept;
// The name, or the type, as reports show it.
const char* name_of(const cell* c) noexcept;

// Per-actor storage for local<T>, of the calling actor or OS thread.
struct local_slot {
  std::uint64_t key;
  void* value;
  void (*destroy)(void*);
  local_slot* next;
};
void* find_local(std::uint64_t key);  // null: it has none
// Out of memory it destroys the value and throws.
void add_local(std::uint64_t key, void* value, void (*destroy)(void*));
std::uint64_t new_local_key() noexcept;

}  // namespace detail
}  // namespace greenroom
