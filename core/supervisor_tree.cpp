// SPDX-License-Identifier: Apache-2.0
// Trees of supervisors: their nodes are made, put together, started, stopped and left. Children:
// supervisor.cpp; decisions: supervise.cpp; labels: supervisor.hpp.
#include "supervisor.hpp"

#include "options.hpp"

#include <greenroom/green_thread.hpp>
#include <greenroom/park.hpp>

#include <stdexcept>
#include <string>
#include <utility>

namespace greenroom {

supervisor::supervisor(runtime& rt, strategy how, const supervisor_options& options)
    : node_(detail::make_node(rt.home(), how, options, false)) {}

namespace detail {

namespace {

void check(const supervisor_options& o) {
  const auto bad = [](const char* what, const std::string& value) {
    throw std::invalid_argument(std::string("greenroom: supervisor_options::") + what + " " +
                                value + " makes no sense");
  };
  constexpr duration longest_delay = std::chrono::hours(24 * 366);
  constexpr unsigned restarts_most = 1'000'000;
  if (o.restarts_max > restarts_most) bad("restarts_max", std::to_string(o.restarts_max));
  if (o.within <= duration::zero()) bad("within", std::to_string(o.within.count()) + " ns");
  if (o.delay.first < duration::zero())
    bad("delay.first", std::to_string(o.delay.first.count()) + " ns");
  if (o.delay.most < o.delay.first)
    bad("delay.most", std::to_string(o.delay.most.count()) + " ns, less than delay.first,");
  if (o.delay.most > longest_delay)
    bad("delay.most", std::to_string(o.delay.most.count()) + " ns, more than a year,");
  if (o.delay.jitter > 100) bad("delay.jitter", std::to_string(o.delay.jitter) + " %");
}

green_thread thread_of(const supervisor_node& n) {
  const spin_guard guard(n.lock);
  return n.thread;
}

// The runtime shuts down: the tree stops, in reverse order.
void stop_in_shutdown(stoppable* s, time_point deadline) {
  supervisor_node& root = *static_cast<tree_in_shutdown*>(s)->root;
  stop_node(&root);
  bool runs = false;
  {
    const spin_guard guard(root.lock);
    runs = root.phase != node_phase::fresh;
    if (!runs) root.phase = node_phase::ended;
  }
  if (!runs) {
    retire_all(root);
    return;
  }
  green_thread thread = thread_of(root);
  for (; !thread && now() < deadline; thread = thread_of(root))
    yield();  // it is just being started
  (void)thread.join_until(deadline);
}

// False: the runtime shuts down.
bool enter_shutdown(supervisor_node& n) noexcept {
  n.in_shutdown.root = &n;
  n.in_shutdown.stop = stop_in_shutdown;
  n.in_shutdown.release = [](stoppable* s) noexcept {
    drop_node_reference(static_cast<tree_in_shutdown*>(s)->root);
  };
  add_node_reference(&n);
  if (add_stoppable(n.where, shutdown_phase::stop, &n.in_shutdown)) return true;
  // relaxed: the caller has one, too.
  n.references.fetch_sub(1, sync::memory_order_relaxed);
  return false;
}

void leave_shutdown(supervisor_node& n) noexcept {
  if (remove_stoppable(&n.in_shutdown)) drop_node_reference(&n);
}

}  // namespace

supervisor_node* make_node(home* h, strategy how, const supervisor_options& options, bool is_pool) {
  check(options);
  auto n = std::make_unique<supervisor_node>();
  n->where = h;
  n->how = how;
  n->name = options.name;
  n->restarts_max = options.restarts_max;
  n->within = options.within;
  n->delay = options.delay;
  n->clock = options.clock;
  n->is_pool = is_pool;
  // Not zero, where xorshift stays; and tests see the same delays each time.
  n->random = options.clock == nullptr ? random_seed() | 1 : 1;
  n->times = std::make_unique<time_point[]>(options.restarts_max);
  forget_restarts(*n);
  if (!enter_shutdown(*n))
    throw error(error::shutdown, "supervisor " + n->name + ": its runtime shuts down");
  return n.release();
}

void add_node_reference(supervisor_node* node) noexcept {
  // relaxed: the caller has one.
  node->references.fetch_add(1, sync::memory_order_relaxed);
}

void tell_ready(supervisor_node& n) noexcept {
  // relaxed: it only counts.
  if (!n.is_ready.exchange(true, sync::memory_order_relaxed)) n.ready.count_down();
}

void drop_node_reference(supervisor_node* node) noexcept {
  // acq_rel: the last owner sees all use by the others.
  if (node->references.fetch_sub(1, sync::memory_order_acq_rel) == 1) delete node;
}
// Is `n` that one, or below it?
static bool is_below(const supervisor_node* n, const supervisor_node* above) noexcept {
  while (n != above) {
    const spin_guard guard(n->lock);
    if (n->parent == nullptr) return false;
    n = n->parent->of;
  }
  return true;
}

static bool is_kept_below(const keeper* k, const void* above) noexcept {
  return k->ended == child_ended && is_below(static_cast<const child_entry*>(k)->of,
                                             static_cast<const supervisor_node*>(above));
}

static bool is_kept_by_node(const keeper* k, const void* node) noexcept {
  return k->ended == child_ended && static_cast<const child_entry*>(k)->of == node;
}

supervisor_node* check_node(supervisor_node* node) {
  if (node == nullptr) throw std::logic_error("greenroom: this supervisor was moved from");
  return node;
}

status end_child(supervisor_node* node, cell* c, bool kill) {
  if (c == nullptr) return error::closed;
  if (!is_kept(c, is_kept_by_node, node))
    return error(error::invalid,
                 std::string(name_of(c)) + " is no child of pool " + node->name + ", or was one");
  kill ? kill_for_good(c) : stop_for_good(c);
  return {};
}

void add_node(supervisor_node* to, supervisor_node* node, const child_options& how) {
  if (is_below(to, node))
    throw std::logic_error("greenroom: supervisor " + node->name + " cannot be a child of itself");
  bool is_free = false;
  {
    const spin_guard guard(node->lock);
    is_free = node->phase == node_phase::fresh && node->parent == nullptr;
  }
  if (!is_free || node->where != to->where)
    throw std::logic_error("greenroom: supervisor " + node->name + " cannot be a child of " +
                           to->name + ": it runs, or in another runtime");
  using actor = kept_green_function<supervisor_body>;
  auto* e = new stored_child<actor, supervisor_body>(duration::max(), supervisor_body{node});
  cell* c = create_cell(to->where, &actor::ops, actor::size, {.name = node->name});
  if (c == nullptr) {
    e->destroy(e);
    refuse_child(to, node->name);
  }
  leave_shutdown(*node);  // the root above is told, and tells it
  e->sub = node;
  add_node_reference(node);
  {
    const spin_guard guard(node->lock);
    node->parent = e;
  }
  child_options with_name = how;
  with_name.name = node->name;
  try {
    add_child(to, e, c, with_name);
  } catch (...) {
    bool is_child = false;
    {
      const spin_guard guard(node->lock);
      is_child = node->parent != nullptr;
    }
    if (!is_child) enter_shutdown(*node);  // a tree of its owner as before
    throw;
  }
  bool runs = false;
  {
    const spin_guard guard(to->lock);
    runs = to->phase == node_phase::running;
  }
  if (runs) node->ready.wait();
}

supervisor_node* add_pool(supervisor_node* to, const child_options& children,
                          supervisor_options options) {
  check_child_options(to->where, children);
  options.name = children.name;
  if (options.clock == nullptr) options.clock = to->clock;
  supervisor_node* node = make_node(to->where, one_for_one, options, true);
  try {
    add_node(to, node, {.restarts = permanent, .stop_within = duration::max()});
  } catch (...) {
    abandon_node(node);
    throw;
  }
  return node;
}

// ---- the whole

status start_node(supervisor_node* node) {
  {
    const spin_guard guard(node->lock);
    if (node->phase != node_phase::fresh || node->parent != nullptr)
      return error(error::invalid, "supervisor " + node->name + " was started before");
    if (node->stop_asked)
      return error(error::shutdown, "supervisor " + node->name + " was stopped before its start");
    node->phase = node_phase::starting;
  }
  green_thread thread =
      spawn_function(node->where, {.name = node->name}, false, supervisor_body{node});
  {
    const spin_guard guard(node->lock);
    node->thread = thread;
  }
  if (!thread) {
    {
      const spin_guard guard(node->lock);
      node->phase = node_phase::ended;
    }
    retire_all(*node);
    return error(error::shutdown, "supervisor " + node->name + " cannot be started: " +
                                      "its runtime shuts down, or memory is out");
  }
  node->ready.wait();
  bool runs = false;
  {
    const spin_guard guard(node->lock);
    runs = node->phase == node_phase::running;
  }
  return runs ? status() : thread.join();
}

void stop_node(supervisor_node* node) noexcept {
  wait_ticket waiter;
  {
    const spin_guard guard(node->lock);
    node->stop_asked = true;
    waiter = tell(*node);
  }
  wake_if(waiter);
}

status join_node(supervisor_node* node, time_point deadline) {
  if (!node->thread) return error(error::invalid, "supervisor " + node->name + " was not started");
  return node->thread.join_until(deadline);
}

void abandon_node(supervisor_node* node) {
  leave_shutdown(*node);
  bool is_child = false;
  {
    const spin_guard guard(node->lock);
    is_child = node->parent != nullptr;
  }
  if (const cell* self = current_cell();
      !is_child && self != nullptr && is_kept(self, is_kept_below, node)) {
    // A child of its own would wait for itself. The record stays, for the tree is using it.
    stop_node(node);
    return;
  }
  if (!is_child) {
    const shield no_cancel;
    stop_node(node);
    if (const green_thread thread = thread_of(*node))
      (void)thread.join();
    else
      retire_all(*node);
  }
  drop_node_reference(node);
}

}  // namespace detail
}  // namespace greenroom
