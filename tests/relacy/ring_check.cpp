// SPDX-License-Identifier: Apache-2.0
// The two rings of a worker under their owner and its thieves: every entry comes out once, and
// whoever gets it sees what was written before it was pushed. run.py makes the rings small, so
// that they fill and wrap.
#include "relacy_sync.hpp"

#include "run_queue.hpp"

using namespace greenroom::detail;

namespace {

template <class Derived, unsigned Thieves, unsigned Entries>
struct ring_check : rl::test_suite<Derived, Thieves + 1> {
  sync::owned<unsigned> content[Entries + 1];
  unsigned seen[Entries + 1] = {};
  unsigned refused = 0;

  Derived& self() { return static_cast<Derived&>(*this); }

  void got(runnable r) {
    RL_ASSERT(r != 0 && r <= Entries);
    RL_ASSERT(content[r].get() == 100 + r);
    RL_ASSERT(++seen[r] == 1);
  }
  void push(unsigned entry) {
    content[entry].set(100 + entry);
    if (!self().ring.push(entry)) ++refused;
  }
  bool pop() {
    const runnable r = self().pop_one();
    if (r != 0) got(r);
    return r != 0;
  }
  void steal_once() {
    runnable out[16];
    const std::uint32_t n = self().steal_some(out);
    for (std::uint32_t i = 0; i < n; ++i) got(out[i]);
  }
  void thread(unsigned index) {
    if (index != 0) {
      steal_once();
      steal_once();
      return;
    }
    // Pops between pushes: the ring fills and wraps, and its newest end moves back and forth.
    for (unsigned entry = 1; entry <= Entries; ++entry) {
      push(entry);
      if (entry % 3 == 0) pop();
    }
    while (pop()) {}
  }
  void after() {
    while (pop()) {}
    unsigned total = refused;
    for (const unsigned n : seen) total += n;
    RL_ASSERT(total == Entries);
    RL_ASSERT(self().ring.length() == 0);
  }
};

template <unsigned Thieves, unsigned Entries>
struct run_check : ring_check<run_check<Thieves, Entries>, Thieves, Entries> {
  run_ring ring;
  runnable pop_one() { return ring.pop(); }
  std::uint32_t steal_some(runnable* out) { return ring.steal(out); }
};

template <unsigned Thieves, unsigned Entries>
struct fresh_check : ring_check<fresh_check<Thieves, Entries>, Thieves, Entries> {
  fresh_ring ring;
  runnable pop_one() { return ring.pop_newest(); }
  std::uint32_t steal_some(runnable* out) { return ring.steal(out, 2); }
};

constexpr checks::named_check all[] = {
    {"run_ring_1", checks::simulate<run_check<1, 7>>},
    {"run_ring_2", checks::simulate<run_check<2, 7>>},
    {"fresh_ring_1", checks::simulate<fresh_check<1, 7>>},
    {"fresh_ring_2", checks::simulate<fresh_check<2, 7>>},
};

}  // namespace

int main(int argc, char** argv) { return checks::check_main(argc, argv, all); }
