// SPDX-License-Identifier: Apache-2.0
// Asks: the asker's own wait is the reply slot. The request carries its ticket; the answer, the
// deadline and a cancel race for it by one compare-and-swap, and the loser knows (S2). The answer
// travels in a node of its own: nobody ever writes to another's stack.
#include "circles.hpp"
#include "overload.hpp"

#include <greenroom/address.hpp>
#include <greenroom/detail/place.hpp>

#include <cstdio>
#include <new>

namespace greenroom::detail {

bool stand_in_line(cell* c, cold* more, waiting_sender& w);  // send.cpp
bool leave_line(cell* c, cold* more, waiting_sender& w);

namespace {

constexpr std::uint64_t error_tag = std::uint64_t{1} << 48;
constexpr std::uint64_t first_code = 16;

constexpr std::uint64_t outcome_of(error::code_type code) noexcept {
  return (first_code + code) << 4;
}
static_assert(outcome_of(error::shutdown) == outcome_left);

std::uint64_t refuse(cell* c, node* n, std::uint32_t tag, dead_letter reason,
                     error::code_type code) {
  count_dead(c, reason, ops_of(c).types[tag]);
  *reply_of(n) = {};  // nobody waits: the wait was taken back
  destroy_message(*ops_of(c).types[tag], n, code);
  return outcome_of(code);
}

// The mailbox was full and its policy is not to wait.
std::uint64_t refuse_by_rules(cell* c, overload_rules& r, node* n, std::uint32_t tag) {
  if (r.policy == overload::fail) return refuse(c, n, tag, dead_letter::full, error::full);
  *reply_of(n) = {};
  drop_message(c, r, n, tag);
  return outcome_of(error::dropped);
}

error asks_itself(const cell* c, std::uint32_t tag, const std::source_location& at) {
  char place[320];
  describe_place(place_number(at), place, sizeof place);
  char text[700];
  std::snprintf(text, sizeof text, "deadlock: %s asks itself `%s`%s and waits for the answer",
                name_of(c), ops_of(c).types[tag]->name(), place);
  return {error::deadlock, text};
}

// The wait was taken back, for it would have closed a circle. The request is in the mailbox, where
// it will be found expired and counted as that, or stands in line.
GREENROOM_COLD std::uint64_t fail_in_circle(cell* c, cold* more, waiting_sender& w,
                                            const std::string& text) {
  if (more != nullptr && leave_line(c, more, w))
    refuse(c, w.message, w.tag, dead_letter::deadlock, error::deadlock);
  return as_outcome(error(error::deadlock, text));
}

}  // namespace

std::uint64_t as_outcome(const error& why) {
  auto* n = allocate_node(0, 16);
  if (n == nullptr) return outcome_of(why.code());
  static_assert(sizeof(error) == 8);
  ::new (static_cast<void*>(n + 1)) error(why);
  n->link.set(error_tag);
  return reinterpret_cast<std::uint64_t>(n);
}

void drop_outcome(std::uint64_t value) noexcept {
  if (value < 4096) return;
  auto* n = reinterpret_cast<node*>(value);
  std::launder(reinterpret_cast<error*>(n + 1))->~error();
  free_node(n, 0);
}

void note_promise(const reply_to& to) noexcept {
  if (to) mark_wait(to.ticket, wait_is_loose);
}

std::uint64_t ask(cell* c, node* n, std::uint32_t tag, time_point deadline,
                  std::source_location at) {
  bool told = false;
  try {
    told = report_cancel();
  } catch (...) {
    refuse(c, n, tag, dead_letter::cancelled, error::cancelled);
    throw;
  }
  if (GREENROOM_UNLIKELY(told)) return refuse(c, n, tag, dead_letter::cancelled, error::cancelled);
  const cell* self = current_cell();
  if (GREENROOM_UNLIKELY(self == nullptr) && refuses_asks(home_of(c)))
    return refuse(c, n, tag, dead_letter::closed, error::shutdown);
  if (GREENROOM_UNLIKELY(self == c)) {
    refuse(c, n, tag, dead_letter::deadlock, error::deadlock);
    return as_outcome(asks_itself(c, tag, at));
  }
  const std::int64_t inherited = inherited_deadline();
  if (deadline.time_since_epoch().count() > inherited) deadline = time_point(duration(inherited));
  if (GREENROOM_UNLIKELY(deadline.time_since_epoch().count() < coarse_now_ns()))
    return refuse(c, n, tag, dead_letter::timeout, error::timeout);
  const wait_ticket ticket = begin_wait(wait_on(c, wait_kind::ask, tag), place_number(at));
  *reply_of(n) = {ticket, deadline.time_since_epoch().count()};
  waiting_sender w{ticket, n, tag, true};
  cold* more = nullptr;
  bool circle = false;  // it may be one: whom we ask does not rest
  for (bool again = true; again;) {
    again = false;
    admitted how = c->in.push(n, tag, c->capacity);
    overload_rules* r = nullptr;
    if (GREENROOM_UNLIKELY(how == admitted::full) && (r = rules_of(c)) != nullptr)
      how = push_by_rules(c, *r, n, tag, false);
    switch (how) {
      case admitted::first: first_message(c); break;
      case admitted::queued:
        fence_after_step();
        circle = may_close(party_of(c));
        break;
      case admitted::closed:
        if (!abandon()) park();
        return refuse(c, n, tag, dead_letter::closed, error::closed);
      case admitted::full:
        if (r != nullptr && r->policy != overload::wait) {
          if (!abandon()) park();
          return refuse_by_rules(c, *r, n, tag);
        }
        more = cold_of(c);
        if (more == nullptr) {
          if (!abandon()) park();
          return refuse(c, n, tag, dead_letter::full, error::no_memory);
        }
        again = !stand_in_line(c, more, w);
        if (!again) sync::fence_seq_cst();
        circle = !again && may_close(party_of(c));
        break;
    }
  }
  if (GREENROOM_UNLIKELY(circle)) {
    std::string text;
    if (closes_circle(ticket, text)) return fail_in_circle(c, more, w, text);
  }
  const std::uint64_t value = park(deadline);
  if (GREENROOM_UNLIKELY(more != nullptr) && leave_line(c, more, w)) {
    dead_letter reason = dead_letter::cancelled;
    if (value == outcome_timeout) reason = dead_letter::timeout;
    if (value >= 4096) reason = dead_letter::deadlock;
    refuse(c, n, tag, reason, error::timeout);
  }
  if (GREENROOM_LIKELY(value >= 4096)) return value;
  if (value == outcome_timeout) return outcome_of(error::timeout);
  if (value == outcome_cancelled) {
    report_cancel();
    return outcome_of(error::cancelled);
  }
  return value;
}

bool has_inherited_deadline() noexcept { return inherited_deadline() != INT64_MAX; }

error needs_deadline() {
  return {error::invalid,
          "a request that is gathered needs a deadline: gather_for, race_for or with_deadline"};
}

static constexpr message_type no_value{
    0, 8, false, lane_number::normal, nullptr, [] { return "void"; }};

bool answer(const reply_to& to, node* n, const message_type* type) noexcept {
  if (n == nullptr) {
    answer_error(to, error::no_memory);
    return false;
  }
  n->link.set(0);
  if (GREENROOM_LIKELY(wake(to.ticket, reinterpret_cast<std::uint64_t>(n)))) return true;
  if (cell* c = current_cell())
    count_dead(c, dead_letter::late_reply, type == nullptr ? &no_value : type);
  if (type != nullptr && type->destroy != nullptr)
    type->destroy(reinterpret_cast<char*>(n) + type->body_at);
  free_node(n, type == nullptr ? 0 : type->size_class);
  return false;
}

void answer_error(const reply_to& to, error why) noexcept {
  const std::uint64_t value = as_outcome(why);
  if (!wake(to.ticket, value)) drop_outcome(value);
}

error error_in(std::uint64_t value) {
  if (value < 4096) return static_cast<error::code_type>((value >> 4) - first_code);
  auto* n = reinterpret_cast<node*>(value);
  auto* held = std::launder(reinterpret_cast<error*>(n + 1));
  error why(std::move(*held));
  held->~error();
  free_node(n, 0);
  return why;
}

}  // namespace greenroom::detail
