// SPDX-License-Identifier: Apache-2.0
// What the end of a runtime needs and tells: how long each phase may take, what is to be done
// first, and a report. The phases are drawn in core/README.md. Idea: systemd's stop jobs, and OTP's
// ordered end of applications.
#pragma once

#include <greenroom/clock.hpp>
#include <greenroom/config.hpp>

#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>

namespace greenroom {

// refuse: nothing comes in from outside, and the hooks of on_shutdown run. drain: work under way
// may finish. stop: supervision trees stop, then all mailboxes close. cancel: who is left unwinds.
enum class shutdown_phase : std::uint8_t { refuse, drain, stop, cancel };
inline constexpr std::size_t shutdown_phases = 4;
const char* name_of(shutdown_phase phase) noexcept;

// How long each phase may take, from its own beginning. What a phase does not need, the next does
// not get.
struct shutdown_deadlines {
  duration refuse = std::chrono::seconds(1);
  duration drain = std::chrono::seconds(2);
  duration stop = std::chrono::seconds(1);
  duration cancel = std::chrono::seconds(1);
};

// Who did not stop in time, and what it was doing.
struct survivor {
  std::uint64_t id;
  std::size_t messages;  // in its mailbox
  char name[96];
  // The reason of its wait, and on whom: "sleep", "ask `totals` to ledger", "send `stored` to index
  // (full, 1024)", "join session/7"; or "" when it runs.
  char waits[192];
  char doing[48];  // while it runs: "computing", "blocked in system call 7"; or ""
  duration since;  // in this wait or turn it has been at least so long; zero: not known
  // Of the first `detailed_max` survivors, else "": its stack, innermost first, and who holds its
  // address, as far as that is to be seen ("held by: room/3 (in its object), and 2 others not
  // found"). They live as long as the report.
  const char* stack;
  const char* held_by;
  static constexpr std::size_t detailed_max = 20;
};

class shutdown_report {
 public:
  // `not_needed`: all actors had ended before, or it had nothing to do.
  enum class end_of_phase : std::uint8_t { not_needed, in_time, timed_out };
  struct phase {
    end_of_phase how = end_of_phase::not_needed;
    duration took = {};
    duration allowed = {};
  };

  shutdown_report() noexcept = default;
  shutdown_report(shutdown_report&& other) noexcept
      : all_(std::exchange(other.all_, nullptr)),
        texts_(std::exchange(other.texts_, nullptr)),
        size_(std::exchange(other.size_, 0)) {
    copy_phases(other);
  }
  shutdown_report& operator=(shutdown_report&& other) noexcept {
    std::swap(all_, other.all_);
    std::swap(texts_, other.texts_);
    std::swap(size_, other.size_);
    copy_phases(other);
    return *this;
  }
  ~shutdown_report() {
    delete[] all_;
    delete[] texts_;
  }

  // Everything ended in time.
  [[nodiscard]] bool ok() const noexcept { return size_ == 0; }
  // For main: 0 when everything ended in time, else 1.
  [[nodiscard]] int exit_code() const noexcept { return ok() ? 0 : 1; }
  // The survivors.
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] const survivor* begin() const noexcept { return all_; }
  [[nodiscard]] const survivor* end() const noexcept { return all_ + size_; }
  // How a phase ended. All zero in the report of a call that came after another one.
  [[nodiscard]] const phase& operator[](shutdown_phase which) const noexcept {
    return phases_[static_cast<std::size_t>(which)];
  }

 private:
  friend class runtime;
  void copy_phases(const shutdown_report& other) noexcept {
    for (std::size_t i = 0; i != shutdown_phases; ++i) phases_[i] = other.phases_[i];
  }
  survivor* all_ = nullptr;
  char* texts_ = nullptr;  // of survivor::stack and held_by
  std::size_t size_ = 0;
  phase phases_[shutdown_phases];
};
static_assert(std::is_nothrow_move_constructible_v<shutdown_report>);

