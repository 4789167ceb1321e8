// SPDX-License-Identifier: Apache-2.0
// The inbox of a mailbox that drops its oldest: mailbox/overload.cpp's senders, which replace what
// stands in it, and its receiver, which takes one at a time from the list behind it. Checked: each
// message is handled or dropped, once; each sender's order; the depth (M3, M8); and that no wake-up
// is lost, which shows as a deadlock.
#include "relacy_sync.hpp"

#include <greenroom/detail/inbox.hpp>

using namespace greenroom::detail;

namespace {

template <unsigned Senders, unsigned Each, std::uint32_t Capacity>
struct oldest_check : rl::test_suite<oldest_check<Senders, Each, Capacity>, Senders + 1> {
  static constexpr unsigned total = Senders * Each;

  struct alignas(16) message : node {
    sync::owned<unsigned> content;
  };

  inbox in;
  message all[total];
  sync::atomic<std::uint32_t> runnable{0};
  sync::futex run_bed;
  rl::mutex lock;
  // Under the lock.
  node* first = nullptr;
  node* last = nullptr;
  unsigned gone = 0;  // handled or dropped
  unsigned next_of_sender[Senders] = {};

  void before() { in.reset(inbox::waiters | inbox::idle); }

  void make_runnable() {
    RL_ASSERT(runnable.exchange(1, sync::memory_order_acq_rel) == 0);  // M2
    run_bed.wake();
  }

  // REQUIRES: the lock.
  void append(node* oldest, std::uint64_t word) {
    if (oldest == nullptr) return;
    if (last == nullptr)
      first = oldest;
    else
      last->link.set((std::uint64_t{inbox::tag_of(last)} << 48) |
                     reinterpret_cast<std::uint64_t>(oldest));
    last = inbox::node_in(word);
  }
  node* pop() {
    node* n = first;
    if (n == nullptr) return nullptr;
    first = inbox::next_of(n);
    if (first == nullptr) last = nullptr;
    // The order of both, those dropped and those handled: all go from the head of one list.
    const unsigned sender = inbox::tag_of(n);
    RL_ASSERT(static_cast<message*>(n)->content.get() == sender * Each + next_of_sender[sender]++);
    ++gone;
    return n;
  }

  void send(unsigned sender, unsigned number) {
    message& m = all[sender * Each + number];
    m.content.set(sender * Each + number);
    admitted how = in.push(&m, sender, Capacity, true);
    if (how == admitted::full) {
      lock.lock($);
      std::uint32_t depth = 0;
      how = in.push_marked(&m, sender, Capacity, 0, depth);
      if (how == admitted::full) {
        std::uint64_t before = 0;
        how = in.replace(&m, sender, before);
        append(inbox::oldest_in(before), before);
        if (pop() != nullptr || mutated(62)) in.give_back(1);
      }
      RL_ASSERT(inbox::depth_in(in.look()) <= Capacity + 1);
      lock.unlock($);
    }
    if (how == admitted::first) make_runnable();
  }

  // True: the receiver has ended.
  bool run() {
    for (;;) {
      const std::uint64_t word = in.look();
      RL_ASSERT((word & inbox::waiters) != 0);
      if (!mutated(61)) lock.lock($);
      if (first == nullptr) {
        std::uint64_t before = 0;
        node* oldest = in.take(0, before);
        append(oldest, before);
      }
      node* n = pop();
      const bool over = gone == total;
      if (!mutated(61)) lock.unlock($);
      if (n != nullptr) {
        in.give_back(1);
        continue;
      }
      if (over) return true;
      if (in.rest()) return false;
    }
  }

  void thread(unsigned index) {
    if (index != Senders) {
      for (unsigned i = 0; i < Each; ++i) send(index, i);
      return;
    }
    for (bool over = false; !over;) {
      while (runnable.load(sync::memory_order_relaxed) == 0)
        run_bed.wait(runnable, std::uint32_t{0});
      runnable.exchange(0, sync::memory_order_acq_rel);
      over = run();
    }
  }

  void after() {
    RL_ASSERT(gone == total && first == nullptr);
    RL_ASSERT((in.look() & ~(inbox::idle | inbox::waiters)) == 0);
  }
};

constexpr checks::named_check all[] = {
    {"oldest_2x2", checks::simulate<oldest_check<2, 2, 1>>},
    {"oldest_2x3", checks::simulate<oldest_check<2, 3, 2>>},
};

}  // namespace

int main(int argc, char** argv) { return checks::check_main(argc, argv, all); }
