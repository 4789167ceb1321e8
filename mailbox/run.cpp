// SPDX-License-Identifier: Apache-2.0
// Running actors: what the scheduler calls for a cell. How an actor ends: end.cpp.
#include "end.hpp"
#include "overload.hpp"

#include <greenroom/actor.hpp>

#include <utility>

namespace greenroom::detail {

bool count_handled(cell* c) noexcept;  // receive.cpp

namespace {

constexpr std::uint32_t turn_max = 256;  // messages an object actor handles in one turn

// Runs `what`; what leaves it is the reason for the actor's end.
template <class What>
bool guarded(cell* c, exit_reason& why, What&& what) {
  try {
    what();
    return true;
  } catch (...) { why = reason_of_exception(c); }
  const home* h = home_of(c);
  const bool is_ours = why == exit_kind::killed || why == exit_kind::linked;
  if (h->failed != nullptr && !is_ours && why.is_failure() && keeper_of(c) == nullptr)
    h->failed(home_of(c), c, why.text());
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
  exit_reason why;
  mailbox_base box(c, &unanswered);
  if (guarded(c, why, [&] { ops_of(c).body(c, box); })) why = reason_without_exception(c);
  end_actor(c, unanswered, why);
}

void run_object(task* t) {
  auto* c = static_cast<cell*>(t);
  reply_to unanswered{};
  exit_reason why;
  mailbox_base box(c, &unanswered);
  turn now{c, ops_of(c), box};
  bool over = false;
  if (guarded(c, why, [&] { over = now.run(); })) {
    if (!over) return;
    why = reason_without_exception(c);
  }
  if (now.in_place != nullptr) now.take_around();
  end_actor(c, unanswered, why);
}

void refuse_cell(task* t, const char* why) {
  auto* c = static_cast<cell*>(t);
  home* h = home_of(c);
  if (h->failed != nullptr) h->failed(h, c, why);
  if (cold* more = cold_of(c)) {
    const spin_guard guard(more->lock);
    more->refused = true;
  }
  reply_to unanswered{};
  end_actor(c, unanswered, exit_reason(exit_kind::failed, {.what = why}));
}

}  // namespace greenroom::detail
