// SPDX-License-Identifier: Apache-2.0
// Starting actors and green threads: the typed shell. Where: runtime.hpp.
#pragma once

#include <greenroom/actor.hpp>
#include <greenroom/detail/home.hpp>

#include <cstdint>
#include <type_traits>
#include <utility>

namespace greenroom {

// A green thread without a mailbox, by its handle. Copyable; dropping it does nothing.
class green_thread {
 public:
  green_thread() noexcept = default;
  explicit green_thread(detail::cell* c) noexcept : cell_(c) {}
  // None, and why.
  explicit green_thread(error::code_type why) noexcept
      : cell_(reinterpret_cast<detail::cell*>(std::uintptr_t{why} << 1 | 1)) {}
  green_thread(const green_thread& other) noexcept : cell_(other.cell_) {
    if (*this) detail::add_reference(cell_);
  }
  green_thread(green_thread&& other) noexcept : cell_(std::exchange(other.cell_, nullptr)) {}
  green_thread& operator=(green_thread other) noexcept {
    std::swap(cell_, other.cell_);
    return *this;
  }
  ~green_thread() {
    if (*this) detail::drop_reference(cell_);
  }

  // Waits until it has ended; parks (a plain OS thread blocks). Ok, or failed with the text of
  // the exception that ended it, or cancelled, or no_memory/shutdown when it never started; or
  // deadlock: it waits, through others perhaps, for the caller. `at` is for reports of such
  // circles.
  status join(std::source_location at = std::source_location::current()) const {
    if (!*this) return why_empty();
    return detail::join_actor(cell_, never, at);
  }
  // The same, but not longer than that: timeout.
  [[nodiscard]] status join_until(time_point deadline,
                                  std::source_location at = std::source_location::current()) const {
    if (!*this) return why_empty();
    return detail::join_actor(cell_, deadline, at);
  }
  [[nodiscard]] status join_for(duration d,
                                std::source_location at = std::source_location::current()) const {
    return join_until(deadline_after(d), at);
  }
  // Ends it by unwinding at its next wait. Any thread.
  void cancel() const noexcept {
    if (*this) detail::cancel_actor(cell_);
  }
  [[nodiscard]] std::uint64_t id() const noexcept { return *this ? cell_->id : 0; }
  explicit operator bool() const noexcept {
    return cell_ != nullptr && (reinterpret_cast<std::uintptr_t>(cell_) & 1) == 0;
  }
  // REQUIRES: it is empty. no_memory or shutdown where a spawn has returned it, else shutdown.
  [[nodiscard]] error::code_type why_empty() const noexcept {
    if (cell_ == nullptr) return error::shutdown;
    return static_cast<error::code_type>(reinterpret_cast<std::uintptr_t>(cell_) >> 1);
  }