namespace detail {

struct home;
struct hook_record;

// What a shutdown tells on its way, newest first: one thing after another, each on a green thread
// of its own, which may wait. For supervisors and the like; users have on_shutdown.
struct stoppable {
  // Stops it, and returns when it has stopped, or at the deadline. It may be over already; then the
  // caller is cancelled, too.
  void (*stop)(stoppable*, time_point deadline) = nullptr;
  // After that the runtime does not touch it any more. Not called for one whose `stop` never
  // returns.
  void (*release)(stoppable*) noexcept = nullptr;
  stoppable* next = nullptr;  // under the lock of shutdown_list.cpp
  home* where = nullptr;      // the same; null: stands in no list
  shutdown_phase when = shutdown_phase::stop;
};

// Puts it in; it is told when `when` begins, refuse or stop. False: that has begun. Any thread.
bool add_stoppable(home* where, shutdown_phase when, stoppable* what) noexcept;
// True: it will not be told, and is the caller's again. False: it has been or is being told, or
// stands in no list; the runtime calls `release` (C11).
bool remove_stoppable(stoppable* what) noexcept;

struct hook_calls {
  void (*call)(void* closure);
  void (*destroy)(void* closure);
};
// Owns the closure from here on, also when it fails: null, the runtime shuts down, or (then it
// throws std::bad_alloc) memory is out.
hook_record* add_hook(home* where, void* closure, const hook_calls& how);
void remove_hook(hook_record* hook) noexcept;
void keep_hook(hook_record* hook) noexcept;

}  // namespace detail

// A function that is called when its runtime shuts down (runtime::on_shutdown), as long as this
// lives.
class [[nodiscard]] shutdown_hook {
 public:
  shutdown_hook() noexcept = default;
  explicit shutdown_hook(detail::hook_record* what) noexcept : what_(what) {}
  shutdown_hook(shutdown_hook&& other) noexcept : what_(std::exchange(other.what_, nullptr)) {}
  shutdown_hook& operator=(shutdown_hook&& other) noexcept {
    std::swap(what_, other.what_);
    return *this;
  }
  ~shutdown_hook() { remove(); }

  // Takes it back: when this returns, the function does not run any more and never will. While it
  // runs, waits for its end (parks; not to be cancelled), unless the shutdown has given it up, or
  // it is the function itself that calls this. Any thread.
  void remove() noexcept {
    if (what_ != nullptr) detail::remove_hook(std::exchange(what_, nullptr));
  }
  // Leaves it to the runtime, for good.
  void keep() noexcept {
    if (what_ != nullptr) detail::keep_hook(std::exchange(what_, nullptr));
  }
  // False: the runtime was shutting down already, and the function will not be called.
  explicit operator bool() const noexcept { return what_ != nullptr; }

 private:
  detail::hook_record* what_ = nullptr;
};
static_assert(std::is_nothrow_move_constructible_v<shutdown_hook>);

namespace detail {

home* home_to_shut_down(const char* what);

template <class F>
shutdown_hook add_function(home* where, F&& f) {
  using function = std::decay_t<F>;
  static_assert(std::is_invocable_v<function&>,
                "greenroom: a function for on_shutdown takes no argument");
  if constexpr (std::is_invocable_v<function&>) {
    static constexpr hook_calls how{[](void* closure) { (*static_cast<function*>(closure))(); },
                                    [](void* closure) { delete static_cast<function*>(closure); }};
    return shutdown_hook(add_hook(where, new function(std::forward<F>(f)), how));
  } else {
    return shutdown_hook();
  }
}

}  // namespace detail

// Inside an actor or green thread: the same as those of its runtime (runtime.hpp). Elsewhere they
// throw std::logic_error.
template <class F>
shutdown_hook on_shutdown(F&& f) {
  return detail::add_function(detail::home_to_shut_down("on_shutdown()"), std::forward<F>(f));
}
void request_shutdown();

}  // namespace greenroom
