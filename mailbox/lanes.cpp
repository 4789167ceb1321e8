// SPDX-License-Identifier: Apache-2.0
// Messages put aside: their queues, their order, urgent ones first. See lanes.hpp (L1-L3).
#include "lanes.hpp"
#include "overload.hpp"

#include <bit>
#include <new>
#include <utility>

namespace greenroom::detail {

namespace {

constexpr std::uint64_t step_max = 0xffff;
constexpr std::uint64_t first_number = std::uint64_t{1} << 62;

constexpr std::uint64_t bit_of(std::uint32_t tag) noexcept { return std::uint64_t{1} << tag; }

void link(node* from, std::uint64_t step, node* to) noexcept {
  from->link.set((step << 48) | reinterpret_cast<std::uint64_t>(to));
}

// Between two whose numbers are too far apart: a node with the number of the later one.
struct milestone : node {
  std::uint64_t number;
};

node* make_milestone(std::uint64_t number, node* to) {
  node* n = allocate_node(0, sizeof(milestone));
  if (n == nullptr) throw std::bad_alloc();
  ::new (static_cast<void*>(n)) milestone{{}, number};
  link(n, 0, to);
  return n;
}

void join(node* from, std::uint64_t its, node* to, std::uint64_t later) {
  const std::uint64_t step = later - its;
  if (GREENROOM_LIKELY(step <= step_max))
    link(from, step, to);
  else
    link(from, 0, make_milestone(later, to));
}

// Takes the first node of the queue.
node* pop(lane_queue& q, std::uint32_t tag) noexcept {
  node* n = q.first;
  const std::uint64_t step = inbox::tag_of(n);
  node* after = inbox::next_of(n);
  n->link.set(std::uint64_t{tag} << 48);
  if (after != nullptr && step == 0) {
    auto* between = static_cast<milestone*>(after);
    q.first_number = between->number;
    after = inbox::next_of(between);
    free_node(between, 0);
  } else {
    q.first_number += step;
  }
  q.first = after;
  return n;
}

std::uint32_t oldest_of(lanes& aside, std::uint64_t among) noexcept {
  std::uint32_t best = 0;
  std::uint64_t lowest = ~std::uint64_t{0};
  for (; among != 0; among &= among - 1) {
    const auto tag = static_cast<std::uint32_t>(std::countr_zero(among));
    ++aside.looks;
    if (aside.of[tag].first_number < lowest) {
      lowest = aside.of[tag].first_number;
      best = tag;
    }
  }
  return best;
}

// A list that keeps tags.
node* put_before(node* first, node* n) noexcept {
  link(n, inbox::tag_of(n), first);
  return n;
}

// relaxed: only the actor itself reads and writes these bits while it runs.
void count_one_more(cell* c, lanes& aside, std::uint32_t tag) noexcept {
  aside.filled |= bit_of(tag);
  if (aside.count++ == 0) c->control.fetch_or(control_aside, sync::memory_order_relaxed);  // L2
}

}  // namespace

lanes* lanes_of(cell* c) noexcept {
  cold* more = cold_of(c);
  if (more == nullptr || more->aside != nullptr) return more == nullptr ? nullptr : more->aside;
  const actor_ops& ops = ops_of(c);
  auto* made = new (std::nothrow) lanes;
  auto* queues = new (std::nothrow) lane_queue[ops.type_count];
  if (made == nullptr || queues == nullptr) {
    delete made;
    delete[] queues;
    return nullptr;
  }
  made->of = queues;
  made->oldest = made->next = first_number;
  for (std::uint32_t tag = 0; tag < ops.type_count; ++tag) switch (ops.types[tag]->lane) {
      case lane_number::normal: break;
      case lane_number::urgent: made->urgent |= bit_of(tag); break;
      case lane_number::system: made->system |= bit_of(tag); break;
    }
  more->aside = made;
  return made;
}

void free_lanes(lanes* aside) noexcept {
  if (aside == nullptr) return;
  delete[] aside->of;
  delete aside;
}

void put_aside(cell* c, node* n) {
  lanes* const aside = lanes_of(c);
  if (aside == nullptr) throw std::bad_alloc();
  const std::uint32_t tag = inbox::tag_of(n);
  lane_queue& q = aside->of[tag];
  const std::uint64_t number = aside->next;
  if (q.first == nullptr) {
    q.first = n;
    q.first_number = number;
  } else {
    join(q.last, q.last_number, n, number);
  }
  q.last = n;
  q.last_number = number;
  link(n, 0, nullptr);
  ++aside->next;
  ++aside->looks;
  count_one_more(c, *aside, tag);
}

void put_back(cell* c, lanes& aside, node* n) {
  const std::uint32_t tag = inbox::tag_of(n);
  lane_queue& q = aside.of[tag];
  const std::uint64_t number = aside.oldest - 1;
  if (q.first == nullptr) {
    link(n, 0, nullptr);
    q.last = n;
    q.last_number = number;
  } else {
    join(n, number, q.first, q.first_number);
  }
  q.first = n;
  q.first_number = number;
  --aside.oldest;
  count_one_more(c, aside, tag);
}

node* pop_aside(cell* c, std::uint64_t wanted) noexcept {
  lanes* const aside = lanes_if(c);
  if (aside == nullptr) return nullptr;
  std::uint64_t among = aside->filled & wanted;
  if (among == 0) return nullptr;
  if ((among & aside->system) != 0)
    among &= aside->system;
  else if ((among & aside->urgent) != 0)
    among &= aside->urgent;
  const std::uint32_t tag = oldest_of(*aside, among);
  lane_queue& q = aside->of[tag];
  node* n = pop(q, tag);
  if (q.first == nullptr) aside->filled &= ~bit_of(tag);
  if (--aside->count == 0) {
    aside->oldest = aside->next = first_number;
    c->control.fetch_and(~std::uint32_t{control_aside}, sync::memory_order_relaxed);  // L2
  }
  return n;
}

node* pop_wanted(cell* c, std::uint64_t wanted) noexcept {
  for (;;) {
    node* n = pop_aside(c, wanted);
    if (n == nullptr || !is_system(c, inbox::tag_of(n)) || !was_taken_back(n)) return n;
    destroy_message(c, n, error::closed);
  }
}

void drop_taken_back(cell* c) {
  if ((c->control.load(sync::memory_order_relaxed) & control_lanes) == 0) return;
  lanes* const aside = lanes_of(c);
  if (aside == nullptr) throw std::bad_alloc();
  if (aside->system == 0) return;
  sort_lanes(c);
  if (node* n = pop_wanted(c, aside->system)) put_back(c, *aside, n);
}

void put_taken_aside(cell* c) {
  while (node* n = c->taken) {
    node* after = inbox::next_of(n);
    put_aside(c, n);
    c->taken = after;
  }
}

void sort_lanes(cell* c) {
  put_taken_aside(c);
  if (drops_oldest(c)) return;  // take_oldest() knows the lanes
  const node* newest = inbox::node_in(c->in.look());
  if (newest == nullptr) return;
  const lanes* aside = lanes_if(c);
  if (inbox::next_of(newest) == nullptr && !is_system(c, inbox::tag_of(newest)) &&
      (aside == nullptr || aside->count == 0))
    return;
  c->taken = c->in.take();
  put_taken_aside(c);
}

void count_received(cell* c, std::uint32_t tag) noexcept {
  if (is_system(c, tag)) return;
  lanes* const aside = lanes_if(c);
  if (aside != nullptr && aside->debt != 0)
    --aside->debt;
  else if (count_handled(c))
    give_credit(c);
}

node* next_in_order(cell* c) {
  const std::uint32_t bits = c->control.load(sync::memory_order_relaxed);
  if ((bits & control_lanes) != 0) sort_lanes(c);
  node* n = pop_wanted(c, all_types);
  if (n == nullptr && c->taken != nullptr) {
    n = c->taken;
    c->taken = inbox::next_of(n);
  }
  idle_watch* const watch =
      (bits & control_idle) != 0 ? c->more.load(sync::memory_order_acquire)->idle : nullptr;
  if (n != nullptr) {
    count_received(c, inbox::tag_of(n));
    if (watch != nullptr) note_busy(*watch);
    return n;
  }
  return watch == nullptr ? nullptr : idle_due(c, *watch);
}

node* take_aside(cell* c) noexcept {
  lanes* const aside = lanes_if(c);
  if (aside == nullptr) return nullptr;
  // A list that grows at its front, of what comes newest first: the stash, before all else, so
  // what is aside is turned around once more.
  node* newest = nullptr;
  while (node* n = pop_aside(c, all_types)) newest = put_before(newest, n);
  node* all = nullptr;
  while (node* n = newest) {
    newest = inbox::next_of(n);
    all = put_before(all, n);
  }
  while (node* n = aside->stash) {
    aside->stash = inbox::next_of(n);
    all = put_before(all, n);
  }
  aside->stashed = 0;
  aside->debt = 0;
  return all;
}

std::size_t size_aside(const cell* c) noexcept {
  const lanes* aside = lanes_if(c);
  if (aside == nullptr) return 0;
  return c->capacity == 0 ? aside->count : aside->debt;
}

void use_lanes(cell* c) noexcept { c->control.fetch_or(control_lanes, sync::memory_order_relaxed); }

}  // namespace greenroom::detail