 private:
  // Or a code, in an odd number.
  detail::cell* cell_ = nullptr;
};

namespace detail {

template <class T>
concept has_messages = requires { typename T::messages; };

// Of an actor that could not be made: shutdown or no_memory.
error::code_type why_not_spawned(const home* h) noexcept;

template <class List>
struct address_for;
template <class... Ms>
struct address_for<messages<Ms...>> {
  using type = address<Ms...>;
  static type own(cell* c) noexcept { return access::own<Ms...>(c, true); }
  static type none(const home* h) noexcept { return access::none<Ms...>(why_not_spawned(h)); }
};
template <class... Ms>
struct address_for<message_list<Ms...>> {
  using type = address<Ms...>;
  static type own(cell* c) noexcept { return access::own<Ms...>(c, true); }
  static type none(const home* h) noexcept { return access::none<Ms...>(why_not_spawned(h)); }
};

// Throws for options that make no sense, naming the option and the value.
void check_options(const home* h, const spawn_options& how);
// The same for `.idle`, where it is given. `has_on_idle`: an object actor with `on(idle)`.
void check_idle(const spawn_options& how, bool has_on_idle, const char* type);
inline void check_idle_if_given(const spawn_options& how, bool has_on_idle, const char* type) {
  if (how.idle != duration::max()) check_idle(how, has_on_idle, type);
}
// The home of the caller's runtime; throws outside of one.
home* home_here();

// Arguments are copied inside as well: whatever throws, the cell is free again.
template <class Store>
void construct(cell* c, Store&& store_it) {
  try {
    store_it();
  } catch (...) {
    discard_cell(c);
    throw;
  }
}

template <class... Ms>
consteval bool check_messages(message_list<Ms...>) {
  static_assert(sizeof...(Ms) <= message_types_max, "greenroom: too many message types");
  static_assert(!one_of<idle, Ms...>,
                "greenroom: a greenroom::idle is for object actors; here receive_for does it");
  return (check_message<Ms>() && ...);
}

template <class F, class... As>
auto spawn_function(home* h, const spawn_options& how, bool detached, F&& f, As&&... as) {
  using function = std::decay_t<F>;
  check_options(h, how);
  check_idle_if_given(how, false, name_of_type<function>());
  if constexpr (is_function_actor<function>) {
    using box = std::remove_reference_t<typename first_of<function>::type>;
    using list = typename mailbox_parameter<box&>::list;
    static_assert(check_messages(list{}));
    static_assert(std::is_invocable_v<function&, box&, std::decay_t<As>...>,
                  "greenroom: this actor cannot be started with these arguments");
    if constexpr (std::is_invocable_v<function&, box&, std::decay_t<As>...>) {
      using actor = function_actor<function, list, std::decay_t<As>...>;
      cell* c = create_cell(h, &actor::ops, stored_size<actor>(), how);
      if (c == nullptr) return address_for<list>::none(h);
      construct(c, [&] {
        store<actor>(c, std::forward<F>(f),
                     std::tuple<std::decay_t<As>...>(std::forward<As>(as)...));
      });
      if (detached) keep_alive(c);
      start_function(c);
      return address_for<list>::own(c);
    } else {
      return typename address_for<list>::type{};
    }
  } else {
    static_assert(std::is_invocable_v<function&, std::decay_t<As>...>,
                  "greenroom: this function cannot be started with these arguments");
    if constexpr (std::is_invocable_v<function&, std::decay_t<As>...>) {
      using actor = green_function<function, std::decay_t<As>...>;
      cell* c = create_cell(h, &actor::ops, stored_size<actor>(), how);
      if (c == nullptr) return green_thread(why_not_spawned(h));
      construct(c, [&] {
        store<actor>(c, std::forward<F>(f),
                     std::tuple<std::decay_t<As>...>(std::forward<As>(as)...));
      });
      // Nobody has an address of it; the handle has a reference.
      c->addresses.store(alive, sync::memory_order_relaxed);
      add_reference(c);
      start_function(c);
      return green_thread(c);
    } else {
      return green_thread{};
    }
  }
}

template <class T, class... As>
auto spawn_object(home* h, const spawn_options& how, bool detached, As&&... as) {
  using list = typename T::messages;
  using actor = object_actor<T, list>;
  static_assert(std::is_constructible_v<T, As...>,
                "greenroom: this actor cannot be constructed from these arguments");
  check_options(h, how);
  check_idle_if_given(how, actor::has_idle, name_of_type<T>());
  if constexpr (actor::check() && std::is_constructible_v<T, As...>) {
    cell* c = create_cell(h, &actor::ops, stored_size<T>(), how);
    if (c == nullptr) return address_for<list>::none(h);
    construct(c, [&] { store<T>(c, std::forward<As>(as)...); });
    if constexpr (actor::has_lanes) use_lanes(c);
    if constexpr (actor::has_idle) {
      if (how.idle != duration::max() && !watch_idle(c, how.idle, actor::tag_of_idle)) {
        unstore<T>(c);
        discard_cell(c);
        return address_for<list>::none(h);
      }
    }
    if (detached) keep_alive(c);
    start_object(c);
    return address_for<list>::own(c);
  } else {
    return typename address_for<list>::type{};
  }
}

}  // namespace detail

// ---- inside an actor or green thread: in the same runtime. What they return and when they fail
// is said at runtime::spawn.

template <class F, class... As>
  requires(!detail::has_messages<std::decay_t<F>>)
auto spawn(F&& f, As&&... as) {
  return detail::spawn_function(detail::home_here(), {}, false, std::forward<F>(f),
                                std::forward<As>(as)...);
}
template <class F, class... As>
  requires(!detail::has_messages<std::decay_t<F>>)
auto spawn(spawn_options how, F&& f, As&&... as) {
  return detail::spawn_function(detail::home_here(), how, false, std::forward<F>(f),
                                std::forward<As>(as)...);
}
template <detail::has_messages T, class... As>
[[nodiscard]] auto spawn(As&&... as) {
  return detail::spawn_object<T>(detail::home_here(), {}, false, std::forward<As>(as)...);
}
template <detail::has_messages T, class... As>
[[nodiscard]] auto spawn(spawn_options how, As&&... as) {
  return detail::spawn_object<T>(detail::home_here(), how, false, std::forward<As>(as)...);
}

// An actor that lives until the runtime shuts down, whoever holds an address of it.
template <class F, class... As>
  requires(!detail::has_messages<std::decay_t<F>>)
auto spawn_detached(F&& f, As&&... as) {
  return detail::spawn_function(detail::home_here(), {}, true, std::forward<F>(f),
                                std::forward<As>(as)...);
}
template <class F, class... As>
  requires(!detail::has_messages<std::decay_t<F>>)
auto spawn_detached(spawn_options how, F&& f, As&&... as) {
  return detail::spawn_function(detail::home_here(), how, true, std::forward<F>(f),
                                std::forward<As>(as)...);
}
template <detail::has_messages T, class... As>
auto spawn_detached(As&&... as) {
  return detail::spawn_object<T>(detail::home_here(), {}, true, std::forward<As>(as)...);
}
template <detail::has_messages T, class... As>
auto spawn_detached(spawn_options how, As&&... as) {
  return detail::spawn_object<T>(detail::home_here(), how, true, std::forward<As>(as)...);
}

}  // namespace greenroom
