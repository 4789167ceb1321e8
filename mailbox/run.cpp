// SPDX-License-Identifier: Apache-2.0
// Running actors: what the scheduler calls for a cell, and how an actor ends.
#include "overload.hpp"

#include <greenroom/actor.hpp>
#include <greenroom/green_thread.hpp>

#include <cstdlib>
#include <cxxabi.h>
#include <exception>
#include <string>
#include <typeinfo>

namespace greenroom::detail {

bool count_handled(cell* c) noexcept;  // receive.cpp

namespace {

constexpr std::uint32_t turn_max = 256;  // messages an object actor handles in one turn

void drop_messages(cell* c, node* first) {
  std::uint64_t dropped = 0;
  while (first != nullptr) {
    node* after = inbox::next_of(first);
    destroy_message(c, first, error::closed);
    ++dropped;
    first = after;
  }
  if (dropped != 0) count_dead(c, dead_letter::undelivered, dropped);
}

// The end of an actor, on its own stack: no new messages, senders that wait are told, what is
// left becomes dead letters, its destructors run, and then nobody finds it any more.
void end_actor(cell* c, reply_to& unanswered, const error* why) {
  const shield no_cancel;
  c->in.raise(inbox::closed);
  if (c->more.load(sync::memory_order_acquire) != nullptr) stop_idle(c);
  if (unanswered) {
    // `cancelled` would tell the asker that it is being cancelled itself.
    answer_error(unanswered,
                 why == nullptr || *why == error::cancelled ? error(error::closed) : *why);
    unanswered = {};
  }
  fail_waiting(c, error::closed);
  drop_messages(c, take_aside(c));
  drop_messages(c, std::exchange(c->taken, nullptr));
  const bool ruled = rules_of(c) != nullptr;
  if (GREENROOM_UNLIKELY(ruled))
    while (node* n = take_oldest(c)) drop_messages(c, n);
  drop_messages(c, c->in.take());
  if (GREENROOM_UNLIKELY(ruled)) end_marks(c);
  ops_of(c).destroy(c);
  cold* more = c->more.load(sync::memory_order_acquire);
  if (more != nullptr) {
    destroy_locals(more->locals);
    drop_messages(c, take_aside(c));  // a destructor may have stashed something
  }
  c->parked.store(nullptr, sync::memory_order_release);
  tell_joiners(c, why);
  home* h = home_of(c);
  settle_addresses(c);  // no code of the user's runs from here on
  const bool detached = (c->control.load(sync::memory_order_relaxed) & control_detached) != 0;
  const std::int32_t own = alive + (detached ? 1 : 0);
  if (c->addresses.fetch_sub(own, sync::memory_order_acq_rel) == own) drop_reference(c);
  count_ended(h);
  if (h->ended != nullptr) h->ended(h);
}

std::string readable(const std::type_info& type) {
  int rc = 0;
  char* plain = abi::__cxa_demangle(type.name(), nullptr, nullptr, &rc);
  std::string text = rc == 0 ? plain : type.name();
  std::free(plain);
  return text;
}

// Runs `what` and turns what leaves it into the error that askers get and the log shows.
template <class What>
bool guarded(cell* c, error& why, What&& what) {
  std::string text;
  try {
    what();
    return true;
  } catch (const cancelled&) {
    why = error::cancelled;
    return false;
  } catch (const error& e) {
    text = "greenroom::error: ";
    text += e.text();
  } catch (const std::exception& e) {
    text = readable(typeid(e));
    text += ": ";
    text += e.what();
  } catch (...) {
    text = "an exception of type ";
    text += readable(*abi::__cxa_current_exception_type());
  }
  why = error(error::failed, text);
  home* h = home_of(c);
  if (h->failed != nullptr) h->failed(h, c, why.text());
  return false;
}

struct turn {
  cell* c;
  const actor_ops& ops;
  mailbox_base& box;
  node* in_place = nullptr;  // handled while it still stands in the inbox

  static constexpr std::uint32_t in_order = control_aside | control_lanes | control_idle;

  bool has(std::uint32_t bits) const noexcept {
    return GREENROOM_UNLIKELY((c->control.load(sync::memory_order_relaxed) & bits) != 0);
  }
  bool slice_is_over() const noexcept {
    if (GREENROOM_LIKELY((c->control.load(sync::memory_order_relaxed) & control_slice) == 0))
      return false;
    c->control.fetch_and(~control_slice, sync::memory_order_relaxed);
    return true;
  }
  std::uint8_t size_class(const node* n) const noexcept {
    return ops.types[inbox::tag_of(n)]->size_class;
  }

