// SPDX-License-Identifier: Apache-2.0
// Channels: a ring of words, a line of senders, a line of receivers, one lock. The invariants H1 to
// H3 stand in detail/channel_core.hpp.
//
// Rejected: a ring without locks. Select, close, timeouts and first come first served need one step
// that looks at both lines and the ring.
#include "channel_pace.hpp"

#include <greenroom/detail/biased_lock.hpp>
#include <greenroom/detail/channel_core.hpp>
#include <greenroom/detail/scheduler_access.hpp>

#include <algorithm>
#include <bit>
#include <new>
#include <utility>

namespace greenroom::detail {

namespace {

constexpr wait_reason sending{"send to a channel"};
constexpr wait_reason receiving{"receive from a channel"};
constexpr std::uint32_t first_room_max = 16;  // words; a ring grows by doubling from there

// Who was served and stays parked until the lock was let go.
struct served {
  wait_ticket who;
  bool beside = false;  // goes on beside its waker
};

}  // namespace

class alignas(64) channel_core {
 public:
  channel_core(std::uint32_t capacity_, void (*destroy_)(std::uint64_t)) noexcept
      : capacity(capacity_), destroy(destroy_) {}
  channel_core(const channel_core&) = delete;
  channel_core& operator=(const channel_core&) = delete;
  ~channel_core() { delete[] ring; }

  // The first line of the cache is what every step looks at.
  biased_lock lock;
  sync::atomic<std::uint32_t> count{0};  // values in the ring
  const std::uint32_t capacity;
  // Under the lock.
  std::uint32_t passed GREENROOM_GUARDED_BY(lock) = 0;  // values, since the pace was judged
  std::uint32_t head GREENROOM_GUARDED_BY(lock) = 0;
  std::uint64_t* ring = nullptr;                      // guarded by lock, too
  std::uint32_t room GREENROOM_GUARDED_BY(lock) = 0;  // of the ring, a power of two or 0
  // relaxed wherever they are read or written under the lock; looked at without it to find out
  // that there is nothing to try, by an acquire that pairs with the release of a writer.
  sync::atomic<bool> no_senders{false};
  sync::atomic<bool> no_receivers{false};
  bool beside GREENROOM_GUARDED_BY(lock) = false;  // who is woken goes on beside its waker
  wait_line receivers_waiting GREENROOM_GUARDED_BY(lock);
  wait_line senders_waiting GREENROOM_GUARDED_BY(lock);
  wait_line ends_waiting GREENROOM_GUARDED_BY(lock);  // those who wait for the end alone
  channel_pace pace GREENROOM_GUARDED_BY(lock);
  // Any thread.
  void (*const destroy)(std::uint64_t word);
  sync::atomic<std::uint32_t> senders{1};
  sync::atomic<std::uint32_t> receivers{1};
  sync::atomic<std::uint32_t> sides{2};

