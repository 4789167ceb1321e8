// SPDX-License-Identifier: Apache-2.0
// Alarms: one call at a time to come. Records are type-stable, so a handle may be kept and used
// late; the generation tells one use from the next.
#include "scheduler.hpp"

#include <mutex>
#include <new>
#include <pthread.h>

namespace greenroom::detail {

struct alarm : timer {
  spin_lock lock;
  std::uint64_t generation GREENROOM_GUARDED_BY(lock) = 0;
  bool pending GREENROOM_GUARDED_BY(lock) = false;
  void (*call)(void*) = nullptr;
  void* argument = nullptr;
  alarm* next = nullptr;
};

namespace {

std::mutex free_mutex;
// The child of a fork() must find it unlocked.
const int watches_forks = pthread_atfork([] { free_mutex.lock(); }, [] { free_mutex.unlock(); },
                                         [] { free_mutex.unlock(); });
alarm* free_alarms = nullptr;

void give_back(alarm* a) {
  const std::lock_guard guard(free_mutex);
  a->next = free_alarms;
  free_alarms = a;
}

void fire_alarm(timer* t, std::int64_t) {
  auto* a = static_cast<alarm*>(t);
  bool due = false;
  {
    const spin_guard guard(a->lock);
    due = a->pending;
    a->pending = false;
  }
  if (!due) {  // cancelled after it had left the heap: the canceller leaves the record to us
    give_back(a);
    return;
  }
  void (*call)(void*) = a->call;
  void* argument = a->argument;
  give_back(a);
  call(argument);
}

}  // namespace

alarm_handle start_alarm(scheduler* where, time_point when, void (*fire)(void*), void* argument) {
  alarm* a = nullptr;
  {
    const std::lock_guard guard(free_mutex);
    a = free_alarms;
    if (a != nullptr) free_alarms = a->next;
  }
  if (a == nullptr) {
    a = new (std::nothrow) alarm;
    if (a == nullptr) return {};
    a->fire = fire_alarm;
  }
  alarm_handle h{a, 0};
  {
    const spin_guard guard(a->lock);
    h.generation = ++a->generation;
    a->pending = true;
  }
  a->call = fire;
  a->argument = argument;
  where->arm(a, when.time_since_epoch().count());
  return h;
}

bool cancel_alarm(const alarm_handle& h) {
  if (h.what == nullptr) return false;
  bool removed = false;
  {
    // Held until it is out of the heap: otherwise fire_alarm could give the record back meanwhile,
    // and the cancel would meet its next use. Lock order: this one, then the heap's.
    const spin_guard guard(h.what->lock);
    if (h.what->generation != h.generation || !h.what->pending) return false;
    h.what->pending = false;
    removed = timers::cancel(h.what);
  }
  // If it had left the heap, fire_alarm finds it cancelled and gives the record back.
  if (removed) give_back(h.what);
  return true;
}

}  // namespace greenroom::detail
