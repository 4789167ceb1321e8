// SPDX-License-Identifier: Apache-2.0
// A worker that is out of work: it searches, steals, naps or sleeps, and is woken.
#include "random.hpp"
#include "scheduler.hpp"

#include <dirent.h>

namespace greenroom::detail {

// Children are best run where they were made: there they and their parent's mailbox are in the
// cache, and a short one is done there before it has got here. So a worker whose last booty was
// done in no time waits until the oldest child has stood there for a while; and so does every
// worker if that is not a child but a parent that lets its children run, who would go on here and
// have all their messages follow.
GREENROOM_WORKER_CODE bool scheduler::ripe(worker* w, const worker& victim) {
  const fresh_ring::mark oldest = victim.fresh.look();
  if (oldest.oldest == 0) return false;
  if (!w->picky && (oldest.oldest & 1) == 0) return true;
  const std::int64_t t = now().time_since_epoch().count();
  sight& last = w->sights[victim.index];
  if (!(oldest == last.oldest)) last = {oldest, t};
  if (t - last.since >= worker::ripe_ns) return true;
  w->unripe = true;
  return false;
}

// May be stolen what is oldest in its ring (see push_bound)?
GREENROOM_WORKER_CODE static bool lets_go(const worker& victim) {
  const runnable oldest = victim.ready.oldest();
  return oldest != 0 &&
         ((oldest & runnable_bound) == 0 || victim.ripe_bound.load(sync::memory_order_relaxed) ||
          victim.stuck.load(sync::memory_order_relaxed) != stuck_by::nobody);
}

// The same, or is there still what stood there when this thief looked some time ago?
GREENROOM_WORKER_CODE static bool lets_go_to(worker* w, const worker& victim) {
  if (victim.ready.length() == 0) return false;
  if (lets_go(victim)) return true;
  const std::int64_t t = now().time_since_epoch().count();
  sight& last = w->sights[victim.index];
  if (victim.ready.is_past(last.ready_end)) {
    last.ready_end = victim.ready.end();
    last.ready_since = t;
  }
  if (t - last.ready_since >= worker::bound_ripe_ns) return true;
  w->unripe_bound = true;
  return false;
}

// The worker has nothing left: was it worth stealing what it stole last?
GREENROOM_WORKER_CODE static void judge_booty(worker* w) {
  if (w->stolen == 0) return;
  const std::int64_t took = now().time_since_epoch().count() - w->stole_at;
  w->picky = took < w->stolen * worker::worth_stealing_ns;
  w->stolen = 0;
}

GREENROOM_WORKER_CODE runnable scheduler::steal_from(worker* w, worker& victim, bool ready,
                                                     bool children) {
  runnable* const got = w->moving;
  if (const std::uint32_t n = ready ? victim.ready.steal(got) : 0) {
    for (std::uint32_t i = 1; i < n; ++i)
      if (!w->ready.push(got[i] & ~runnable_bound)) backlog_.push(got[i] & ~runnable_bound);
    return got[0];
  }
  const std::uint32_t n = children ? victim.fresh.steal(got, fresh_share_max) : 0;
  if (n != 0) {
    keep_fresh(w, 1, n);
    w->stole_at = now().time_since_epoch().count();
    w->stolen = (got[0] & 1) != 0 ? 0 : n;
    return got[0];
  }
  // The slot last: its owner is likely to run it next, unless it is stuck.
  return victim.lifo.exchange(0, sync::memory_order_acq_rel);
}

GREENROOM_WORKER_CODE runnable scheduler::steal(worker* w) {
  next_random(w->random);
  const unsigned all = places();
  const unsigned first = w->random % all;
  for (unsigned k = 0; k < all; ++k) {
    worker& victim = worker_at((first + k) % all);
    if (&victim == w) continue;
    const bool children = ripe(w, victim);
    const bool ready = lets_go_to(w, victim);
    // The slot neither: who is there is likely the one whose mailbox they fill.
    if (!ready && victim.ready.length() != 0) continue;
    if (!children && !ready && victim.lifo.load(sync::memory_order_relaxed) == 0) continue;
    if (!victim.mine.start_stealing()) continue;
    const runnable r = steal_from(w, victim, ready, children);
    victim.mine.stop_stealing();
    if (r != 0) return r;
  }
  return 0;
}

bool scheduler::work_somewhere(const worker* w) const {
  if (injector_.size_approx() != 0 || backlog_.size() != 0 || spilled_.size() != 0) return true;
  if (stop_.load(sync::memory_order_acquire)) return true;
  for (unsigned i = 0; i < places(); ++i) {
    const worker& v = worker_at(i);
    if (lets_go(v) || v.fresh.length() != 0 || (&v == w && v.ready.length() != 0)) return true;
    if (&v == w && v.lifo.load(sync::memory_order_acquire) != 0) return true;
  }
  return false;
}

// ---- sleeping

GREENROOM_WORKER_CODE runnable scheduler::wait_for_work(worker* w) {
  constexpr int search_rounds = 2;
  judge_booty(w);
  for (;;) {
    w->unripe = w->unripe_bound = false;
    ++w->tick;
    if (!w->searching && places() > 1)
      w->searching = idle_.start_searching(crew_.serving() - idle_.count());
    runnable r = 0;
    for (int round = 0; r == 0 && w->searching && round < search_rounds; ++round) {
      r = take_injected(w);
      if (r == 0) r = take_spilled(w);
      if (r == 0) r = steal(w);
    }
    if (w->searching) {
      w->searching = false;
      const bool last = idle_.stop_searching();
      if (r != 0 && last) {
        const unsigned next = idle_.claim_one();
        if (next != idle_set::nobody) wake_worker(next);
      }
    }
    if (r == 0 && w->attention.load(sync::memory_order_relaxed) != 0 && !attend(w)) return 0;
    if (r == 0) r = pick_fair(w);
    if (r != 0) {
      w->looks = 0;
      return r;
    }
    if (stop_.load(sync::memory_order_acquire)) return 0;
    w->resting.store(true, sync::memory_order_relaxed);
    if (w->unripe)
      nap(w);
    else
      sleep(w, w->unripe_bound && w->looks++ < worker::looks_max
                   ? now().time_since_epoch().count() + worker::bound_ripe_ns
                   : never_ns);
    w->resting.store(false, sync::memory_order_relaxed);
  }
}

// Another worker has children that may soon be done. Not announced: whoever makes more need not
// wake us, which would cost more than they do.
GREENROOM_WORKER_CODE void scheduler::nap(worker* w) {
  std::int64_t until = now().time_since_epoch().count() + worker::ripe_ns;
  if (w->clock.earliest() < until) until = w->clock.earliest();
  if (w->wake_word.load(sync::memory_order_acquire) == 0) sync::futex_wait(&w->wake_word, 0, until);
  // A stop or an earlier timer may have raised it: both are looked at next.
  w->wake_word.exchange(0, sync::memory_order_acq_rel);
}

// Announce, look again, sleep (S1, idle_set.hpp).
GREENROOM_WORKER_CODE void scheduler::sleep(worker* w, std::int64_t until) {
  idle_.announce(w->index);
  bool awake = work_somewhere(w);
  if (w->clock.earliest() < until) until = w->clock.earliest();
  if (!awake && poller_ && poller_->has_work() &&
      !polling_.exchange(true, sync::memory_order_acq_rel)) {
    // seq_cst: whoever wakes us either sees this or has raised the wake word before we read it.
    // An exchange, for an emulator (QEMU 7.2 for 64-bit ARM) lets a load pass such a store.
    w->in_poller.exchange(true, sync::memory_order_seq_cst);
    if (w->wake_word.load(sync::memory_order_seq_cst) == 0) {
      duration longest = duration::max();
      if (until != never_ns) {
        longest = duration(until - now().time_since_epoch().count());
        if (longest < duration::zero()) longest = duration::zero();
      }
      poller_->poll(longest);
    }
    w->in_poller.store(false, sync::memory_order_release);
    polling_.store(false, sync::memory_order_release);
    awake = true;
  }
  if (!awake) {
    while (w->wake_word.load(sync::memory_order_acquire) == 0) {
      sync::futex_wait(&w->wake_word, 0, until == never_ns ? -1 : until);
      if (until != never_ns && now().time_since_epoch().count() >= until) break;
    }
  }
  if (!idle_.retract(w->index)) {
    // Claimed: the claimer raises the wake word, now or in a moment.
    while (w->wake_word.exchange(0, sync::memory_order_acq_rel) == 0) sync::relax();
    w->searching = true;
  } else {
    // Not claimed, but an earlier timer or a stop may have raised it: both are looked at next.
    w->wake_word.exchange(0, sync::memory_order_acq_rel);
  }
  dog_.somebody_woke();
}

void scheduler::wake_worker(unsigned i) {
  worker& w = worker_at(i);
  // An exchange, not a store: of two wakers whose ones fall together the worker sees both, what
  // the first of them did (a stop, a timer) included.
  w.wake_word.exchange(1, sync::memory_order_seq_cst);
  if (w.in_poller.load(sync::memory_order_seq_cst))
    poller_->interrupt();
  else
    sync::futex_wake(&w.wake_word, 1);
}

void scheduler::want_poller() {
  if (polling_.load(sync::memory_order_seq_cst)) return;
  sync::fence_seq_cst();
  const unsigned i = idle_.claim_one();
  if (i != idle_set::nobody) wake_worker(i);
}

bool scheduler::quiet(time_point until) {
  const std::int64_t until_ns = until.time_since_epoch().count();
  if (injector_.size_approx() != 0) return false;
  if (!everybody_sleeps()) return false;
  for (unsigned i = 0; i < places(); ++i) {
    timers& clock = worker_at(i).clock;
    if (clock.earliest() >= until_ns) continue;
    clock.drop_unwanted(until_ns, is_unwanted, now().time_since_epoch().count());
    if (clock.earliest() < until_ns) return false;
  }
  return !work_somewhere(nullptr);
}

// Of those that run besides this one, the threads are counted too.
bool scheduler::alone(unsigned others) const noexcept {
#if defined(GREENROOM_TSAN)
  ++others;  // the tool's own
#endif
  ++others;  // the watchdog
  DIR* tasks = ::opendir("/proc/self/task");
  if (tasks == nullptr) return false;
  std::uint64_t found = 0;
  while (const dirent* one = ::readdir(tasks)) found += one->d_name[0] != '.';
  ::closedir(tasks);
  return found == running_.load(sync::memory_order_acquire) + std::uint64_t{others};
}

bool is_alone(const scheduler* s, unsigned others) noexcept { return s->alone(others); }

bool scheduler::nothing_to_come() {
  // Twice, and nobody has picked anything in between.
  constexpr std::int64_t pause_ns = 2'000'000;
  const auto turns = [this] {
    std::uint64_t sum = 0;
    for (unsigned i = 0; i < places(); ++i) sum += worker_at(i).tick;
    return sum;
  };
  const auto rests = [this] {
    return quiet(never) && !(poller_ && poller_->has_work()) && crew_.stuck() == 0;
  };
  const std::uint64_t before = turns();
  if (!rests()) return false;
  sync::atomic<std::uint32_t> word{0};
  sync::futex_wait(&word, 0, now().time_since_epoch().count() + pause_ns);
  return rests() && turns() == before;
}

}  // namespace greenroom::detail
