// SPDX-License-Identifier: Apache-2.0
// A runtime: worker threads and the actors that run on them. Made and destroyed like any object,
// as many as you like; addresses outlive it and then report closed.
#pragma once

#include <greenroom/clock.hpp>
#include <greenroom/logger.hpp>
#include <greenroom/spawn.hpp>

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace greenroom {

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
  // Where the runtime's sentences go. Default: spdlog's default logger.
  greenroom::logger logger = {};
  // Report stack overflows with the actor's name (a handler for SIGSEGV and SIGBUS on alternate
  // stacks; other faults go to the handler that was there before).
  bool overflow_handler = true;
};

// Who did not stop in time, and what it was doing.
struct survivor {
  std::uint64_t id;
  std::size_t messages;  // in its mailbox
  char name[96];
  // The reason of its wait, and on whom: "sleep", "ask `totals` to ledger", "send `stored` to index
  // (full, 1024)", "join session/7"; or "" when it runs.
  char waits[192];
};

class shutdown_report {
 public:
  shutdown_report() noexcept = default;
  shutdown_report(shutdown_report&& other) noexcept
      : all_(std::exchange(other.all_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  shutdown_report& operator=(shutdown_report&& other) noexcept {
    std::swap(all_, other.all_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~shutdown_report() { delete[] all_; }

  // Everything ended in time.
  [[nodiscard]] bool ok() const noexcept { return size_ == 0; }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] const survivor* begin() const noexcept { return all_; }
  [[nodiscard]] const survivor* end() const noexcept { return all_ + size_; }

 private:
  friend class runtime;
  survivor* all_ = nullptr;
  std::size_t size_ = 0;
};

// Messages that reached nobody, since the runtime began.
struct dead_letters {
  std::uint64_t closed, undelivered, full, timeout, cancelled, deadlock, expired, late_reply,
      dropped;
  [[nodiscard]] std::uint64_t total() const noexcept {
    return closed + undelivered + full + timeout + cancelled + deadlock + expired + late_reply +
           dropped;
  }
};

class runtime {
 public:
  explicit runtime(const runtime_options& options = {});
  runtime(const runtime&) = delete;
  runtime& operator=(const runtime&) = delete;
  // shutdown(options.shutdown_deadline); survivors are logged and left behind, parked or running.
  ~runtime();

  // Starts an actor: a function whose first parameter is `mailbox<Ms...>&`, with its further
  // arguments (copied or moved into the actor), or an object with `messages` and `on`. Returns its
  // address<Ms...>; the actor's mailbox closes when the last copy is gone. A callable without a
  // mailbox becomes a green thread; its handle is returned. Any thread; never waits for room, but
  // an actor that makes many lets those run now and then, as by yield() (no place to be cancelled
  // at). Once the runtime shuts down, or out of memory, the address or handle is empty. Options
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

  // Ends all actors: no new ones from outside; what is in the mailboxes is handled as long as
  // something moves and time allows; then mailboxes close, and who still does not end is cancelled
  // by unwinding. Names those who did not end in time. From a plain OS thread only (from an actor
  // it throws std::logic_error, for it would wait for itself). A later call
  // waits for the first one and names who is left by then.
  shutdown_report shutdown(duration deadline);

  [[nodiscard]] unsigned workers() const noexcept;
  // Actors and green threads alive now.
  [[nodiscard]] std::size_t actors() const noexcept;
  [[nodiscard]] greenroom::dead_letters dead_letters() const noexcept;

 private:
  friend class scope;
  struct state;
  void report_survivors(shutdown_report& report) const;
  void log_survivors(const shutdown_report& report, duration deadline) const;
  [[nodiscard]] detail::home* home() const noexcept { return home_; }

  detail::home* home_ = nullptr;
  state* state_ = nullptr;
};

// A runtime with defaults whose first green thread is `main`; returns what it returns (0 for
// void, 1 when it ended by an exception, which is logged).
template <class F>
int run(F&& main) {
  runtime rt;
  int result = 0;
  const status ended = rt.spawn([&] {
                           if constexpr (std::is_void_v<decltype(main())>)
                             main();
                           else
                             result = main();
                         }).join();
  return ended ? result : 1;
}

}  // namespace greenroom
