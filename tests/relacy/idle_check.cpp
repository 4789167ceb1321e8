// SPDX-License-Identifier: Apache-2.0
// The idle protocol: foreign threads add work and wake a sleeper; workers search, announce, look
// again and sleep, exactly as scheduler::wait_for_work, sleep and wake_worker do. Lost work shows
// as a deadlock: all workers sleep, and nobody is left to stop them.
#include "relacy_sync.hpp"

#include "idle_set.hpp"

using namespace greenroom::detail;

namespace {

// Workers come first. Worker 0 sleeps in the poller when With_poller is set.
template <unsigned Workers, unsigned Producers, bool With_poller>
struct idle_check
    : rl::test_suite<idle_check<Workers, Producers, With_poller>, Workers + Producers> {
  struct worker {
    sync::atomic<std::uint32_t> wake_word{0};
    sync::atomic<std::uint32_t> in_poller{0};
    sync::futex bed;
    bool searching = false;
  };

  idle_set idle;
  worker all[Workers];
  // The injector: the look at its size is relaxed, as moodycamel's is.
  sync::atomic<std::uint32_t> queued[Producers];
  sync::owned<unsigned> content[Producers];
  sync::atomic<std::uint32_t> stop{0};
  sync::atomic<std::uint32_t> handled{0};
  unsigned seen[Producers] = {};
  // The poller: a sticky interrupt.
  sync::atomic<std::uint32_t> interrupted{0};
  sync::futex poll_bed;

  void before() { idle.set_workers(Workers); }

  void interrupt() {
    interrupted.store(1, sync::memory_order_seq_cst);
    poll_bed.wake();
  }
  void poll() {
    while (interrupted.exchange(0, sync::memory_order_acq_rel) == 0)
      poll_bed.wait(interrupted, std::uint32_t{0});
  }

  void wake_worker(unsigned i) {
    worker& w = all[i];
    if (mutated(95))
      w.wake_word.store(1, sync::memory_order_seq_cst);
    else
      w.wake_word.exchange(1,
                           mutated(90) ? sync::memory_order_acq_rel : sync::memory_order_seq_cst);
    if (w.in_poller.load(mutated(90) ? sync::memory_order_acquire : sync::memory_order_seq_cst))
      interrupt();
    else
      w.bed.wake();
  }

  void produce(unsigned p) {
    content[p].set(p + 7);
    queued[p].store(1, sync::memory_order_release);
    const unsigned i = mutated(91) ? idle.claim_without_fence() : idle.claim_one();
    if (i != idle_set::nobody) wake_worker(i);
  }

  bool take() {
    for (unsigned p = 0; p < Producers; ++p) {
      if (queued[p].load(sync::memory_order_relaxed) == 0) continue;
      if (queued[p].exchange(0, sync::memory_order_acquire) == 0) continue;
      RL_ASSERT(content[p].get() == p + 7);
      RL_ASSERT(++seen[p] == 1);
      return true;
    }
    return false;
  }
  bool work_somewhere() {
    for (unsigned p = 0; p < Producers; ++p)
      if (queued[p].load(sync::memory_order_relaxed) != 0) return true;
    return stop.load(sync::memory_order_acquire) != 0;
  }

  void handle() {
    if (handled.fetch_add(1, sync::memory_order_acq_rel) + 1 != Producers) return;
    stop.store(1, sync::memory_order_seq_cst);
    for (unsigned i = 0; i < Workers; ++i) wake_worker(i);
  }

  // False: the worker shall leave.
  bool wait_for_work(unsigned index) {
    worker& w = all[index];
    for (;;) {
      if (!w.searching && Workers > 1) w.searching = idle.start_searching(Workers - idle.count());
      bool found = w.searching && take();
      bool last = false;
      if (w.searching) {
        w.searching = false;
        last = idle.stop_searching();
      }
      if (!found) found = take();
      if (found) {
        if (last) {
          const unsigned next = idle.claim_one();
          if (next != idle_set::nobody) wake_worker(next);
        }
        return true;
      }
      if (stop.load(sync::memory_order_acquire) != 0) return false;
      sleep(index);
    }
  }

  void sleep(unsigned index) {
    worker& w = all[index];
    idle.announce(index);
    bool awake = !mutated(92) && work_somewhere();
    if (With_poller && index == 0 && !awake) {
      w.in_poller.store(1, mutated(93) ? sync::memory_order_release : sync::memory_order_seq_cst);
      if (mutated(94) || w.wake_word.load(mutated(93) ? sync::memory_order_acquire
                                                      : sync::memory_order_seq_cst) == 0)
        poll();
      w.in_poller.store(0, sync::memory_order_release);
      awake = true;
    }
    if (!awake)
      while (w.wake_word.load(sync::memory_order_acquire) == 0)
        w.bed.wait(w.wake_word, std::uint32_t{0});
    if (!idle.retract(index)) {
      while (w.wake_word.exchange(0, sync::memory_order_acq_rel) == 0) sync::relax();
      w.searching = true;
    } else {
      w.wake_word.exchange(0, sync::memory_order_acq_rel);
    }
  }

  void thread(unsigned index) {
    if (index >= Workers) {
      produce(index - Workers);
      return;
    }
    while (wait_for_work(index)) handle();
  }

  void after() {
    for (const unsigned n : seen) RL_ASSERT(n == 1);
    RL_ASSERT(idle.count() == 0);
  }
};

constexpr checks::named_check all[] = {
    {"idle_1_1", checks::simulate<idle_check<1, 1, false>>},
    {"idle_1_2", checks::simulate<idle_check<1, 2, false>>},
    {"idle_2_2", checks::simulate<idle_check<2, 2, false>>},
    {"poller_1_1", checks::simulate<idle_check<1, 1, true>>},
    {"poller_2_2", checks::simulate<idle_check<2, 2, true>>},
};

}  // namespace

int main(int argc, char** argv) { return checks::check_main(argc, argv, all); }
