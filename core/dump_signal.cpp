// SPDX-License-Identifier: Apache-2.0
#include "dump_signal.hpp"

#include <cerrno>
#include <climits>
#include <csignal>
#include <mutex>

namespace greenroom::detail {

namespace {

constexpr int signals_max = 65;

// How many came, and a word that changes then and when somebody stops. Lock-free atomics, which the
// handler may touch.
constinit sync::atomic<std::uint32_t> came[signals_max]{};
constinit sync::atomic<std::uint32_t> news[signals_max]{};
static_assert(sync::atomic<std::uint32_t>::is_always_lock_free);

std::mutex users_mutex;
struct user_count {
  unsigned users = 0;
  struct sigaction before{};
};
user_count users_of[signals_max];  // under users_mutex

void tell_all(int signal) noexcept {
  news[signal].fetch_add(1, sync::memory_order_release);
  sync::futex_wake(&news[signal], INT_MAX);
}

void on_signal(int signal) noexcept {
  const int error = errno;
  // relaxed: published with the news.
  came[signal].fetch_add(1, sync::memory_order_relaxed);
  tell_all(signal);
  errno = error;
}

bool is_ours(int signal) noexcept {
  struct sigaction now{};
  return ::sigaction(signal, nullptr, &now) == 0 && (now.sa_flags & SA_SIGINFO) == 0 &&
         now.sa_handler == on_signal;
}

bool install(int signal) noexcept {
  const std::lock_guard guard(users_mutex);
  user_count& of = users_of[signal];
  if (of.users == 0) {
    struct sigaction ours{};
    ours.sa_handler = on_signal;
    ours.sa_flags = SA_RESTART | SA_ONSTACK;
    sigemptyset(&ours.sa_mask);
    if (::sigaction(signal, &ours, &of.before) != 0) return false;
  }
  ++of.users;
  return true;
}

void uninstall(int signal) noexcept {
  const std::lock_guard guard(users_mutex);
  user_count& of = users_of[signal];
  // Who has set another one since keeps it.
  if (--of.users == 0 && is_ours(signal)) ::sigaction(signal, &of.before, nullptr);
}

}  // namespace

const char* dump_signal::start(int signal, void (*dump)(void*), void* user) noexcept {
  if (!install(signal)) return "no handler can be set for the signal dump_on";
  signal_ = signal;
  dump_ = dump;
  user_ = user;
  seen_ = came[signal].load(sync::memory_order_acquire);
  // The thread is for dumps, not for the program's signals.
  sigset_t all, before;
  sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  const int rc = ::pthread_create(&thread_, nullptr, main, this);
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (rc == 0) return nullptr;
  uninstall(signal);
  signal_ = 0;
  return "no thread is to be had for dump_on";
}

void dump_signal::stop() noexcept {
  if (signal_ == 0) return;
  // relaxed: published with the news.
  stops_.store(true, sync::memory_order_relaxed);
  tell_all(signal_);
  ::pthread_join(thread_, nullptr);
  uninstall(signal_);
  signal_ = 0;
}

void* dump_signal::main(void* argument) noexcept {
  auto& self = *static_cast<dump_signal*>(argument);
  const sync::atomic<std::uint32_t>& word = news[self.signal_];
  for (;;) {
    // acquire: what came with the news. Read before the looks, so that what comes after them
    // changes it, and the wait returns.
    const std::uint32_t seen = word.load(sync::memory_order_acquire);
    if (self.stops_.load(sync::memory_order_relaxed)) return nullptr;
    const std::uint32_t n = came[self.signal_].load(sync::memory_order_relaxed);
    if (n == self.seen_) {
      sync::futex_wait(&word, seen, -1);
      continue;
    }
    self.seen_ = n;
    self.dump_(self.user_);
  }
}

}  // namespace greenroom::detail