  // Takes the message that was handled in place out of the inbox, with what came after it.
  void take_around() noexcept {
    node* n = std::exchange(in_place, nullptr);
    node* all = c->in.take();
    GREENROOM_ASSERT(all == n);
    c->taken = inbox::next_of(n);
    count_handled(c);
    free_node(n, size_class(n));
  }

  // Handles a message that does not simply stand first (L1, L3). False: there is none.
  GREENROOM_NOINLINE bool handle_in_order() {
    node* n = next_in_order(c);
    if (n == nullptr) return false;
    const node_memory memory{n, size_class(n)};
    ops.handle(c, n, box);
    return true;
  }

  // True: the actor is over. False: it rests or has been made runnable again; it may already
  // run elsewhere, so the cell must not be touched after that.
  bool run() {
    std::uint64_t not_in_place = inbox::closed | inbox::waiters;
    for (std::uint32_t left = turn_max; left != 0;) {
      if (has(control_stop | control_cancel | control_slice | in_order)) {
        if (has(control_stop | control_cancel)) return true;
        if (slice_is_over()) break;
        if (has(control_idle)) not_in_place = ~std::uint64_t{0};  // L4
        if (has(in_order) && handle_in_order()) {
          --left;
          continue;
        }
      }
      node* n = c->taken;
      if (n == nullptr) {
        give_credit(c);
        const std::uint64_t seen = c->in.look();
        n = inbox::node_in(seen);
        if (GREENROOM_UNLIKELY((seen & (inbox::signal | inbox::waiters)) != 0)) {
          if ((seen & inbox::signal) != 0) {
            c->in.lower(inbox::signal);
            continue;
          }
          c->taken = take_oldest(c);
          if (c->taken != nullptr) continue;
        }
        if (n == nullptr) {
          if ((seen & inbox::closed) != 0 || orphaned(c)) {
            if ((c->in.look() & inbox::node_mask) != 0) continue;  // M7
            return true;
          }
          if (c->in.rest()) return false;
          continue;
        }
        if (inbox::next_of(n) != nullptr || (seen & not_in_place) != 0 ||
            (c->capacity != 0 && c->capacity < in_place_min)) {
          c->taken = c->in.take();
          continue;
        }
        // The only one: it is handled where it stands, and one step removes it and rests.
        const std::uint8_t its_class = size_class(n);
        in_place = n;
        ops.handle(c, n, box);
        --left;
        if (!has(control_stop | control_cancel | control_aside) && !orphaned(c) &&
            c->in.rest_after(seen, c->capacity != 0)) {
          in_place = nullptr;
          free_node(n, its_class);
          return false;
        }
        take_around();
        continue;
      }
      c->taken = inbox::next_of(n);
      const bool full_credit = count_handled(c);
      const node_memory memory{n, size_class(n)};
      if (full_credit) give_credit(c);
      ops.handle(c, n, box);
      --left;
    }
    give_credit(c);
    schedule_last(home_of(c)->runs_on, c);
    return false;
  }
};

}  // namespace

void run_function(task* t) {
  auto* c = static_cast<cell*>(t);
  reply_to unanswered{};
  error why = error::closed;
  mailbox_base box(c, &unanswered);
  const bool well = guarded(c, why, [&] { ops_of(c).body(c, box); });
  end_actor(c, unanswered, well ? nullptr : &why);
}

void run_object(task* t) {
  auto* c = static_cast<cell*>(t);
  reply_to unanswered{};
  error why = error::closed;
  mailbox_base box(c, &unanswered);
  turn now{c, ops_of(c), box};
  bool over = false;
  const bool well = guarded(c, why, [&] { over = now.run(); });
  if (well && !over) return;
  if (now.in_place != nullptr) now.take_around();
  end_actor(c, unanswered, well ? nullptr : &why);
}

void refuse_cell(task* t, const char* why) {
  auto* c = static_cast<cell*>(t);
  home* h = home_of(c);
  if (h->failed != nullptr) h->failed(h, c, why);
  reply_to unanswered{};
  const error no_memory(error::no_memory, why);
  end_actor(c, unanswered, &no_memory);
}

}  // namespace greenroom::detail
