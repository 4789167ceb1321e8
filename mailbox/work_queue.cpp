// SPDX-License-Identifier: Apache-2.0
// moodycamel's queue between two numbers of permits: room and items. K1 to K4 stand in README.md.
//
// Rejected: counting what is on its way into the queue, for close(), in a word of its own: the room
// that is not there counts it already (K3).
#include <greenroom/work_queue.hpp>

#include "waiting.hpp"

#include <greenroom/detail/cell.hpp>
#include <greenroom/detail/permits.hpp>

#include <concurrentqueue/concurrentqueue.h>

#include <new>
#include <sched.h>
#include <stdexcept>

namespace greenroom::detail {

namespace {

constexpr wait_reason sending{"send to a work queue"};
constexpr wait_reason receiving{"receive from a work queue"};

using queue = moodycamel::ConcurrentQueue<std::uint64_t>;

}  // namespace

struct alignas(64) work_core {
  work_core(std::uint32_t capacity_, void (*destroy_)(std::uint64_t))
      : capacity(capacity_),
        destroy(destroy_),
        room_at_first(capacity_ == unbounded ? permits_max : capacity_),
        room(room_at_first) {}
  work_core(const work_core&) = delete;
  work_core& operator=(const work_core&) = delete;
  ~work_core() { destroy_all(); }

  void destroy_all() noexcept {
    std::uint64_t word = 0;
    while (words.try_dequeue(word))
      if (destroy != nullptr) destroy(word);
  }

  const std::uint32_t capacity;
  void (*const destroy)(std::uint64_t word);  // null: they need none
  const std::int64_t room_at_first;
  queue words;
  alignas(64) permits room;
  alignas(64) permits items{0};
  alignas(64) sync::atomic<std::uint32_t> producers{0};
  sync::atomic<std::uint32_t> consumers{0};
  sync::atomic<std::uint32_t> ends{0};

