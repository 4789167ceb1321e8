// SPDX-License-Identifier: Apache-2.0
// Sends that do not go through at once: full mailboxes, waiting senders, circles of them.
//
// Waiting senders stand in a list in the receiver's cold record. While it is not empty the
// inbox's `waiters` bit is set, and every other send finds the mailbox full, so that nobody passes
// them (M5). The receiver admits them in order as it gives room back: it takes the first from the
// list, decides its wait (S2), and puts its message in; the sender's next message can only come
// after that.
// A wait without deadline is an edge from the sender's actor to the receiver's. A sender that
// closes a circle of edges is told so at once instead of waiting for ever (circles.cpp).
#include "circles.hpp"
#include "overload.hpp"

#include <greenroom/detail/place.hpp>

#include <cstdio>
#include <string>
#include <utility>

namespace greenroom::detail {

namespace {

constexpr std::uint64_t outcome_closed = outcome_first_free;

enum class result : std::uint8_t { sent, again, closed, timeout, cancelled, circle, no_memory };

void link(cold* more, waiting_sender& w) GREENROOM_REQUIRES(more->lock) {
  w.linked = true;
  w.next = nullptr;
  if (more->last == nullptr)
    more->first = &w;
  else
    more->last->next = &w;
  more->last = &w;
}

waiting_sender* unlink_first(cold* more) GREENROOM_REQUIRES(more->lock) {
  waiting_sender* w = more->first;
  more->first = w->next;
  if (more->first == nullptr) more->last = nullptr;
  w->linked = false;
  return w;
}

// With rules the bit may stand although nobody waits, and is there when the mailbox is full (M9).
bool may_wait(cell* c, cold* more) GREENROOM_REQUIRES(more->lock) {
  if (more->rules == nullptr) return c->in.raise_waiters(c->capacity);
  const std::uint64_t word = c->in.look();
  if ((word & inbox::closed) != 0) return false;
  return more->first != nullptr || inbox::depth_in(word) >= more->rules->capacity;
}

void lower_waiters(cell* c, cold* more) GREENROOM_REQUIRES(more->lock) {
  if (more->first != nullptr) return;
  if (more->rules != nullptr && (more->rules->always || more->rules->above)) return;
  c->in.lower(inbox::waiters);
}

admitted push_or_not(cell* c, node* n, std::uint32_t tag) {
  if (overload_rules* r = rules_of(c)) return push_by_rules(c, *r, n, tag, false);
  return c->in.push(n, tag, c->capacity);
}

}  // namespace

// Stands in line. False: there is room, or it is closed; try again.
bool stand_in_line(cell* c, cold* more, waiting_sender& w) {
  const spin_guard guard(more->lock);
  if (!may_wait(c, more)) return false;
  link(more, w);
  return true;
}

// True when w still stood in line: its message was not admitted and is the caller's again.
bool leave_line(cell* c, cold* more, waiting_sender& w) {
  const spin_guard guard(more->lock);
  if (!w.linked) return false;
  waiting_sender** at = &more->first;
  waiting_sender* before = nullptr;
  while (*at != &w) {
    before = *at;
    at = &(*at)->next;
  }
  *at = w.next;
  if (more->last == &w) more->last = before;
  w.linked = false;
  lower_waiters(c, more);
  return true;
}

// Destroys the messages, which must be done without a lock: their destructors are the user's.
static void drop_unadmitted(cell* c, node* first, error::code_type why) noexcept {
  while (first != nullptr) {
    node* n = std::exchange(first, inbox::next_of(first));
    count_dead(c, dead_letter::closed, ops_of(c).types[inbox::tag_of(n)]);
    destroy_message(c, n, why);
  }
}

static void chain(node*& first, node* n, std::uint32_t tag) noexcept {
  n->link.set(reinterpret_cast<std::uint64_t>(first) | (std::uint64_t{tag} << 48));
  first = n;
}

// Do messages come so fast that their way to another processor would take longer than they do? Then
// who waits for room goes on beside the receiver. It waits there for its turn, so with messages
// that take longer the two had better run at once.
static bool is_fast(const cell* c, cold* more) noexcept {
  constexpr std::uint32_t sample = 64;
  constexpr std::int64_t message_ns = 150;
  more->untimed += credit_max(c);  // about as many were handled since the last time
  if (more->untimed < sample) return more->fast;
  const std::int64_t t = now().time_since_epoch().count();
  more->fast = t - more->timed_at_ns < message_ns * more->untimed;
  more->timed_at_ns = t;
  more->untimed = 0;
  return more->fast;
}

// Admits those who wait, as far as there is room; what the inbox refuses is put before `refused`.
static void admit_in_order(cell* c, cold* more, node*& refused) noexcept {
  const auto wake_sender = is_fast(c, more) ? wake_bound : wake;
  const std::uint32_t capacity = capacity_of(c);
  const spin_guard guard(more->lock);
  while (more->first != nullptr) {
    if (inbox::depth_in(c->in.look()) >= capacity) return;
    waiting_sender* w = unlink_first(more);
    node* n = w->message;
    const std::uint32_t tag = w->tag;
    // Its wait may have ended by deadline or cancel; it will find itself not in line.
    if (!w->is_ask && !wake_sender(w->ticket, outcome_woken)) continue;
    // Past the capacity: a timer message may have taken the room since, and this one is promised.
    const admitted how = c->in.push(n, tag, depth_max, true);
    GREENROOM_ASSERT(how != admitted::full);
    if (how == admitted::first) first_message(c);
    if (how == admitted::closed) chain(refused, n, tag);
  }
  if (more->rules != nullptr) look_for_low(c, *more->rules);
  lower_waiters(c, more);
}

void admit_waiting(cell* c) noexcept {
  cold* more = c->more.load(sync::memory_order_acquire);
  if (more == nullptr) return;
  node* refused = nullptr;
  admit_in_order(c, more, refused);
  drop_unadmitted(c, refused, error::closed);
  if (more->rules != nullptr && more->rules->high != 0) tell_marks(more, *more->rules);
}

void fail_waiting(cell* c, error::code_type why) noexcept {
  cold* more = c->more.load(sync::memory_order_acquire);
  if (more == nullptr) return;
  node* refused = nullptr;
  {
    const spin_guard guard(more->lock);
    while (more->first != nullptr) {
      waiting_sender* w = unlink_first(more);
      if (w->is_ask)
        chain(refused, w->message, w->tag);
      else
        wake(w->ticket, outcome_closed);
    }
    lower_waiters(c, more);
  }
  drop_unadmitted(c, refused, why);
}

// Waits for room until the deadline. `text` tells a circle.
static result wait_for_room(cell* c, node* n, std::uint32_t tag, time_point deadline,
                            const std::source_location& at, std::string& text) {
  cold* more = cold_of(c);
  if (more == nullptr) return result::no_memory;
  const bool edge = deadline == never;
  // No edge until it stands in line: there may be room again.
  waiting_sender w{begin_wait(wait_on(c, wait_kind::send, tag, true), place_number(at)), n, tag,
                   false};
  if (!stand_in_line(c, more, w)) {
    if (!abandon()) park();  // a cancel was faster; the next look at the control bits finds it
    return result::again;
  }
  if (edge) {
    tell_wait(wait_on(c, wait_kind::send, tag));
    sync::fence_seq_cst();
    if (may_close(party_of(c)) && closes_circle(w.ticket, text)) {
      leave_line(c, more, w);  // or was taken from it and refused
      return result::circle;
    }
  }
  const std::uint64_t outcome = park(deadline);
  if (outcome == outcome_woken) return result::sent;
  if (outcome == outcome_closed) return result::closed;
  leave_line(c, more, w);
  return outcome == outcome_timeout ? result::timeout : result::cancelled;
}

static status not_sent(cell* c, node* n, std::uint32_t tag, bool keep, dead_letter reason,
                       error why) {
  if (!keep) {
    count_dead(c, reason, ops_of(c).types[tag]);
    destroy_message(*ops_of(c).types[tag], n, why.code());
  }
  return why;
}

// The mailbox is full, and its policy is not to wait.
static status refuse_by_rules(cell* c, overload_rules& r, node* n, std::uint32_t tag, bool keep) {
  if (keep || r.policy == overload::fail)
    return not_sent(c, n, tag, keep, dead_letter::full, error::full);
  drop_message(c, r, n, tag);
  return error::dropped;
}

status post_slow(cell* c, node* n, std::uint32_t tag, time_point deadline, bool keep,
                 std::source_location at) {
  deadline = bounded(deadline);
  for (;;) {
    switch (push_or_not(c, n, tag)) {
      case admitted::first: first_message(c); return {};
      case admitted::queued: return {};
      case admitted::closed: return not_sent(c, n, tag, keep, dead_letter::closed, error::closed);
      case admitted::full: break;
    }
    overload_rules* r = rules_of(c);
    if (r != nullptr && r->policy != overload::wait) return refuse_by_rules(c, *r, n, tag, keep);
    if (current_cell() == c) {
      char place[320];
      describe_place(place_number(at), place, sizeof place);
      char text[700];
      std::snprintf(text, sizeof text,
                    "deadlock: %s sends%s `%s` to itself and its mailbox is full (%u)", name_of(c),
                    place, message_name(c, tag), capacity_of(c));
      return not_sent(c, n, tag, keep, dead_letter::deadlock, error(error::deadlock, text));
    }
    bool told = false;
    try {
      told = report_cancel();
    } catch (...) {
      (void)not_sent(c, n, tag, false, dead_letter::cancelled, error::cancelled);
      throw;
    }
    if (told) return not_sent(c, n, tag, keep, dead_letter::cancelled, error::cancelled);
    std::string text;
    switch (wait_for_room(c, n, tag, deadline, at, text)) {
      case result::sent: return {};
      case result::again: break;
      case result::closed: return not_sent(c, n, tag, keep, dead_letter::closed, error::closed);
      case result::timeout: return not_sent(c, n, tag, keep, dead_letter::timeout, error::timeout);
      case result::cancelled: break;  // the next turn reports it
      case result::circle:
        return not_sent(c, n, tag, keep, dead_letter::deadlock,
                        text.empty() ? error(error::deadlock) : error(error::deadlock, text));
      case result::no_memory: return not_sent(c, n, tag, keep, dead_letter::full, error::no_memory);
    }
    if (deadline != never && now() >= deadline)
      return not_sent(c, n, tag, keep, dead_letter::timeout, error::timeout);
  }
}

status try_post(cell* c, node* n, std::uint32_t tag) {
  admitted how = c->in.push(n, tag, c->capacity);
  if (how == admitted::full)
    if (overload_rules* r = rules_of(c)) how = push_by_rules(c, *r, n, tag, false);
  switch (how) {
    case admitted::first: first_message(c); return {};
    case admitted::queued: return {};
    case admitted::closed: return error::closed;
    case admitted::full: break;
  }
  return error::full;
}

}  // namespace greenroom::detail