  [[nodiscard]] std::uint32_t values() const noexcept GREENROOM_REQUIRES(lock) {
    return count.load(sync::memory_order_relaxed);
  }
  void set_values(std::uint32_t n) noexcept GREENROOM_REQUIRES(lock) {
    count.store(n, sync::memory_order_release);
  }
  bool grow() noexcept GREENROOM_REQUIRES(lock) {
    const std::uint32_t wanted =
        room == 0 ? std::bit_ceil(std::min(capacity, first_room_max)) : room * 2;
    auto* wider = wanted == 0 ? nullptr : new (std::nothrow) std::uint64_t[wanted];
    if (wider == nullptr) return false;
    for (std::uint32_t i = 0; i < values(); ++i) wider[i] = ring[(head + i) & (room - 1)];
    delete[] std::exchange(ring, wider);
    head = 0;
    room = wanted;
    return true;
  }
  // REQUIRES: there is room in the ring.
  void append(std::uint64_t word) noexcept GREENROOM_REQUIRES(lock) {
    ring[(head + values()) & (room - 1)] = word;
    set_values(values() + 1);
  }
  GREENROOM_COLD void judge_pace() noexcept GREENROOM_REQUIRES(lock) {
    beside = pace.judge_sample(now().time_since_epoch().count(), passed);
    passed = 0;
  }
  bool way_of_wakers() noexcept GREENROOM_REQUIRES(lock) {
    if (GREENROOM_UNLIKELY(passed >= channel_pace::sample_values)) judge_pace();
    return beside;
  }
  // The first in line whose wait this decides, with what `serve` writes into its record before.
  // Who stays parked until then is left in `parked`.
  template <class Serve>
  bool serve_first(wait_line& line, served& parked, Serve&& serve) noexcept
      GREENROOM_REQUIRES(lock) {
    while (line_waiter* first = line.take()) {
      auto* w = static_cast<channel_waiter*>(first);
      const wait_ticket ticket = w->ticket;
      const std::uint64_t word = w->word;
      serve(*w);
      w->how = flow::done;
      const claim how = try_claim(ticket, w->value);
      if (how == claim::lost) {  // it will leave the line and find itself out of it
        w->word = word;
        w->how = flow::not_now;
        continue;
      }
      if (how == claim::waiting) parked = {ticket, way_of_wakers()};
      return true;
    }
    return false;
  }

  // Inlined into the two places that send, as take() into those that receive (2 ns of 18).
  __attribute__((always_inline)) flow put(std::uint64_t word, served& parked) noexcept
      GREENROOM_REQUIRES(lock) {
    if (GREENROOM_UNLIKELY(no_receivers.load(sync::memory_order_relaxed))) return flow::closed;
    if (!receivers_waiting.empty() &&
        serve_first(receivers_waiting, parked, [&](channel_waiter& w) { w.word = word; })) {
      ++passed;
      return flow::done;
    }
    if (values() >= capacity) return flow::not_now;
    if (GREENROOM_UNLIKELY(values() == room) && !grow()) return flow::no_memory;
    append(word);
    ++passed;
    return flow::done;
  }

  __attribute__((always_inline)) flow take(std::uint64_t& word, served& parked) noexcept
      GREENROOM_REQUIRES(lock) {
    std::uint64_t next = 0;
    const auto collect = [&](const channel_waiter& w) { next = w.word; };
    if (values() != 0) {
      word = ring[head];
      head = (head + 1) & (room - 1);
      set_values(values() - 1);
      if (!senders_waiting.empty() && serve_first(senders_waiting, parked, collect)) {
        append(next);
        ++passed;
      }
      return flow::done;
    }
    if (!senders_waiting.empty() && serve_first(senders_waiting, parked, collect)) {
      word = next;
      ++passed;
      return flow::done;
    }
    return no_senders.load(sync::memory_order_relaxed) ? flow::closed : flow::not_now;
  }

