// SPDX-License-Identifier: Apache-2.0
// Pools: supervisors of like children, which come and go while they run, a million of them if need
// be. Idea: Erlang/OTP's simple_one_for_one supervisors.
//
//   auto rooms = app.pool("rooms", gr::transient, room);
//   auto lobby = rooms.start("lobby", 40);  // as often as wanted, from any thread
//
// A pool is a child of its supervisor. Its children are restarted one for one, each with what it
// was started with; their restarts count together. They have no names, are stopped all at once, and
// are forgotten when they end for good. A pool that is restarted itself is empty.
#pragma once

#include <greenroom/detail/supervision.hpp>

#include <expected>
#include <new>
#include <type_traits>
#include <utility>

namespace greenroom {

class supervisor;

namespace detail {

// A counted reference to a pool's node, and what its children are made by.
class pool_base {
 public:
  pool_base(supervisor_node* node, const child_options& children) noexcept
      : node_(node), how_(children) {
    how_.name = {};
  }
  pool_base(const pool_base& other) noexcept : node_(other.node_), how_(other.how_) {
    add_node_reference(node_);
  }
  pool_base& operator=(pool_base other) noexcept {
    std::swap(node_, other.node_);
    std::swap(how_, other.how_);
    return *this;
  }
  ~pool_base() { drop_node_reference(node_); }

  // Children that have not ended for good.
  [[nodiscard]] std::size_t size() const noexcept { return count_children(node_); }
  // Restarts of children so far.
  [[nodiscard]] std::uint64_t restart_count() const noexcept { return count_restarts(node_); }

  // Asks one of its children to stop, and it is not restarted, whatever its restarts are. Any
  // thread; does not wait, and nobody ends it by force: kill() does. May be ignored. Errors:
  // invalid, it is not, or no longer, a child of this pool; closed, the address is empty.
  template <class... Ms>
  status stop(const address<Ms...>& child) const {
    return end_child(node_, access::cell_of(child), false);
  }
  template <class... Ms>
  status kill(const address<Ms...>& child) const {
    return end_child(node_, access::cell_of(child), true);
  }

 protected:
  template <class Add>
  auto try_to(Add&& add) const -> std::expected<decltype(add()), error> {
    try {
      return add();
    } catch (const error& e) { return std::unexpected(e); } catch (const std::bad_alloc&) {
      return std::unexpected(error(error::no_memory));
    }
  }

  supervisor_node* node_;
  child_options how_;
};

}  // namespace detail

// By supervisor::pool. A handle: copies lead to the same pool. Not to be used when its runtime is
// gone. `Actor` is an object type, or the type of a function.
template <class Actor>
class pool : public detail::pool_base {
 public:
  // Starts a child, as supervisor::child does for one that runs: on the caller's stack. Any thread.
  // Its address (a function without a mailbox: its handle), or why there is none: `failed` with the
  // text of what its constructor threw, `shutdown` when the pool does not run, not yet or no
  // longer, or `no_memory`.
  template <class... As>
  [[nodiscard]] auto start(As&&... as) const {
    return try_to([&] {
      if constexpr (detail::has_messages<Actor>)
        return detail::add_object<Actor>(node_, how_, std::forward<As>(as)...);
      else
        return detail::add_function(node_, how_, f_, std::forward<As>(as)...);
    });
  }

 private:
  friend class supervisor;
  struct nothing {};
  using function = std::conditional_t<detail::has_messages<Actor>, nothing, Actor>;

  template <class... F>
  pool(detail::supervisor_node* node, const child_options& children, F&&... f)
      : pool_base(node, children), f_(std::forward<F>(f)...) {}

  [[no_unique_address]] function f_;
};

}  // namespace greenroom
