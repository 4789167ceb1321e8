// SPDX-License-Identifier: Apache-2.0
// Circles of waits.
//
// Everybody who waits is in one wait, so has one edge at most: the word that the wait tells. Who
// makes an edge follows those of the others; the last to make one sees them all, for each announces
// its wait, passes a full fence, and then looks.
//   M11: a wait's number is used once, so a wait found with the same number at two looks has lasted
//       through the time between. All edges of a circle have the same numbers at two looks, one
//       after the other, and so existed at once.
//   M12: a send that stands in line waits for one who alone can make room (before that, its word is
//       loose); a join for one who alone can end; a lock for one who holds the mutex at the second
//       look, and has been in one and the same wait since the first, so cannot have given it back.
//       An ask waits for one who has its request in the mailbox or in work, or will have it at
//       once, for an ask announces itself before it puts that in. Not if a promise of the answer
//       was taken (its word is marked before the handler sees the promise), nor if the request was
//       thrown away as expired, nor if the mailbox is closed or its policy is not to wait: then the
//       request may be refused, or dropped by others.
//   M13: edges with a deadline of their own are left out, save asks.
//   M14: a circle is broken under graph_mutex, by deciding one of its waits; so of two that see the
//       same circle, the second finds it broken.
// What is followed first, without a lock, are records that are never freed. Mutexes are not: one is
// read under the lock that the waiter passes through before it goes on (let_lookers_pass).
// Lock order: graph_mutex, then one of the looker locks, then a mutex's inner lock.
#include "circles.hpp"

#include "overload.hpp"

#include <greenroom/detail/place.hpp>

#include <algorithm>
#include <cstdio>
#include <mutex>
#include <new>
#include <vector>

namespace greenroom::detail {

namespace {

std::mutex graph_mutex;  // held while a circle is looked at closely, and broken

constexpr std::size_t looker_locks = 64;
struct alignas(64) looker_lock {
  spin_lock lock;
};
looker_lock lookers[looker_locks];

spin_lock& looker_lock_of(const fiber* f) noexcept {
  const auto number = reinterpret_cast<std::uintptr_t>(f) / sizeof(looker_lock);
  return lookers[(number ^ (number >> 6)) % looker_locks].lock;
}

// One edge.
struct edge {
  party from;
  fiber* on = nullptr;
  told_wait wait;
  party to;  // none: it leads nowhere that is known

  [[nodiscard]] wait_kind kind() const noexcept { return wait_kind_of(wait.word); }
  [[nodiscard]] wait_ticket ticket() const noexcept { return {on, wait.seq}; }
  [[nodiscard]] bool lasts() const noexcept {
    told_wait again;
    return look_at_wait(on, from.as_cell(), again) && again.seq == wait.seq &&
           again.word == wait.word;
  }
};

party follow(const edge& e) noexcept {
  if ((e.wait.word & wait_is_loose) != 0) return {};
  if (e.kind() != wait_kind::lock) return party_of(waits_on(e.wait.word));
  return holder_of(e.on, e.from.as_cell(), e.wait);
}

// False: that one does not wait for anybody.
bool read_edge(party from, edge& e) noexcept {
  e.from = from;
  e.on = from.as_os_thread();
  if (const cell* c = from.as_cell()) e.on = c->parked.load(sync::memory_order_acquire);
  if (e.on == nullptr || !look_at_wait(e.on, from.as_cell(), e.wait)) return false;
  e.to = follow(e);
  return static_cast<bool>(e.to);
}

// The look without a lock: its answer is a guess. It may come into a circle that the caller is not
// in (others are about to break it), so it remembers a party now and then. Idea: Brent's.
bool leads_back(party self) noexcept {
  party at = self, seen{};
  std::uint64_t steps = 0, most = 1;
  do {
    edge e;
    if (!read_edge(at, e) || e.to == seen) return false;
    at = e.to;
    if (++steps == most) {
      seen = at == self ? seen : at;
      most *= 2;
      steps = 0;
    }
  } while (at != self);
  return true;
}

// A circle, while graph_mutex is held. The cells in it are kept until it is destroyed.
class circle {
 public:
  circle() = default;
  circle(const circle&) = delete;
  circle& operator=(const circle&) = delete;
  ~circle() {
    for (cell* c : kept_) drop_reference(c);
  }

  // Both looks. False: there is none.
  bool find(party self) {
    constexpr std::size_t length_max = 1'000'000;
    party at = self;
    do {
      edge e;
      if (edges_.size() == length_max || !read_edge(at, e)) return false;
      edges_.push_back(e);
      at = e.to;
      if (!keep(at)) return false;
    } while (at != self);
    return std::all_of(edges_.begin(), edges_.end(), is_certain);
  }

