// SPDX-License-Identifier: Apache-2.0
// Structured concurrency: green threads that end before the block that made them does. The one
// invariant for users: what lies on the owner's stack before the scope outlives its children.
#pragma once

#include <greenroom/deadline.hpp>
#include <greenroom/green_thread.hpp>
#include <greenroom/spawn.hpp>

#include <exception>
#include <utility>

namespace greenroom {

class runtime;

namespace detail {

class scope_core;

// A child's tie to its scope. It stands in the child's closure, before all that is the user's, so
// it is the last of that to be destroyed: then the child has ended for its scope (C5).
class child_link {
 public:
  child_link(scope_core& in, const limits& given) noexcept;
  child_link(child_link&& other) noexcept
      : scope_(std::exchange(other.scope_, nullptr)), given_(other.given_) {}
  child_link& operator=(child_link&&) = delete;
  ~child_link() {
    if (scope_ != nullptr) leave();
  }

  // The child's body runs now. False: it must not, for the scope is cancelled.
  bool begin() noexcept;
  // In the handler of what left the body. False: it is not what the scope will report.
  bool failed() noexcept;
  void late() noexcept;
  // There is no child: it could not be made.
  void disown() noexcept;
  [[nodiscard]] const limits& given() const noexcept { return given_; }

 private:
  friend class scope_core;
  void leave() noexcept;
  void unlink() noexcept;

  scope_core* scope_;
  limits given_;
  bool begun_ = false;
  // Under the scope's lock, while the child runs.
  cell* who_ = nullptr;
  child_link* next_ = nullptr;
  child_link** at_ = nullptr;
};

// What goes when the scope does, after its children.
struct scope_attachment {
  scope_attachment* next = nullptr;
  void (*destroy)(scope_attachment*) noexcept = nullptr;
};

// The part without types.
class scope_core {
 public:
  // How an owner waits: until a cancel or a deadline, a cancel only, or the end.
  enum class wait_mode : std::uint8_t { bounded, cancellable, to_the_end };

  explicit scope_core(home* h);  // null: that of the caller
  ~scope_core();
  scope_core(const scope_core&) = delete;
  scope_core& operator=(const scope_core&) = delete;

  [[nodiscard]] home* where() const noexcept { return home_; }
  // Waits for all children. True: a cancel or a deadline came first, so they were cancelled.
  bool wait(wait_mode how) noexcept;
  // The same, then throws what is to be thrown.
  void join();
  void check_owner() const;
  // For a gather: what failed is thrown, what came late is not.
  void join_all();
  void end(bool unwinds);
  void cancel() noexcept;
  // Failures from now on are those of losers.
  void decide() noexcept;
  void refused();
  void attach(scope_attachment* a) noexcept;
  [[nodiscard]] std::size_t size() const noexcept;
  [[nodiscard]] bool was_cancelled() const noexcept;
  bool gathers = false;  // a child that is late does not end the others

 private:
  friend class child_link;
  bool keep(std::exception_ptr failure) noexcept;
  void rethrow_failure();

  home* const home_;
  cell* const owner_;
  scope_attachment* attachments_ = nullptr;  // owner only
  mutable spin_lock lock_;
  std::size_t count_ GREENROOM_GUARDED_BY(lock_) = 0;
  child_link* running_ GREENROOM_GUARDED_BY(lock_) = nullptr;
  child_link* told_ GREENROOM_GUARDED_BY(lock_) = nullptr;  // they run, and were cancelled
  wait_ticket waiter_ GREENROOM_GUARDED_BY(lock_);
  std::exception_ptr failure_ GREENROOM_GUARDED_BY(lock_);
  bool late_ GREENROOM_GUARDED_BY(lock_) = false;
  bool cancelled_ GREENROOM_GUARDED_BY(lock_) = false;
  bool decided_ GREENROOM_GUARDED_BY(lock_) = false;
};

template <class F>
struct scope_child {
  child_link link;
  F function;

