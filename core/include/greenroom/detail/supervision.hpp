// SPDX-License-Identifier: Apache-2.0
// What the typed shell of supervisors (supervisor.hpp, pool.hpp) and their compiled core share.
#pragma once

#include <greenroom/detail/keeper.hpp>
#include <greenroom/detail/spin_lock.hpp>
#include <greenroom/spawn.hpp>

#include <cstdint>
#include <string_view>
#include <tuple>
#include <utility>

namespace greenroom {

class manual_clock;

// What the end of one child means for the others. Erlang's names.
enum class strategy : std::uint8_t {
  one_for_one,   // it alone is restarted
  one_for_all,   // all others are stopped, and all are started again
  rest_for_one,  // those that were started after it are stopped and started again with it
};
inline constexpr strategy one_for_one = strategy::one_for_one;
inline constexpr strategy one_for_all = strategy::one_for_all;
inline constexpr strategy rest_for_one = strategy::rest_for_one;

// Which ends of a child are answered by a restart.
enum class restarts : std::uint8_t {
  permanent,  // all
  transient,  // failures: not when it ends normally or is stopped
  temporary,  // none
};
inline constexpr restarts permanent = restarts::permanent;
inline constexpr restarts transient = restarts::transient;
inline constexpr restarts temporary = restarts::temporary;

// How long a supervisor waits before it restarts a child: `first`, then twice that for each further
// restart in a row, `most` at most; each time less by up to `jitter` percent, chosen at random, so
// that those who failed together do not come back together. In a row: it had not run for as long as
// a minute, or ten times `most` if that is longer.
struct restart_delay {
  duration first = duration::zero();  // zero: at once
  duration most = std::chrono::seconds(30);
  unsigned jitter = 50;
};

struct supervisor_options {
  std::string_view name = "supervisor";
  // More restarts than this within that time, and the supervisor gives up: it stops its children
  // and ends with a failure, which is its own supervisor's, or the host's, to answer.
  unsigned restarts_max = 3;
  duration within = std::chrono::seconds(5);
  restart_delay delay = {};
  // Where the time comes from; null: the runtime's clock. For tests.
  manual_clock* clock = nullptr;
};

struct child_options {
  std::string_view name = {};
  greenroom::restarts restarts = greenroom::permanent;
  // It is asked to stop; if it has not ended after so long, it is killed. Zero: killed at once.
  // What has no mailbox cannot be asked.
  duration stop_within = std::chrono::seconds(5);
  // What is queued when it ends is for its next life; false: dead letters.
  bool keeps_messages = true;
  // As for spawn; its name is the child's.
  spawn_options spawn = {};
};

namespace detail {

struct supervisor_node;

enum class child_state : std::uint8_t {
  put_by,    // not started yet, or stopped to be started again
  starting,  // its object is being made
  running,
  stopping,  // told to
  failed,    // it ended by itself: the supervisor decides
  delayed,   // to be started when it is due
  over,      // for good; its cell is given back
};

// Made by the shell; fields are the core's (supervisor.cpp).
struct child_entry : keeper {
  // Constructs its object in the cell, which may throw. Deletes the entry.
  void (*construct)(child_entry*, cell*) = nullptr;
  void (*destroy)(child_entry*) noexcept = nullptr;
  // Set when it is added.
  supervisor_node* of = nullptr;
  supervisor_node* sub = nullptr;  // it is a supervisor itself; a reference
  cell* actor = nullptr;           // an address of it, until it is over
  duration stop_within{};
  greenroom::restarts restarts = greenroom::permanent;
  // The node's lock.
  child_state state = child_state::put_by;
  bool is_ready = false;  // a supervisor: its children run
  bool is_new = false;    // added while its node runs, and not started yet
  bool is_told = false;   // it stands in the list of events
  unsigned in_a_row = 0;
  time_point started_at{};
  time_point due{};
  exit_reason why;
  child_entry* next = nullptr;  // in the order of starts
  child_entry* before = nullptr;
  child_entry* next_event = nullptr;
};

home* home_of(const supervisor_node* node) noexcept;
// No cell could be made.
[[noreturn]] void refuse_child(const supervisor_node* node, std::string_view name);
// Takes the entry over, with a cell that was created and not started. Before the node's start it is
// put by; while it runs, the child is started here, on the caller's stack. Throws
// std::invalid_argument for a name that is taken, std::bad_alloc, and error: failed, where its
// constructor threw, or shutdown; entry and cell are gone then, or will be.
void add_child(supervisor_node* node, child_entry* e, cell* c, const child_options& how);

supervisor_node* make_node(home* h, strategy how, const supervisor_options& options, bool is_pool);
// Throws std::logic_error where it is null: of a supervisor that was moved from.
supervisor_node* check_node(supervisor_node* node);
void add_node_reference(supervisor_node* node) noexcept;
void drop_node_reference(supervisor_node* node) noexcept;
// A new node for a pool of like children, as a child of another; a reference. The children's
// options, with the pool's name. Throws as add_node.
supervisor_node* add_pool(supervisor_node* to, const child_options& children,
                          supervisor_options options);
// As a child of another, which gets a reference of its own. Throws std::logic_error if it runs, and
// as add_child. Where that throws before the child was started, the caller owns it as before.
void add_node(supervisor_node* to, supervisor_node* node, const child_options& how);
status start_node(supervisor_node* node);
void stop_node(supervisor_node* node) noexcept;
status join_node(supervisor_node* node, time_point deadline);
// Its owner goes: an orderly stop, awaited; then the reference.
void abandon_node(supervisor_node* node);
// The cell of a child of that name, an address of it, and the tags of these types; throws
// std::invalid_argument.
cell* find_child(supervisor_node* node, std::string_view name, const message_type* const* types,
                 std::size_t count, std::uint8_t* tags);
std::size_t count_children(const supervisor_node* node) noexcept;
std::uint64_t count_restarts(const supervisor_node* node) noexcept;

// Of a pool: for good. Errors: closed (an empty address), invalid (it is none of its children).
status end_child(supervisor_node* node, cell* c, bool kill);

void check_child_options(const home* h, const child_options& how);

// What is kept to make a child again: the actor, and copies of what it is started with.
template <class Actor, class... As>
struct stored_child final : child_entry {
  std::tuple<As...> given;
  duration idle;

