// SPDX-License-Identifier: Apache-2.0
// Supervisors: adding children, and what happens where a child ends. Decisions: supervise.cpp;
// trees: supervisor_tree.cpp; labels: supervisor.hpp.
#include "supervisor.hpp"

#include "options.hpp"

#include <greenroom/green_thread.hpp>
#include <greenroom/park.hpp>

#include <cstdio>
#include <cstring>
#include <new>
#include <stdexcept>
#include <utility>

namespace greenroom {

namespace detail {

namespace {

std::string quoted(std::string_view name) { return "`" + std::string(name) + "`"; }

[[noreturn]] void refuse(const supervisor_node& n, const std::string& what) {
  throw std::invalid_argument("greenroom: supervisor " + n.name + ": " + what);
}

const child_entry* find(const supervisor_node& n, std::string_view name)
    GREENROOM_REQUIRES(n.lock) {
  for (const child_entry* e = n.first; e != nullptr; e = e->next)
    if (name == name_of(e->actor)) return e;
  return nullptr;
}

// The cell of a child that was never started, or not taken. A supervisor stays its owner's.
void discard(child_entry* e, cell* c) noexcept {
  if (e->sub != nullptr) {
    {
      const spin_guard guard(e->sub->lock);
      e->sub->parent = nullptr;
    }
    drop_node_reference(e->sub);
  }
  finish(c, exit_kind::normal);
  drop_address(c);
  e->destroy(e);
}

}  // namespace

home* home_of(const supervisor_node* node) noexcept { return node->where; }

void refuse_child(const supervisor_node* node, std::string_view name) {
  const bool open = node->where->accepts.load(sync::memory_order_acquire) != spawns_from::nowhere;
  throw error(open ? error::no_memory : error::shutdown,
              "supervisor " + node->name + ": child " + quoted(name) + " cannot be made: " +
                  (open ? "memory is out, or its runtime takes no more from outside"
                        : "its runtime shuts down"));
}

void check_child_options(const home* h, const child_options& how) {
  if (how.stop_within < duration::zero())
    throw std::invalid_argument("greenroom: child_options::stop_within " +
                                std::to_string(how.stop_within.count()) + " ns makes no sense");
  if (!how.spawn.name.empty())
    throw std::invalid_argument("greenroom: child_options::spawn.name: a child's name is " +
                                std::string("child_options::name"));
  check_options(h, how.spawn);
}

// ---- lists and events

void append(supervisor_node& n, child_entry& e) noexcept {
  e.before = n.last;
  e.next = nullptr;
  (n.last == nullptr ? n.first : n.last->next) = &e;
  n.last = &e;
  ++n.count;
}

void unlink(supervisor_node& n, child_entry& e) noexcept {
  (e.before == nullptr ? n.first : e.before->next) = e.next;
  (e.next == nullptr ? n.last : e.next->before) = e.before;
  --n.count;
}

wait_ticket tell(supervisor_node& n) noexcept {
  n.has_news = true;  // SV3
  if (!std::exchange(n.waits, false)) return {};
  return n.waiter;
}

void push_event(supervisor_node& n, child_entry& e) noexcept {
  if (std::exchange(e.is_told, true)) return;
  e.next_event = nullptr;
  (n.last_event == nullptr ? n.first_event : n.last_event->next_event) = &e;
  n.last_event = &e;
}

void forget_restarts(supervisor_node& n) noexcept {
  const spin_guard guard(n.lock);
  for (unsigned i = 0; i < n.restarts_max; ++i) n.times[i] = time_point::min();
}

bool count_restart(supervisor_node& n, time_point t) noexcept {
  if (n.restarts_max == 0) return false;
  time_point& oldest = n.times[n.oldest];
  if (oldest != time_point::min() && t - oldest <= n.within) return false;
  oldest = t;
  n.oldest = n.oldest + 1 == n.restarts_max ? 0 : n.oldest + 1;
  ++n.restarts;
  return true;
}

bool wants_restart(const supervisor_node& n, const child_entry& e) noexcept {
  // Where nobody may be made any more, children end for good.
  if (e.is_new || is_for_good(e.actor) ||
      n.where->accepts.load(sync::memory_order_relaxed) == spawns_from::nowhere)
    return false;
  return e.restarts == permanent || (e.restarts == transient && e.why.is_failure());
}

void say_restart(supervisor_node& n, const child_entry& e, time_point t) noexcept {
  constexpr duration pause = std::chrono::seconds(1);
  unsigned unsaid = 0;
  std::uint64_t restarts = 0;
  {
    const spin_guard guard(n.lock);
    if (n.said_at != time_point{} && t - n.said_at < pause) {
      ++n.unsaid;
      return;
    }
    n.said_at = t;
    unsaid = std::exchange(n.unsaid, 0);
    restarts = n.restarts;
  }
  if (n.where->say == nullptr) return;
  char more[64] = "";
  if (unsaid != 0) std::snprintf(more, sizeof more, ", and %u more since the last line", unsaid);
  char text[512];
  std::snprintf(text, sizeof text,
                "greenroom: supervisor %s: %s ended: %s; it is started again (restart %llu%s)",
                n.name.c_str(), name_of(e.actor), e.why.text(),
                static_cast<unsigned long long>(restarts), more);
  n.where->say(n.where, home::tone::warning, text);
}

// ---- children

exit_reason start_child(supervisor_node& n, child_entry& e, bool tells) noexcept {
  exit_reason failed;
  try {
    e.construct(&e, e.actor);
  } catch (...) { failed = reason_of_exception(e.actor); }
  const bool well = failed == exit_kind::normal;
  const time_point t = now_of(n);
  cell* const c = e.actor;
  wait_ticket waiter;
  {
    const spin_guard guard(n.lock);
    const bool is_stopped = e.state == child_state::stopping;
    e.started_at = t;
    if (well) {
      e.is_new = false;
      if (!is_stopped) e.state = child_state::running;
    } else {
      e.why = failed;
      // A new one is forgotten, and does not wait for the others to start again.
      const bool decides = tells && (!is_stopped || e.is_new);
      e.state = decides ? child_state::failed : child_state::put_by;
      if (e.state == child_state::failed) push_event(n, e);
      if (tells) waiter = tell(n);
    }
  }
  if (well) revive(c);  // SV1: also where it is to stop
  wake_if(waiter);      // SV4
  return failed;
}

void retire(child_entry* e) noexcept {
  if (e->sub != nullptr) {
    retire_all(*e->sub);
    drop_node_reference(e->sub);
  }
  finish(e->actor, e->why);
  drop_address(e->actor);
  e->destroy(e);
}

void retire_all(supervisor_node& n) noexcept {
  const shield no_cancel;
  yield_in_between now_and_then;
  for (;;) {
    child_entry* e = nullptr;
    {
      const spin_guard guard(n.lock);
      n.first_event = n.last_event = nullptr;
      e = n.last;
      if (e == nullptr) return;
      unlink(n, *e);
      e->state = child_state::over;
    }
    retire(e);
    now_and_then.yield();
  }
}

void child_ended(keeper* k, cell*, const exit_reason& why) noexcept {
  auto& e = *static_cast<child_entry*>(k);
  supervisor_node& n = *e.of;
  supervisor_node* const sub = e.sub;
  if (sub != nullptr) add_node_reference(sub);
  const time_point t = now_of(n);
  enum class then : std::uint8_t { nothing, restart, remove } todo = then::nothing;
  wait_ticket waiter;
  {
    const spin_guard guard(n.lock);
    e.why = why;
    const bool again = wants_restart(n, e);
    if (e.state == child_state::stopping) {
      e.state = child_state::put_by;
    } else if (!again && n.is_pool && n.phase == node_phase::running && !e.is_told) {
      todo = then::remove;  // which is no news: nobody waits for that
      unlink(n, e);
      e.state = child_state::over;
    } else if (again && n.how == one_for_one && n.phase == node_phase::running && !n.stop_asked &&
               n.delay.first == duration::zero() && e.sub == nullptr && !e.is_told &&
               count_restart(n, t)) {
      todo = then::restart;
      e.state = child_state::starting;
    } else {
      e.state = child_state::failed;
      push_event(n, e);
    }
    if (todo == then::nothing) waiter = tell(n);
  }
  if (todo == then::restart) {
    say_restart(n, e, t);
    start_child(n, e, true);
    return;
  }
  if (sub != nullptr) {
    tell_ready(*sub);  // also where it never ran, for want of memory
    drop_node_reference(sub);
  }
  wake_if(waiter);  // SV4
  if (todo == then::remove) retire(&e);
}

void add_child(supervisor_node* node, child_entry* e, cell* c, const child_options& how) {
  supervisor_node& n = *node;
  e->ended = child_ended;
  e->keeps_messages = how.keeps_messages;
  e->of = node;
  e->actor = c;
  e->restarts = how.restarts;
  e->stop_within = how.stop_within;
  if (!put_by(c, e)) {
    discard(e, c);
    throw std::bad_alloc();
  }
  enum class trouble : std::uint8_t { none, name, over } found = trouble::none;
  bool runs = false;
  {
    const spin_guard guard(n.lock);
    runs = n.phase == node_phase::running && !n.stop_asked;
    if (!runs && (n.phase != node_phase::fresh || n.is_pool))
      found = trouble::over;
    else if (!n.is_pool && !how.name.empty() && find(n, how.name) != nullptr)
      found = trouble::name;
    else
      append(n, *e);
    if (found == trouble::none && runs) {
      e->state = child_state::starting;
      e->is_new = true;
    }
  }
  if (found != trouble::none) {
    discard(e, c);
    if (found == trouble::name) refuse(n, "there is a child " + quoted(how.name) + " already");
    throw error(error::shutdown, "supervisor " + n.name + " does not run: child " +
                                     quoted(how.name) + " is not started");
  }
  if (!runs) return;
  const std::string name = name_of(c);
  const exit_reason failed = start_child(n, *e, true);
  if (failed != exit_kind::normal)
    throw error(error::failed, "child " + quoted(name) + " did not start: " + failed.text());
}

cell* find_child(supervisor_node* node, std::string_view name, const message_type* const* types,
                 std::size_t count, std::uint8_t* tags) {
  cell* c = nullptr;
  {
    const spin_guard guard(node->lock);
    const child_entry* e = find(*node, name);
    if (e != nullptr) {
      c = e->actor;
      add_address(c);
    }
  }
  if (c == nullptr) refuse(*node, "there is no child " + quoted(name));
  for (std::size_t i = 0; i < count; ++i) {
    const int tag = find_tag(ops_of(c), *types[i]);
    if (tag < 0) {
      drop_address(c);
      refuse(*node, "child " + quoted(name) + " does not receive " + quoted(types[i]->name()));
    }
    tags[i] = static_cast<std::uint8_t>(tag);
  }
  return c;
}

std::size_t count_children(const supervisor_node* node) noexcept {
  const spin_guard guard(node->lock);
  return node->count;
}

std::uint64_t count_restarts(const supervisor_node* node) noexcept {
  const spin_guard guard(node->lock);
  return node->restarts;
}

}  // namespace detail
}  // namespace greenroom
