// SPDX-License-Identifier: Apache-2.0
// Supervisors: actors that start others, in order, start them again when they end, and stop them in
// reverse order. Idea and names: Erlang/OTP's supervisor.
//
//   gr::supervisor app(rt, gr::rest_for_one, {.restarts_max = 5, .within = 10s});
//   auto things = app.child("store", gr::permanent, store, "data/");
//   app.child("cache", gr::permanent, cache, things);
//   app.start();
//
// A child is described by value: a function or an object type, and what it is started with, which
// is copied for each start. It keeps its mailbox and all its addresses when it is restarted: what
// is queued is handled by its next life, or dropped, as its options say. The message that it failed
// at is a dead letter (`crashed`). When it ends for good its addresses report closed.
#pragma once

#include <greenroom/detail/supervision.hpp>
#include <greenroom/manual_clock.hpp>
#include <greenroom/pool.hpp>
#include <greenroom/runtime.hpp>

#include <utility>

namespace greenroom {

class supervisor {
 public:
  // Nothing runs yet. Throws std::invalid_argument for options that make no sense.
  explicit supervisor(runtime& rt, strategy how = one_for_one,
                      const supervisor_options& options = {});
  // In the runtime of the calling actor.
  explicit supervisor(strategy how = one_for_one, const supervisor_options& options = {})
      : node_(detail::make_node(detail::home_here(), how, options, false)) {}
  supervisor(const supervisor&) = delete;
  supervisor& operator=(const supervisor&) = delete;
  // What was moved from can be destroyed; else std::logic_error.
  supervisor(supervisor&& other) noexcept : node_(std::exchange(other.node_, nullptr)) {}
  supervisor& operator=(supervisor&&) = delete;
  // Stops the tree and waits for its end, unless it is another's child.
  ~supervisor() {
    if (node_ != nullptr) detail::abandon_node(node_);
  }

  // Adds a child, the last in the order of starts. Once the supervisor runs the child is started at
  // once, by the caller, on whose stack objects are constructed. Returns its address (a function
  // without a mailbox: its handle). Any thread. Throws std::invalid_argument for a name that is
  // taken or options that make no sense, std::bad_alloc, and greenroom::error: failed, with the
  // text of what its constructor threw; shutdown while the tree starts, and when it or the runtime
  // ends.
  template <class F, class... As>
    requires(!detail::has_messages<std::decay_t<F>>)
  auto child(const child_options& how, F&& f, As&&... as) {
    return detail::add_function(node(), how, std::forward<F>(f), std::forward<As>(as)...);
  }
  template <class F, class... As>
    requires(!detail::has_messages<std::decay_t<F>>)
  auto child(std::string_view name, restarts when, F&& f, As&&... as) {
    return child({.name = name, .restarts = when}, std::forward<F>(f), std::forward<As>(as)...);
  }
  template <detail::has_messages T, class... As>
  auto child(const child_options& how, As&&... as) {
    return detail::add_object<T>(node(), how, std::forward<As>(as)...);
  }
  template <detail::has_messages T, class... As>
  auto child(std::string_view name, restarts when, As&&... as) {
    return child<T>({.name = name, .restarts = when}, std::forward<As>(as)...);
  }
  // A supervisor with its children, as a child: it is restarted as a whole, but for those that had
  // ended for good. Its name is its own. Throws std::logic_error if it runs, or in another runtime.
  void child(restarts when, supervisor&& sub, duration stop_within = duration::max()) {
    detail::add_node(node(), sub.node(), {.restarts = when, .stop_within = stop_within});
    detail::drop_node_reference(std::exchange(sub.node_, nullptr));
  }

  // A supervisor of its own for like children, which is a child of this one: `pool.hpp`. Its name
  // is `children.name`; `all` says how often children may be restarted, all of them together.
  // Throws as child().
  template <class F>
    requires(!detail::has_messages<std::decay_t<F>>)
  greenroom::pool<std::decay_t<F>> pool(const child_options& children,
                                        const supervisor_options& all, F&& f) {
    return {detail::add_pool(node(), children, all), children, std::forward<F>(f)};
  }
  template <class F>
    requires(!detail::has_messages<std::decay_t<F>>)
  greenroom::pool<std::decay_t<F>> pool(std::string_view name, restarts when, F&& f) {
    return pool({.name = name, .restarts = when}, {}, std::forward<F>(f));
  }
  template <detail::has_messages T>
  greenroom::pool<T> pool(const child_options& children, const supervisor_options& all = {}) {
    return {detail::add_pool(node(), children, all), children};
  }
  template <detail::has_messages T>
  greenroom::pool<T> pool(std::string_view name, restarts when) {
    return pool<T>({.name = name, .restarts = when});
  }

  // The address of a child, which it keeps across restarts. Throws std::invalid_argument for a name
  // that there is not, and for messages that the child does not receive.
  template <class... Ms>
  [[nodiscard]] greenroom::address<Ms...> address(std::string_view name) const {
    static constexpr const detail::message_type* asked[] = {&detail::type_of<Ms>..., nullptr};
    std::uint8_t tags[sizeof...(Ms) + 1]{};
    detail::cell* c = detail::find_child(node(), name, asked, sizeof...(Ms), tags);
    auto own = detail::access::own<Ms...>(c, true);
    for (std::size_t i = 0; i < sizeof...(Ms); ++i) detail::access::tags_of(own)[i] = tags[i];
    return own;
  }

  // Starts the children in order; returns when all run. Parks, or blocks an OS thread. Where one
  // does not start, those before it are stopped again: failed, with a sentence that says which and
  // why. Only once.
  status start() { return detail::start_node(node()); }
  // Asks the tree to stop: its children in reverse order. Any thread; does not wait.
  void stop() noexcept {
    if (node_ != nullptr) detail::stop_node(node_);
  }
  // Waits for its end. Parks. Ok when it was stopped; failed, with the reason, when it gave up.
  status join() { return join_until(never); }
  [[nodiscard]] status join_until(time_point deadline) {
    return detail::join_node(node(), deadline);
  }
  [[nodiscard]] status join_for(duration d) { return join_until(deadline_after(d)); }

  // Children that have not ended for good.
  [[nodiscard]] std::size_t size() const noexcept {
    return node_ == nullptr ? 0 : detail::count_children(node_);
  }
  // Restarts of children so far.
  [[nodiscard]] std::uint64_t restart_count() const noexcept {
    return node_ == nullptr ? 0 : detail::count_restarts(node_);
  }

 private:
  [[nodiscard]] detail::supervisor_node* node() const { return detail::check_node(node_); }
  detail::supervisor_node* node_;
};

}  // namespace greenroom