  template <class... Us>
  explicit stored_child(duration d, Us&&... us) : given(std::forward<Us>(us)...), idle(d) {
    construct = make;
    destroy = [](child_entry* e) noexcept { delete static_cast<stored_child*>(e); };
  }
  static void make(child_entry* e, cell* c) {
    auto& self = static_cast<stored_child&>(*e);
    std::apply([c](const As&... as) { Actor::construct(c, as...); }, self.given);
    if constexpr (Actor::has_idle) {
      if (self.idle == duration::max() || watch_idle(c, self.idle, Actor::tag_of_idle)) return;
      Actor::ops.destroy(c);
      throw std::bad_alloc();
    }
  }
};

template <class F, class List, class... As>
struct kept_function : function_actor<F, List, As...> {
  using base = function_actor<F, List, As...>;
  static constexpr bool has_idle = false;
  static constexpr std::size_t size = stored_size<base>();
  static void construct(cell* c, const F& f, const As&... as) {
    store<base>(c, f, std::tuple<As...>(as...));
  }
};
template <class F, class... As>
struct kept_green_function : green_function<F, As...> {
  using base = green_function<F, As...>;
  static constexpr bool has_idle = false;
  static constexpr std::size_t size = stored_size<base>();
  static void construct(cell* c, const F& f, const As&... as) {
    store<base>(c, f, std::tuple<As...>(as...));
  }
};
template <class T, class List>
struct kept_object : object_actor<T, List> {
  using base = object_actor<T, List>;
  static constexpr std::size_t size = stored_size<T>();
  template <class... As>
  static void construct(cell* c, const As&... as) {
    store<T>(c, as...);
    if constexpr (base::has_lanes) use_lanes(c);
  }
};

template <class... As>
consteval bool check_copies() {
  static_assert((std::is_copy_constructible_v<std::decay_t<As>> && ...),
                "greenroom: what a child is started with is copied for each start");
  return (std::is_copy_constructible_v<std::decay_t<As>> && ...);
}

// Returns an address of the child, which is the caller's.
template <class Actor, class... As>
cell* keep_child(supervisor_node* node, const child_options& how, As&&... as) {
  home* h = home_of(node);
  check_child_options(h, how);
  spawn_options options = how.spawn;
  options.name = how.name;
  auto* e = new stored_child<Actor, std::decay_t<As>...>(options.idle, std::forward<As>(as)...);
  cell* c = create_cell(h, &Actor::ops, Actor::size, options);
  if (c == nullptr) {
    e->destroy(e);
    refuse_child(node, how.name);
  }
  add_address(c);
  try {
    add_child(node, e, c, how);
  } catch (...) {
    drop_address(c);
    throw;
  }
  return c;
}

template <class F, class... As>
auto add_function(supervisor_node* node, const child_options& how, F&& f, As&&... as) {
  using function = std::decay_t<F>;
  check_idle_if_given(how.spawn, false, name_of_type<function>());
  if constexpr (is_function_actor<function>) {
    using box = std::remove_reference_t<typename first_of<function>::type>;
    using list = typename mailbox_parameter<box&>::list;
    static_assert(check_messages(list{}));
    static_assert(std::is_invocable_v<function&, box&, std::decay_t<As>...>,
                  "greenroom: this actor cannot be started with these arguments");
    if constexpr (check_copies<F, As...>() &&
                  std::is_invocable_v<function&, box&, std::decay_t<As>...>) {
      using actor = kept_function<function, list, std::decay_t<As>...>;
      return address_for<list>::own(
          keep_child<actor>(node, how, std::forward<F>(f), std::forward<As>(as)...));
    } else {
      return typename address_for<list>::type{};
    }
  } else {
    static_assert(std::is_invocable_v<function&, std::decay_t<As>...>,
                  "greenroom: this function cannot be started with these arguments");
    if constexpr (check_copies<F, As...>() && std::is_invocable_v<function&, std::decay_t<As>...>) {
      using actor = kept_green_function<function, std::decay_t<As>...>;
      cell* c = keep_child<actor>(node, how, std::forward<F>(f), std::forward<As>(as)...);
      add_reference(c);
      drop_address(c);
      return green_thread(c);
    } else {
      return green_thread{};
    }
  }
}

template <class T, class... As>
auto add_object(supervisor_node* node, const child_options& how, As&&... as) {
  using list = typename T::messages;
  using actor = kept_object<T, list>;
  static_assert(std::is_constructible_v<T, const std::decay_t<As>&...>,
                "greenroom: this actor cannot be constructed from these arguments");
  check_idle_if_given(how.spawn, actor::has_idle, name_of_type<T>());
  if constexpr (actor::check() && check_copies<As...>() &&
                std::is_constructible_v<T, const std::decay_t<As>&...>) {
    return address_for<list>::own(keep_child<actor>(node, how, std::forward<As>(as)...));
  } else {
    return typename address_for<list>::type{};
  }
}

}  // namespace detail
}  // namespace greenroom
