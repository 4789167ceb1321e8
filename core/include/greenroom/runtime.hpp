// SPDX-License-Identifier: Apache-2.0
// A runtime: worker threads and the actors that run on them. Made and destroyed like any object,
// as many as you like; addresses outlive it and then report closed.
#pragma once

#include <greenroom/clock.hpp>
#include <greenroom/dead_letters.hpp>
#include <greenroom/dump.hpp>
#include <greenroom/groups.hpp>
#include <greenroom/logger.hpp>
#include <greenroom/registry.hpp>
#include <greenroom/shutdown.hpp>
#include <greenroom/spawn.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace greenroom {

class runtime;

// What a runtime is made with. Each has a default; those named below can be overridden by an
// environment variable, and a value that makes no sense is a std::invalid_argument that names it.
struct runtime_options {
  // OS threads that run actors. 0: as many as this process may use (affinity mask and cgroup CPU
  // quota). GREENROOM_WORKERS.
  unsigned workers = 0;
  // OS threads at most, when workers are stuck in actors that block or compute and others must do
  // what waits; 1 to 256, at least as many as workers, of which it is the most when they are 0.
  unsigned threads_max = 256;
  // An actor that keeps a worker for that long while others wait is logged with its stack, once
  // for each place in the program. duration::max(): never.
  duration report_stuck_after = std::chrono::milliseconds(10);
  // Shown in reports.
  std::string_view name = "greenroom";
  // Bytes of stack of a green thread that does not ask for more, 16 KiB to 256 MiB, rounded up
  // to a power of two; only touched pages take memory. GREENROOM_STACK_SIZE.
  std::size_t stack_size = 256u << 10;
  // Messages a mailbox holds unless its spawn says otherwise, 1 to 60,000, or unbounded.
  // GREENROOM_CAPACITY.
  std::uint32_t capacity = 1024;
  // How long the destructor lets actors finish.
  duration shutdown_deadline = std::chrono::seconds(5);
  // Or how long each phase of the shutdown may take: for the destructor and run_until_signal.
  std::optional<greenroom::shutdown_deadlines> shutdown_deadlines = std::nullopt;
  // SIGTERM and SIGINT ask for a shutdown, which run_until_signal() waits for. The second one ends
  // the process at once, as without a handler. What handled them before comes back with the end of
  // the last runtime that has this set; a signal that is ignored stays ignored.
  bool handle_signals = false;
  // Messages that reached nobody are logged (as a warning), at most one line for so long; what the
  // shutdown finds is one line as well. duration::max(): never.
  duration dead_letter_log = std::chrono::seconds(1);
  // Where the runtime's sentences go. Default: spdlog's default logger.
  greenroom::logger logger = {};
  // Report stack overflows with the actor's name (a handler for SIGSEGV and SIGBUS on alternate
  // stacks; other faults go to the handler that was there before).
  bool overflow_handler = true;
  // A signal, SIGQUIT for example, that writes dump() to the logger, line by line. All runtimes
  // that want it write theirs; the handler that was there before is not called, and is back after
  // the last of them. 0: none.
  int dump_on = 0;
  // Of run() alone: when all its green threads wait and nothing can wake them, say so and return.
  bool report_all_asleep = true;
};

namespace detail {
class asleep_watch;  // core/asleep.hpp
}

class runtime {
 public:
  explicit runtime(const runtime_options& options = {});
  runtime(const runtime&) = delete;
  runtime& operator=(const runtime&) = delete;
  // shutdown() with the deadlines of the options; survivors are logged and left behind, parked or
  // running.
  ~runtime();

  // Starts an actor: a function whose first parameter is `mailbox<Ms...>&`, with its further
  // arguments (copied or moved into the actor), or an object with `messages` and `on`. Returns its
  // address<Ms...>; the actor's mailbox closes when the last copy is gone. A callable without a
  // mailbox becomes a green thread; its handle is returned. Any thread; never waits for room, but
  // an actor that makes many lets those run now and then, as by yield() (no place to be cancelled
  // at). Once the runtime shuts down, or out of memory, the address or handle is empty, and
  // says which (why_empty). What copying the arguments throws, spawn throws. Options
  // come first: rt.spawn({.name = "counter", .capacity = 64}, counter, 10).
  template <class F, class... As>
    requires(!detail::has_messages<std::decay_t<F>>)
  auto spawn(F&& f, As&&... as) {
    return detail::spawn_function(home(), {}, false, std::forward<F>(f), std::forward<As>(as)...);
  }
  template <class F, class... As>
    requires(!detail::has_messages<std::decay_t<F>>)
  auto spawn(spawn_options how, F&& f, As&&... as) {
    return detail::spawn_function(home(), how, false, std::forward<F>(f), std::forward<As>(as)...);
  }
  // An object actor is constructed by the caller, on the caller's stack; what its constructor
  // throws, spawn throws. It is destroyed by the actor.
  template <detail::has_messages T, class... As>
  [[nodiscard]] auto spawn(As&&... as) {
    return detail::spawn_object<T>(home(), {}, false, std::forward<As>(as)...);
  }
  template <detail::has_messages T, class... As>
  [[nodiscard]] auto spawn(spawn_options how, As&&... as) {
    return detail::spawn_object<T>(home(), how, false, std::forward<As>(as)...);
  }