  void drop_end() noexcept {
    // acq_rel: the last one sees all use by the others before it frees.
    if (ends.fetch_sub(1, sync::memory_order_acq_rel) == 1) delete this;
  }
};

// Its token may be used by one thread at a time; who finds it busy does without.
struct alignas(64) work_producer {
  explicit work_producer(work_core* c) : core(c), token(c->words) {}
  work_core* core;
  moodycamel::ProducerToken token;
  sync::atomic<bool> busy{false};
};
struct alignas(64) work_consumer {
  explicit work_consumer(work_core* c) : core(c), token(c->words) {}
  work_core* core;
  moodycamel::ConsumerToken token;
  sync::atomic<bool> busy{false};
};

namespace {

// REQUIRES: its room was taken (K1).
bool put_in(work_producer* p, std::uint64_t word) noexcept {
  queue& words = p->core->words;
  try {
    if (p->busy.exchange(true, sync::memory_order_acquire)) return words.enqueue(word);
    const bool done = p->token.valid() ? words.enqueue(p->token, word) : words.enqueue(word);
    p->busy.store(false, sync::memory_order_release);
    return done;
  } catch (...) {  // it says that memory is out in both ways
    return false;
  }
}

// REQUIRES: an item was promised (K2).
std::uint64_t take_out(work_consumer* q) noexcept {
  constexpr int looks_max = 64;
  queue& words = q->core->words;
  std::uint64_t word = 0;
  const bool alone = !q->busy.exchange(true, sync::memory_order_acquire);
  for (int looks = 0; !(alone ? words.try_dequeue(q->token, word) : words.try_dequeue(word));
       ++looks) {
    if (looks < looks_max)
      sync::relax();
    else
      sched_yield();  // another consumer lost its core in the middle of a step
  }
  if (alone) q->busy.store(false, sync::memory_order_release);
  return word;
}

// K3: nothing is in it or on its way, and nothing more will come.
void look_for_end(work_core* c, const permits::state& room) noexcept {
  if (GREENROOM_UNLIKELY(room.closed) && room.count == c->room_at_first) c->items.close();
}

status finish_send(work_producer* p, std::uint64_t word) noexcept {
  work_core* c = p->core;
  if (GREENROOM_UNLIKELY(!put_in(p, word))) {
    look_for_end(c, c->room.give(1));
    return error::no_memory;
  }
  c->items.give(1);  // K2
  return {};
}

status finish_receive(work_consumer* q, std::uint64_t& word) noexcept {
  word = take_out(q);
  look_for_end(q->core, q->core->room.give(1));
  return {};
}

// Waits in the line of one of the two. Yes: taken; closed: refused; not_now: see `outcome`.
permits::taken wait_for_one(permits& of, const wait_reason& why, time_point deadline,
                            std::uint64_t& outcome) {
  permit_waiter w;
  permits::taken at_once = permits::taken::not_now;
  outcome = wait_in_line(
      why, w, deadline,
      [&](line_waiter&) {
        at_once = of.take_or_enlist(w);
        return at_once == permits::taken::not_now;
      },
      [&](line_waiter&) { of.leave(w); });
  if (at_once != permits::taken::not_now) return at_once;
  if (outcome != w.value) return permits::taken::not_now;
  return w.refused ? permits::taken::closed : permits::taken::yes;
}

status take_one(permits& of, const wait_reason& why, time_point deadline) {
  permits::taken how = of.try_take(1);
  while (GREENROOM_UNLIKELY(how == permits::taken::not_now)) {
    if (report_cancel()) return error::cancelled;
    std::uint64_t outcome = 0;
    how = wait_for_one(of, why, deadline, outcome);
    if (how == permits::taken::not_now && outcome == outcome_timeout) return error::timeout;
  }
  return how == permits::taken::yes ? status() : status(error::closed);
}

template <class End>
End* add_end(work_core* c, sync::atomic<std::uint32_t>& count) {
  auto* end = new End(c);
  // relaxed: who adds one has the queue from somebody who is counted, or alone.
  count.fetch_add(1, sync::memory_order_relaxed);
  c->ends.fetch_add(1, sync::memory_order_relaxed);
  return end;
}

}  // namespace

work_producer* make_work_queue(std::uint32_t capacity, void (*destroy)(std::uint64_t)) {
  if (capacity == 0)
    throw std::invalid_argument(
        "greenroom: work_queue with a capacity of 0: it must be at least 1, or unbounded");
  auto* c = new work_core(capacity, destroy);
  try {
    return add_end<work_producer>(c, c->producers);
  } catch (...) {
    delete c;
    throw;
  }
}

work_consumer* add_consumer(work_core* c) { return add_end<work_consumer>(c, c->consumers); }
work_producer* copy_end(const work_producer* p) {
  return add_end<work_producer>(p->core, p->core->producers);
}
work_consumer* copy_end(const work_consumer* q) { return add_consumer(q->core); }
work_core* core_of(const work_producer* p) noexcept { return p->core; }
work_core* core_of(const work_consumer* q) noexcept { return q->core; }

void drop_end(work_producer* p) noexcept {
  work_core* c = p->core;
  delete p;
  // acq_rel: what the others sent comes before the close.
  if (c->producers.fetch_sub(1, sync::memory_order_acq_rel) == 1) work_close(c);
  c->drop_end();
}

void drop_end(work_consumer* q) noexcept {
  work_core* c = q->core;
  delete q;
  if (c->consumers.fetch_sub(1, sync::memory_order_acq_rel) == 1) {
    work_close(c);
    c->destroy_all();  // what is still on its way in is destroyed with the queue
  }
  c->drop_end();
}

status work_send(work_producer* p, std::uint64_t word, time_point deadline) {
  const status room = take_one(p->core->room, sending, deadline);
  return GREENROOM_LIKELY(room.ok()) ? finish_send(p, word) : room;
}

status work_try_send(work_producer* p, std::uint64_t word) noexcept {
  switch (p->core->room.try_take(1)) {
    case permits::taken::yes: return finish_send(p, word);
    case permits::taken::closed: return error::closed;
    case permits::taken::not_now: break;
  }
  return error::full;
}

status work_receive(work_consumer* q, std::uint64_t& word, time_point deadline) {
  const status item = take_one(q->core->items, receiving, deadline);
  return GREENROOM_LIKELY(item.ok()) ? finish_receive(q, word) : item;
}

status work_try_receive(work_consumer* q, std::uint64_t& word) noexcept {
  switch (q->core->items.try_take(1)) {
    case permits::taken::yes: return finish_receive(q, word);
    case permits::taken::closed: return error::closed;
    case permits::taken::not_now: break;
  }
  return error::empty;
}

bool work_enlist(work_consumer* q, permit_waiter& w) noexcept { return q->core->items.enlist(w); }
void work_leave(work_consumer* q, permit_waiter& w) noexcept { q->core->items.leave(w); }
bool work_served(work_consumer* q, const permit_waiter& w, std::uint64_t& word) noexcept {
  return !w.refused && finish_receive(q, word).ok();
}

void work_close(work_core* c) noexcept { look_for_end(c, c->room.close()); }

std::size_t work_size(const work_core* c) noexcept {
  return static_cast<std::size_t>(c->room_at_first - c->room.look().count);
}

std::uint32_t work_capacity(const work_core* c) noexcept { return c->capacity; }

}  // namespace greenroom::detail
