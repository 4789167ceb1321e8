// SPDX-License-Identifier: Apache-2.0
// The inbox under senders, a receiver that takes and rests, waiting senders and a stop signal, in
// the two shapes the receivers have: mailbox/receive.cpp's loop, and mailbox/run.cpp's, which
// handles a single message in place. Checked: no message lost or doubled, each sender's order,
// M1-M4, and that whoever makes the receiver runnable sees what it did. A wake-up that is lost
// shows as a deadlock.
#include "relacy_sync.hpp"

#include <greenroom/detail/inbox.hpp>

using namespace greenroom::detail;

namespace {

enum class shape { taking, in_place };

template <unsigned Senders, unsigned Each, std::uint32_t Capacity, shape Shape, bool Stopped>
struct inbox_check
    : rl::test_suite<inbox_check<Senders, Each, Capacity, Shape, Stopped>, Senders + 1> {
  static constexpr unsigned total = Senders * Each;

  struct alignas(16) message : node {
    sync::owned<unsigned> content;
  };
  struct waiting {  // a sender that stands in line
    message* what = nullptr;
    sync::atomic<std::uint32_t> admitted{0};
    sync::futex bed;
  };

  inbox in;
  message all[total];
  // The run queue: a word that the receiver's worker sleeps on.
  sync::atomic<std::uint32_t> runnable{0};
  sync::futex run_bed;
  sync::owned<unsigned> runs;  // handed over with the right to make it runnable (M2)
  // The line of waiting senders, under its lock.
  rl::mutex line_lock;
  waiting line[Senders];
  unsigned first = 0, end = 0;  // places in `order`
  unsigned order[Senders * Each] = {};
  sync::atomic<std::uint32_t> stop{0};

  // Receiver only.
  unsigned next_of_sender[Senders] = {};
  unsigned got = 0;
  std::uint32_t credit = 0;
  node* taken = nullptr;

  void before() {
    in.reset(Shape == shape::in_place ? inbox::idle : 0);
    runs.set(0);
  }

  void make_runnable() {
    runs.set(runs.get() + 1);
    RL_ASSERT(runnable.exchange(1, sync::memory_order_acq_rel) == 0);  // M2
    run_bed.wake();
  }
  void wait_runnable() {
    while (runnable.load(sync::memory_order_relaxed) == 0) run_bed.wait(runnable, std::uint32_t{0});
    runnable.exchange(0, sync::memory_order_acq_rel);
    runs.set(runs.get() + 1);
  }

  // ---- senders

  void send(unsigned sender, unsigned number) {
    message& m = all[sender * Each + number];
    m.content.set(sender * Each + number);
    for (;;) {
      switch (in.push(&m, sender, Capacity)) {
        case admitted::first: make_runnable(); return;
        case admitted::queued: return;
        case admitted::closed: RL_ASSERT(Stopped); return;
        case admitted::full: break;
      }
      RL_ASSERT(Capacity != 0);
      line_lock.lock($);
      if (in.raise_waiters(Capacity)) {
        line[sender].what = &m;
        line[sender].admitted.store(0, sync::memory_order_relaxed);
        order[end++] = sender;
        line_lock.unlock($);
        while (line[sender].admitted.load(sync::memory_order_acquire) == 0)
          line[sender].bed.wait(line[sender].admitted, std::uint32_t{0});
        return;
      }
      line_lock.unlock($);
    }
  }

  // ---- the receiver

  void admit_waiting() {
    line_lock.lock($);
    while (first != end) {
      if (inbox::depth_in(in.look()) >= Capacity) {
        line_lock.unlock($);
        return;
      }
      waiting& w = line[order[first]];
      const unsigned tag = order[first++];
      message* what = w.what;
      w.admitted.store(1, sync::memory_order_release);
      w.bed.wake();
      const admitted how = in.push(what, tag, Capacity, true);
      RL_ASSERT(how == admitted::queued);
    }
    in.lower(inbox::waiters);
    line_lock.unlock($);
  }

  void give_credit() {
    const std::uint32_t n = credit;
    credit = 0;
    if (n == 0 || Capacity == 0) return;
    if ((in.give_back(n) & inbox::waiters) != 0) admit_waiting();
  }

  void check_depth(std::uint64_t word) {
    RL_ASSERT(Capacity == 0 ? inbox::depth_in(word) == 0
                            : inbox::depth_in(word) <= Capacity);  // M3
  }

  void handle(node* n) {
    const auto* m = static_cast<message*>(n);
    const unsigned sender = inbox::tag_of(n);
    RL_ASSERT(sender < Senders);
    RL_ASSERT(m->content.get() == sender * Each + next_of_sender[sender]++);  // M4, once
    ++got;
  }

  bool over() const { return got == total; }

  // As next_message() and publish_rest(): one visit from runnable to rest. True: the receiver has
  // ended. Room is kept back as long as can be, so that every way of giving it back is taken.
  bool run_taking() {
    for (;;) {
      while (taken != nullptr) {
        node* n = taken;
        taken = inbox::next_of(n);
        if (++credit > Capacity) give_credit();
        handle(n);
      }
      const std::uint64_t word = in.look();
      check_depth(word);
      if ((word & inbox::waiters) != 0) give_credit();
      if ((word & inbox::signal) != 0) {
        in.lower(inbox::signal);
        if (stop.load(sync::memory_order_relaxed) != 0) return true;
      }
      const std::uint32_t left = Capacity == 0 ? 0 : credit;
      if ((word & inbox::node_mask) != 0) {
        std::uint64_t before = 0;
        taken = in.take(left, before);
        credit = 0;
        if (left != 0 && (before & inbox::waiters) != 0) admit_waiting();
        continue;
      }
      if (over() && !Stopped) return true;
      credit = 0;
      runs.set(runs.get() + 1);  // seen by whoever makes it runnable, as all that it did
      if (in.rest(left)) return false;
      credit = left;
    }
  }

  // As turn::run(); the in-place path also for small capacities.
  bool run_in_place() {
    for (;;) {
      if (stop.load(sync::memory_order_relaxed) != 0) return true;
      node* n = taken;
      if (n != nullptr) {
        taken = inbox::next_of(n);
        if (++credit >= (Capacity / 4 == 0 ? 1 : Capacity / 4)) give_credit();
        handle(n);
        continue;
      }
      give_credit();
      const std::uint64_t seen = in.look();
      check_depth(seen);
      n = inbox::node_in(seen);
      if ((seen & inbox::signal) != 0) {
        in.lower(inbox::signal);
        continue;
      }
      if (n == nullptr) {
        if (over() && !Stopped) return true;
        if (in.rest()) return false;
        continue;
      }
      if (inbox::next_of(n) != nullptr || (seen & (inbox::closed | inbox::waiters)) != 0) {
        taken = in.take();
        continue;
      }
      handle(n);
      if (!(over() && !Stopped) && in.rest_after(seen, Capacity != 0)) return false;
      node* whole = in.take();
      RL_ASSERT(whole == n);
      taken = inbox::next_of(n);
      ++credit;
    }
  }

  void receive() {
    if (Shape == shape::in_place) wait_runnable();
    while (!(Shape == shape::taking ? run_taking() : run_in_place())) { wait_runnable(); }
    if (!Stopped) return;
    in.raise(inbox::closed);
    if (Capacity == 0) return;
    // Those who wait are told, as fail_waiting() does.
    line_lock.lock($);
    while (first != end) {
      waiting& w = line[order[first++]];
      w.admitted.store(2, sync::memory_order_release);
      w.bed.wake();
    }
    in.lower(inbox::waiters);
    line_lock.unlock($);
  }

  void thread(unsigned index) {
    if (index == Senders) {
      receive();
      return;
    }
    for (unsigned i = 0; i < Each; ++i) send(index, i);
    if (Stopped && index == 0) {
      stop.store(1, sync::memory_order_seq_cst);
      if (in.raise(inbox::signal)) make_runnable();
    }
  }

  void after() {
    if (Stopped) return;
    RL_ASSERT(got == total);
    give_credit();
    RL_ASSERT((in.look() & ~inbox::idle) == 0);  // depth is exact, nothing is left
  }
};

constexpr checks::named_check all[] = {
    {"unbounded_2x2", checks::simulate<inbox_check<2, 2, 0, shape::taking, false>>},
    {"unbounded_3x1", checks::simulate<inbox_check<3, 1, 0, shape::taking, false>>},
    {"in_place_2x2", checks::simulate<inbox_check<2, 2, 0, shape::in_place, false>>},
    {"in_place_bounded", checks::simulate<inbox_check<2, 2, 2, shape::in_place, false>>},
    {"capacity_1", checks::simulate<inbox_check<2, 2, 1, shape::taking, false>>},
    {"capacity_2", checks::simulate<inbox_check<3, 2, 2, shape::taking, false>>},
    {"stopped", checks::simulate<inbox_check<2, 2, 0, shape::taking, true>>},
    {"stopped_in_place", checks::simulate<inbox_check<2, 2, 0, shape::in_place, true>>},
    {"stopped_full", checks::simulate<inbox_check<2, 2, 1, shape::taking, true>>},
};

}  // namespace

int main(int argc, char** argv) { return checks::check_main(argc, argv, all); }
