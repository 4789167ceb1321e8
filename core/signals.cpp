// SPDX-License-Identifier: Apache-2.0
// The handler does two things that are safe in one: it counts in an atomic, and wakes a futex. No
// self-pipe: there is no descriptor to run out of, and several threads may wait.
//
// C13: the first signal is noted and told; a second one, of either kind, ends the process in the
//     handler itself, as if there were none. So it needs nobody who still works.
// C14: handlers are installed and removed under a mutex; one that somebody else put on top of ours
//     stays.
// C15: in a process made by fork() nothing would hear of a request: there the signal does what it
//     did before ours.
#include "signals.hpp"

#include <greenroom/detail/scheduler_access.hpp>
#include <greenroom/detail/sync.hpp>

#include <cerrno>
#include <csignal>
#include <mutex>
#include <poll.h>
#include <unistd.h>

namespace greenroom::detail {

namespace {

struct watched_signal {
  int number;
  struct sigaction previous;  // set before ours is installed, and read by it
  bool installed;             // under install_mutex
};

std::mutex install_mutex;
unsigned users = 0;  // under install_mutex
watched_signal watched[] = {{SIGTERM, {}, false}, {SIGINT, {}, false}};

constinit sync::atomic<std::uint32_t> news{0};
constinit sync::atomic<int> first_signal{0};

// As a process without a handler ends. The first process of a container does not end by a default
// action; it says by its exit status what a shell would.
[[noreturn]] void end_by(int number) noexcept {
  struct sigaction plain{};
  plain.sa_handler = SIG_DFL;
  ::sigaction(number, &plain, nullptr);
  sigset_t only;
  sigemptyset(&only);
  sigaddset(&only, number);
  ::pthread_sigmask(SIG_UNBLOCK, &only, nullptr);
  ::raise(number);
  ::_exit(128 + number);
}

void do_as_before(int number, siginfo_t* info, void* context) noexcept {
  for (const watched_signal& each : watched) {
    if (each.number != number) continue;
    if ((each.previous.sa_flags & SA_SIGINFO) != 0)
      each.previous.sa_sigaction(number, info, context);
    else if (each.previous.sa_handler == SIG_DFL)
      end_by(number);
    else
      each.previous.sa_handler(number);
  }
}

void on_signal(int number, siginfo_t* info, void* context) noexcept {
  const int error = errno;
  if (forked()) {
    do_as_before(number, info, context);  // C15
  } else {
    // acq_rel: of two at once one is the first.
    if (first_signal.exchange(number, sync::memory_order_acq_rel) != 0) end_by(number);  // C13
    announce_shutdown_news();
  }
  errno = error;
}

bool is_ours(const struct sigaction& action) noexcept {
  return (action.sa_flags & SA_SIGINFO) != 0 && action.sa_sigaction == on_signal;
}

bool install(watched_signal& at) noexcept {
  struct sigaction now{};
  if (::sigaction(at.number, nullptr, &now) != 0) return false;
  if (is_ours(now)) return at.installed = true;  // below a handler that has gone
  if ((now.sa_flags & SA_SIGINFO) == 0 && now.sa_handler == SIG_IGN) return true;
  at.previous = now;
  struct sigaction ours{};
  ours.sa_sigaction = on_signal;
  // On workers it runs on their alternate stack: a green thread's may be short.
  ours.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART;
  sigemptyset(&ours.sa_mask);
  return at.installed = ::sigaction(at.number, &ours, nullptr) == 0;
}

void uninstall(watched_signal& at) noexcept {
  struct sigaction now{};
  if (!at.installed || ::sigaction(at.number, nullptr, &now) != 0 || !is_ours(now)) return;  // C14
  at.installed = ::sigaction(at.number, &at.previous, nullptr) != 0;
}

}  // namespace

bool use_shutdown_signals() noexcept {
  const std::lock_guard held(install_mutex);
  if (users == 0) {
    // relaxed: no handler of ours runs yet.
    first_signal.store(0, sync::memory_order_relaxed);
    for (watched_signal& each : watched) {
      if (install(each)) continue;
      for (watched_signal& undone : watched) uninstall(undone);
      return false;
    }
  }
  ++users;
  return true;
}

void leave_shutdown_signals() noexcept {
  const std::lock_guard held(install_mutex);
  if (--users != 0) return;
  for (watched_signal& each : watched) uninstall(each);
}

bool has_shutdown_signal() noexcept {
  return first_signal.load(sync::memory_order_acquire) != 0;  // pairs with on_signal
}

std::uint32_t shutdown_news() noexcept {
  return news.load(sync::memory_order_acquire);  // what was announced is seen
}

void wait_for_shutdown_news(std::uint32_t seen) noexcept {
#if defined(GREENROOM_TSAN)
  // It holds signals back until the thread calls something that it knows to block.
  while (news.load(sync::memory_order_acquire) == seen) ::poll(nullptr, 0, 1);
#else
  sync::futex_wait(&news, seen, -1);
#endif
}

void announce_shutdown_news() noexcept {
  news.fetch_add(1, sync::memory_order_acq_rel);
  sync::futex_wake(&news, INT32_MAX);
}

}  // namespace greenroom::detail