  [[nodiscard]] bool drained() const noexcept GREENROOM_REQUIRES(lock) {
    return no_senders.load(sync::memory_order_relaxed) && values() == 0;
  }
  void decide_all(wait_line& line, flow how, to_resume& parked) noexcept GREENROOM_REQUIRES(lock) {
    while (line_waiter* first = line.take()) {
      static_cast<channel_waiter*>(first)->how = how;
      parked.decide(*first);
    }
  }
};

namespace {

inline void resume_one(const served& parked) {
  if (parked.who.who == nullptr) return;
  if (parked.beside)
    resume_bound(parked.who);
  else
    resume(parked.who);
}

void side_gone(channel_core* c) noexcept {
  // acq_rel: the last sees all that the other side did.
  if (c->sides.fetch_sub(1, sync::memory_order_acq_rel) == 1) delete c;
}

// Somebody who waits for the end has something to look at.
void tell_end(channel_core* c) noexcept {
  to_resume parked;
  {
    const biased_guard guard(c->lock);
    if (!c->drained()) return;
    c->decide_all(c->ends_waiting, flow::closed, parked);
  }
  parked.resume_all();
}

// What a wait came to.
status outcome_of(channel_core* c, wait_line& line, channel_waiter& w, std::uint64_t outcome) {
  if (outcome == outcome_woken) {
    if (w.how == flow::done) return {};
    return error::closed;
  }
  {
    const biased_guard guard(c->lock);
    if (w.linked) line.remove(w);
  }
  if (outcome == outcome_timeout) return error::timeout;
  report_cancel();
  return error::cancelled;
}

}  // namespace

channel_core* make_channel(std::uint32_t capacity, void (*destroy)(std::uint64_t word)) noexcept {
  return new (std::nothrow) channel_core(capacity, destroy);
}

// relaxed: the caller has an end of that kind already.
void add_sender(channel_core* c) noexcept { c->senders.fetch_add(1, sync::memory_order_relaxed); }
void add_receiver(channel_core* c) noexcept {
  c->receivers.fetch_add(1, sync::memory_order_relaxed);
}

void drop_sender(channel_core* c) noexcept {
  // acq_rel: what was sent through any end happens before the close.
  if (c->senders.fetch_sub(1, sync::memory_order_acq_rel) != 1) return;
  to_resume parked;
  {
    const biased_guard guard(c->lock);
    c->no_senders.store(true, sync::memory_order_release);
    c->decide_all(c->receivers_waiting, flow::closed, parked);
    if (c->drained()) c->decide_all(c->ends_waiting, flow::closed, parked);
  }
  parked.resume_all();
  side_gone(c);
}

void drop_receiver(channel_core* c) noexcept {
  if (c->receivers.fetch_sub(1, sync::memory_order_acq_rel) != 1) return;
  to_resume parked;
  std::uint64_t* left = nullptr;
  std::uint32_t head = 0, room = 0, n = 0;
  {
    const biased_guard guard(c->lock);
    c->no_receivers.store(true, sync::memory_order_release);
    c->decide_all(c->senders_waiting, flow::closed, parked);
    c->decide_all(c->ends_waiting, flow::closed, parked);
    left = std::exchange(c->ring, nullptr);
    head = c->head;
    n = c->values();
    room = std::exchange(c->room, 0);
    c->set_values(0);
  }
  parked.resume_all();
  if (c->destroy != nullptr)
    for (std::uint32_t i = 0; i < n; ++i) c->destroy(left[(head + i) & (room - 1)]);
  delete[] left;
  side_gone(c);
}

flow channel_try_send(channel_core* c, std::uint64_t word) noexcept {
  // acquire: pairs with the release that made it full. A rendezvous depends on who waits.
  if (c->capacity != 0 && c->count.load(sync::memory_order_acquire) >= c->capacity &&
      !c->no_receivers.load(sync::memory_order_acquire))
    return flow::not_now;
  served parked;
  flow how;
  {
    const biased_guard guard(c->lock);
    how = c->put(word, parked);
  }
  resume_one(parked);
  return how;
}

flow channel_try_receive(channel_core* c, std::uint64_t& word) noexcept {
  // acquire: pairs with the release that emptied it.
  if (c->capacity != 0 && c->count.load(sync::memory_order_acquire) == 0 &&
      !c->no_senders.load(sync::memory_order_acquire))
    return flow::not_now;
  served parked;
  flow how;
  bool ends = false;
  {
    const biased_guard guard(c->lock);
    how = c->take(word, parked);
    ends = !c->ends_waiting.empty();
  }
  resume_one(parked);
  if (GREENROOM_UNLIKELY(ends)) tell_end(c);
  return how;
}

status channel_send(channel_core* c, std::uint64_t word, time_point deadline) {
  channel_waiter w;
  {
    served parked;
    flow how;
    {
      const biased_guard guard(c->lock);
      how = c->put(word, parked);
      if (how == flow::not_now && GREENROOM_UNLIKELY(forked())) how = flow::closed;
      if (how == flow::not_now) {
        w.word = word;
        w.ticket = begin_wait(sending);
        c->senders_waiting.add(w);
      }
    }
    if (how != flow::not_now) {
      resume_one(parked);
      if (GREENROOM_LIKELY(how == flow::done)) return {};
      return how == flow::closed ? error::closed : error::no_memory;
    }
  }
  return outcome_of(c, c->senders_waiting, w, park(deadline));
}

status channel_receive(channel_core* c, std::uint64_t& word, time_point deadline) {
  channel_waiter w;
  {
    served parked;
    flow how;
    bool ends = false;
    {
      const biased_guard guard(c->lock);
      how = c->take(word, parked);
      ends = !c->ends_waiting.empty();
      if (how == flow::not_now && GREENROOM_UNLIKELY(forked())) how = flow::closed;
      if (how == flow::not_now) {
        w.ticket = begin_wait(receiving);
        c->receivers_waiting.add(w);
      }
    }
    if (how != flow::not_now) {
      resume_one(parked);
      if (GREENROOM_UNLIKELY(ends)) tell_end(c);
      if (GREENROOM_LIKELY(how == flow::done)) return {};
      return error::closed;
    }
  }
  status s = outcome_of(c, c->receivers_waiting, w, park(deadline));
  word = w.word;
  return s;
}

bool channel_next(channel_core* c, std::uint64_t& word) {
  const status s = channel_receive(c, word, never);
  if (GREENROOM_LIKELY(s.ok())) return true;
  if (s.error() != error::closed) throw_if_cancelled();
  return false;
}

std::size_t channel_size(const channel_core* c) noexcept {
  return c->count.load(sync::memory_order_acquire);
}
std::uint32_t channel_capacity(const channel_core* c) noexcept { return c->capacity; }
bool channel_closed_for_senders(const channel_core* c) noexcept {
  return c->no_receivers.load(sync::memory_order_acquire);
}
bool channel_drained(const channel_core* c) noexcept {
  // In this order: once the senders are gone, the count only falls.
  return c->no_senders.load(sync::memory_order_acquire) &&
         c->count.load(sync::memory_order_acquire) == 0;
}

// ---- cases of a select

namespace {

// Does somebody else wait there, whose wait is not decided yet?
bool has_partner(const wait_line& line, const wait_ticket& mine) noexcept {
  for (const line_waiter* w = line.first(); w != nullptr; w = w->next)
    if (w->ticket.who != mine.who && still_waiting(w->ticket)) return true;
  return false;
}

}  // namespace

bool channel_may_take(channel_core* c) noexcept {
  const biased_guard guard(c->lock);
  return c->no_receivers.load(sync::memory_order_relaxed) || c->values() < c->capacity ||
         !c->receivers_waiting.empty();
}

bool channel_line_up(channel_core* c, channel_waiter& w, bool to_send) noexcept {
  const biased_guard guard(c->lock);
  if (to_send) {
    if (c->no_receivers.load(sync::memory_order_relaxed) || c->values() < c->capacity ||
        has_partner(c->receivers_waiting, w.ticket))
      return false;
    c->senders_waiting.add(w);
  } else {
    if (c->no_senders.load(sync::memory_order_relaxed) || c->values() != 0 ||
        has_partner(c->senders_waiting, w.ticket))
      return false;
    c->receivers_waiting.add(w);
  }
  return true;
}

void channel_step_back(channel_core* c, channel_waiter& w, bool to_send) noexcept {
  const biased_guard guard(c->lock);
  if (w.linked) (to_send ? c->senders_waiting : c->receivers_waiting).remove(w);
}

bool channel_line_up_for_end(channel_core* c, channel_waiter& w, bool senders) noexcept {
  const biased_guard guard(c->lock);
  if (senders ? c->no_receivers.load(sync::memory_order_relaxed) : c->drained()) return false;
  c->ends_waiting.add(w);
  return true;
}

void channel_step_back_from_end(channel_core* c, channel_waiter& w) noexcept {
  const biased_guard guard(c->lock);
  if (w.linked) c->ends_waiting.remove(w);
}

}  // namespace greenroom::detail
