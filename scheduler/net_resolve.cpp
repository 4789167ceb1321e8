// SPDX-License-Identifier: Apache-2.0
// getaddrinfo blocks for as long as a name server likes, so it runs on OS threads made for it:
// up to `threads_max` at once, each until no look-up waits. A caller that gives up (deadline,
// cancel) leaves its look-up behind; the record is shared, and the late result is dropped.
#include "net_resolve.hpp"

#include <greenroom/detail/spin_lock.hpp>
#include <greenroom/park.hpp>

#include <csignal>
#include <cstring>
#include <deque>
#include <memory>
#include <mutex>
#include <netdb.h>
#include <new>
#include <pthread.h>

namespace greenroom::detail {

namespace {

constexpr int threads_max = 8;
constexpr std::size_t waiting_max = 10'000;
constexpr wait_reason looking_up{"look up a host name"};

struct lookup {
  std::string host;
  std::uint16_t port = 0;
  bool to_listen = false;

  // Written by the look-up, read by the caller once `done`.
  int failed = 0;  // an EAI_ value
  std::vector<ip_address> found;

  spin_lock lock;
  bool done GREENROOM_GUARDED_BY(lock) = false;
  wait_ticket caller GREENROOM_GUARDED_BY(lock);
};

struct waiting_lookups {
  std::mutex mutex;
  std::deque<std::shared_ptr<lookup>> queue;
  int threads = 0;
};

// Never destroyed: a look-up may still run while the process exits.
waiting_lookups& waiting() {
  static auto* const all = new waiting_lookups;
  return *all;
}

int look_up(lookup& what, int flags) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = flags | AI_NUMERICSERV | (what.to_listen ? AI_PASSIVE : 0);
  addrinfo* all = nullptr;
  const char* host = what.host.empty() && what.to_listen ? nullptr : what.host.c_str();
  const int failed = getaddrinfo(host, std::to_string(what.port).c_str(), &hints, &all);
  if (failed != 0) return failed;
  for (const addrinfo* one = all; one != nullptr; one = one->ai_next) {
    if (one->ai_addrlen > sizeof(sockaddr_in6)) continue;
    ip_address address;
    std::memcpy(&address.any, one->ai_addr, one->ai_addrlen);
    address.size = one->ai_addrlen;
    try {
      what.found.push_back(address);
    } catch (const std::bad_alloc&) {
      freeaddrinfo(all);
      return EAI_MEMORY;
    }
  }
  freeaddrinfo(all);
  return what.found.empty() ? EAI_NONAME : 0;
}

void* thread_main(void*) {
  waiting_lookups& all = waiting();
  for (;;) {
    std::shared_ptr<lookup> next;
    {
      const std::lock_guard guard(all.mutex);
      if (all.queue.empty()) {
        --all.threads;
        return nullptr;
      }
      next = std::move(all.queue.front());
      all.queue.pop_front();
    }
    next->failed = look_up(*next, 0);
    wait_ticket caller;
    {
      const spin_guard guard(next->lock);
      next->done = true;
      caller = next->caller;
    }
    if (caller.who != nullptr) wake(caller);
  }
}

// False: no thread could be started.
bool start_thread() {
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  // Signals of the process are for its own threads.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  pthread_t thread;
  const int failed = pthread_create(&thread, &attributes, thread_main, nullptr);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  pthread_attr_destroy(&attributes);
  return failed == 0;
}

// False: there is no thread to be had, or too many wait.
bool enqueue(const std::shared_ptr<lookup>& what) {
  waiting_lookups& all = waiting();
  const std::lock_guard guard(all.mutex);
  if (all.queue.size() >= waiting_max) return false;
  if (all.threads < threads_max && start_thread()) ++all.threads;
  if (all.threads == 0) return false;
  all.queue.push_back(what);
  return true;
}

error lookup_failed(const lookup& what, int failed) {
  const error::code_type code = failed == EAI_MEMORY ? error::no_memory : error::io;
  return {code, "look up " + what.host + ": " + gai_strerror(failed)};
}

// Parks until the look-up is done: wait_end as error, or none.
std::expected<void, error> wait_for(lookup& what, time_point deadline) {
  for (;;) {
    const wait_ticket mine = begin_wait(looking_up);
    bool done;
    {
      const spin_guard guard(what.lock);
      done = what.done;
      if (!done) what.caller = mine;
    }
    if (done) {
      if (!abandon()) park();
      return {};
    }
    const std::uint64_t outcome = park(deadline);
    if (outcome == outcome_timeout)
      return std::unexpected(error(error::timeout, "look up " + what.host + ": no answer in time"));
    if (outcome == outcome_cancelled && report_cancel()) return std::unexpected(error::cancelled);
  }
}

}  // namespace

std::expected<std::vector<ip_address>, error> resolve(const std::string& host, std::uint16_t port,
                                                      bool to_listen, time_point deadline) {
  auto what = std::make_shared<lookup>();
  what->host = host;
  what->port = port;
  what->to_listen = to_listen;
  int failed = look_up(*what, AI_NUMERICHOST);
  if (failed == 0) return std::move(what->found);
  if (failed != EAI_NONAME) return std::unexpected(lookup_failed(*what, failed));
  if (!enqueue(what))
    return std::unexpected(
        error(error::no_memory, "look up " + host + ": no thread to be had for it"));
  if (auto end = wait_for(*what, deadline); !end) return std::unexpected(end.error());
  if (what->failed != 0) return std::unexpected(lookup_failed(*what, what->failed));
  return std::move(what->found);
}

}  // namespace greenroom::detail