  // The next ask, if there is one, else the caller's wait.
  [[nodiscard]] std::size_t to_break() const {
    for (std::size_t i = 0; i < edges_.size(); ++i)
      if (edges_[i].kind() == wait_kind::ask) return i;
    return 0;
  }
  [[nodiscard]] const edge& at(std::size_t i) const { return edges_[i]; }

  [[nodiscard]] std::string text(std::size_t first) const {
    std::string all = "deadlock: ";
    for (std::size_t i = 0; i < edges_.size(); ++i) {
      if (i != 0) all += ", ";
      append(all, edges_[(first + i) % edges_.size()]);
    }
    return all;
  }

 private:
  bool keep(party p) {
    cell* c = p.as_cell();
    if (c == nullptr) return true;
    kept_.reserve(kept_.size() + 1);
    if (!try_add_reference(c)) return false;
    kept_.push_back(c);
    return true;
  }

  // The second look (M11, M12). Their targets are kept: their rules may be read.
  static bool is_certain(const edge& e) {
    if (!e.lasts()) return false;
    if (e.kind() == wait_kind::lock) return follow(e) == e.to && e.lasts();
    if (e.kind() != wait_kind::ask) return true;
    const cell* asked = e.to.as_cell();
    const overload_rules* r = rules_of(asked);
    return (asked->in.look() & inbox::closed) == 0 && (r == nullptr || r->policy == overload::wait);
  }

  static const char* name(party p) {
    const cell* c = p.as_cell();
    return c == nullptr ? "an OS thread" : name_of(c);
  }

  static void append(std::string& all, const edge& e) {
    char place[320];
    describe_place(e.wait.place, place, sizeof place);
    all.append(name(e.from)).append(" waits").append(place);
    const char* to = name(e.to);
    if (e.kind() == wait_kind::lock) {
      all.append(" for a mutex that ").append(to).append(" holds");
      return;
    }
    if (e.kind() == wait_kind::join) {
      all.append(" for ").append(to).append(" to end");
      return;
    }
    const cell* c = e.to.as_cell();
    const char* message = message_name(c, wait_tag_of(e.wait.word));
    if (e.kind() == wait_kind::ask) {
      all.append(" for ").append(to).append(" to answer `").append(message).append("`");
    } else {
      all.append(" to send `").append(message).append("` to ").append(to);
      all.append(" (full, ").append(std::to_string(capacity_of(c))).append(")");
    }
  }

  std::vector<edge> edges_;
  std::vector<cell*> kept_;
};

// True: the caller's own wait was taken back. `woken`: it was another's, who is to be resumed.
bool break_circle(const circle& c, std::string& text, wait_ticket& woken) {
  const std::size_t i = c.to_break();
  text = c.text(i);
  if (i == 0) return abandon();
  const std::uint64_t value = as_outcome(error(error::deadlock, text));
  switch (try_claim(c.at(i).ticket(), value)) {
    case claim::lost: drop_outcome(value); break;
    case claim::won: break;
    case claim::waiting: woken = c.at(i).ticket(); break;
  }
  return false;
}

}  // namespace

party calling_party() noexcept {
  if (const cell* c = current_cell()) return party_of(c);
  return {reinterpret_cast<std::uintptr_t>(current_fiber()) | 1};
}

GREENROOM_COLD bool closes_circle(const wait_ticket& mine, std::string& text) {
  const party self = calling_party();
  if (!leads_back(self)) return false;
  try {
    circle found;
    wait_ticket woken{};
    bool broken = false;
    {
      const std::lock_guard guard(graph_mutex);
      if (still_waiting(mine) && found.find(self)) broken = break_circle(found, text, woken);
    }
    if (woken.who != nullptr) resume(woken);
    return broken;
  } catch (const std::bad_alloc&) {
    return false;  // it waits, as it would without this
  }
}

void let_lookers_pass() noexcept { const spin_guard guard(looker_lock_of(current_fiber())); }

party holder_of(const fiber* f, const task* who, const told_wait& wait) noexcept {
  const spin_guard guard(looker_lock_of(f));
  told_wait now;
  // Still undecided under the lock: it has yet to pass here, so the mutex is there.
  if (!look_at_wait(f, who, now) || now.seq != wait.seq) return {};
  return holder_of(*reinterpret_cast<mutex*>(wait.word & wait_mutex_mask));
}

}  // namespace greenroom::detail