  template <class... As>
  void operator()(As&&... as) {
    if (!link.begin()) throw cancelled{};
    try {
      const bound_scope like_the_parent(link.given());
      throw_if_cancelled();  // what is late or cancelled before it begins does not run
      function(std::forward<As>(as)...);
    } catch (const cancelled&) { throw; } catch (const past_deadline&) {
      link.late();
    } catch (...) {
      if (!link.failed()) throw;
    }
  }
};

template <class F>
struct shown_as<scope_child<F>> {
  using type = F;
};

template <class F, class... As>
green_thread spawn_child(scope_core& in, const limits& given, const spawn_options& how, F&& f,
                         As&&... as) {
  using function = std::decay_t<F>;
  static_assert(!is_function_actor<function>,
                "greenroom: a child of a scope has no mailbox; spawn() makes actors");
  static_assert(is_function_actor<function> || std::is_invocable_v<function&, std::decay_t<As>...>,
                "greenroom: this function cannot be started with these arguments");
  if constexpr (!is_function_actor<function> &&
                std::is_invocable_v<function&, std::decay_t<As>...>) {
    scope_child<function> child{child_link(in, given), function(std::forward<F>(f))};
    green_thread made =
        spawn_function(in.where(), how, false, std::move(child), std::forward<As>(as)...);
    if (GREENROOM_UNLIKELY(!made)) {
      child.link.disown();
      in.refused();
    }
    return made;
  } else {
    return {};
  }
}

}  // namespace detail

// Green threads that are waited for at the end of a block:
//
//   gr::scope workers;
//   for (auto& part : parts) workers.spawn([&part] { work(part); });
//   // at the brace: all have ended
//
// A child that an exception ends cancels the others, and when all have ended the scope throws that
// exception, the object itself, where it is joined or at its end; what the others throw meanwhile
// is logged. If the block is left by an exception, children are cancelled and waited for, and that
// exception goes on. If the owner is cancelled while it waits, or the time of a with_deadline is
// over, children are cancelled and waited for, and the owner unwinds. Children inherit the deadline
// of their with_deadline; one that begins too late does not run. What children use must be declared
// before the scope. A child may make scopes of its own. Memory of ended children is not kept.
// Ideas: Trio's nurseries, N. Smith's "structured concurrency", Go's errgroup.
class [[nodiscard]] scope {
 public:
  // Inside an actor or green thread: children run in its runtime. Throws std::logic_error outside.
  scope() : core_(nullptr), uncaught_(std::uncaught_exceptions()) {}
  // From any thread, a plain OS thread as well, which then blocks in join and at the end.
  explicit scope(runtime& rt);
  scope(const scope&) = delete;
  scope& operator=(const scope&) = delete;
  // join(), or after an exception cancel() and a wait. Parks; throws what join() throws.
  ~scope() noexcept(false) { core_.end(std::uncaught_exceptions() > uncaught_); }

  // Starts a child: a function without a mailbox, with its arguments (copied or moved into it). Its
  // handle may be dropped. By the owner or a child of this scope. Out of memory, or when the
  // runtime shuts down, the handle is empty and the scope fails with that error, which join()
  // throws. In a cancelled scope children do not run.
  template <class F, class... As>
  green_thread spawn(F&& f, As&&... as) {
    return detail::spawn_child(core_, detail::limits_here(), {}, std::forward<F>(f),
                               std::forward<As>(as)...);
  }
  template <class F, class... As>
  green_thread spawn(spawn_options how, F&& f, As&&... as) {
    return detail::spawn_child(core_, detail::limits_here(), how, std::forward<F>(f),
                               std::forward<As>(as)...);
  }

  // Waits until all children have ended. Parks. Throws what the first child that failed has thrown;
  // greenroom::error (timeout) for one whose own deadline was over; `cancelled`. Only the owner:
  // std::logic_error elsewhere.
  void join() {
    core_.check_owner();
    core_.join();
  }
  // Cancels the children, and those that are spawned from now on do not run. Never waits, is no
  // failure. Any thread, as long as the scope lives.
  void cancel() noexcept { core_.cancel(); }
  // Cancels when a std::stop_token is triggered; include <greenroom/stop_token.hpp>. Only the
  // owner.
  template <class Token>
  void cancel_when(const Token& token) {
    cancel_scope_when(core_, token);
  }
  // Children that have not ended. Any thread.
  [[nodiscard]] std::size_t size() const noexcept { return core_.size(); }

 private:
  detail::scope_core core_;
  int uncaught_;
};

}  // namespace greenroom