  // As spawn, and the actor lives until the runtime shuts down.
  template <class F, class... As>
    requires(!detail::has_messages<std::decay_t<F>>)
  auto spawn_detached(F&& f, As&&... as) {
    return detail::spawn_function(home(), {}, true, std::forward<F>(f), std::forward<As>(as)...);
  }
  template <class F, class... As>
    requires(!detail::has_messages<std::decay_t<F>>)
  auto spawn_detached(spawn_options how, F&& f, As&&... as) {
    return detail::spawn_function(home(), how, true, std::forward<F>(f), std::forward<As>(as)...);
  }
  template <detail::has_messages T, class... As>
  auto spawn_detached(As&&... as) {
    return detail::spawn_object<T>(home(), {}, true, std::forward<As>(as)...);
  }
  template <detail::has_messages T, class... As>
  auto spawn_detached(spawn_options how, As&&... as) {
    return detail::spawn_object<T>(home(), how, true, std::forward<As>(as)...);
  }

  // Ends all actors: nothing new from outside (spawns give empty addresses, asks of plain OS
  // threads error::shutdown); the hooks of on_shutdown run; what is in the mailboxes is handled as
  // long as something moves and time allows; then supervision trees stop and mailboxes close, and
  // who still does not end is cancelled by unwinding. Names those who did not end in time. From a
  // plain OS thread only (from an actor it throws std::logic_error, for it would wait for itself).
  // A later call waits for the first one and names who is left by then. Who waits for a survivor
  // hears error::shutdown. The phases share one deadline, or each has its own.
  shutdown_report shutdown(duration deadline);
  shutdown_report shutdown(const shutdown_deadlines& deadlines);

  // Calls f() when the runtime begins to shut down, before anything ends, on a green thread of its
  // own: to close listeners, to say farewell. It may wait and spawn. Several are called one after
  // another, the newest first, while their phase's time lasts; then what runs is cancelled, and who
  // is left begins, and unwinds at its first wait. What it throws is logged. Any thread; throws
  // std::bad_alloc. Empty, and f is destroyed, if the shutdown has begun.
  template <class F>
  shutdown_hook on_shutdown(F&& f) {
    return detail::add_function(home(), std::forward<F>(f));
  }

  // Blocks the calling OS thread until SIGTERM or SIGINT comes (runtime_options::handle_signals;
  // one that came before counts) or request_shutdown() is called, then shuts down with the
  // deadlines of the options. For the end of main: return rt.run_until_signal().exit_code(). Not
  // for actors of this runtime: std::logic_error.
  shutdown_report run_until_signal();
  // Lets run_until_signal() go on. Any thread, any actor, and a signal handler.
  void request_shutdown() noexcept;
  // It was, or such a signal came.
  [[nodiscard]] bool shutdown_requested() const noexcept;

  [[nodiscard]] unsigned workers() const noexcept;
  // Actors and green threads alive now.
  [[nodiscard]] std::size_t actors() const noexcept;
  // Names for its actors.
  [[nodiscard]] greenroom::registry registry() noexcept;
  [[nodiscard]] greenroom::groups groups() noexcept;
  // Messages that reached nobody, since the runtime began: in sum, and by type and reason.
  [[nodiscard]] greenroom::dead_letters dead_letters() const noexcept;
  // What it is doing, all of it (dump.hpp). Any thread and any actor, at any time, also while
  // workers are stuck; nobody is stopped for it. An actor is in gr::blocking meanwhile.
  [[nodiscard]] runtime_dump dump() const noexcept;
  [[nodiscard]] dead_letter_counts count_dead_letters() const;
  // From now on `f(const dead_letter&)` is called for each, at once, on the thread that made it,
  // under no lock, until the token goes. It must neither wait nor throw; it may try_send a copy to
  // an actor. Dead letters that it makes itself are counted, but not told. Costs nothing while
  // nobody subscribes. Idea: Akka's event stream. Throws std::bad_alloc. Any thread.
  template <class F>
    requires std::is_invocable_v<F&, const dead_letter&>
  [[nodiscard]] dead_letter_subscription on_dead_letter(F f) {
    return dead_letter_subscription(home(),
                                    new detail::dead_letter_function<F>(static_cast<F&&>(f)));
  }

 private:
  friend class scope;
  friend class supervisor;
  friend void request_shutdown();
  friend class detail::asleep_watch;
  struct state;
  shutdown_report shut_down(const duration* all, const shutdown_deadlines* each);
  shutdown_report shutdown_as_asked();
  void dump_on(int signal);
  void report_survivors(shutdown_report& report) const;
  void log_survivors(const shutdown_report& report, duration took) const;
  [[nodiscard]] detail::home* home() const noexcept { return home_; }

  detail::home* home_ = nullptr;
  state* state_ = nullptr;
};

}  // namespace greenroom
