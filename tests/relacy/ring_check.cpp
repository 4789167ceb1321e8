// SPDX-License-Identifier: Apache-2.0
// The two rings of a worker under their owner and its thieves: every entry comes out once, and
// whoever gets it sees what was written before it was pushed. run.py makes the rings small, so
// that they fill and wrap.
#include "relacy_sync.hpp"

#include "bias.hpp"
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
    if (!self().push_one(entry)) ++refused;
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
  bool push_one(runnable r) { return ring.push(r); }
  runnable pop_one() { return ring.pop(false); }
  std::uint32_t steal_some(runnable* out) { return ring.steal(out); }
};

template <unsigned Thieves, unsigned Entries>
struct fresh_check : ring_check<fresh_check<Thieves, Entries>, Thieves, Entries> {
  fresh_ring ring;
  bool push_one(runnable r) { return ring.push(r, false); }
  runnable pop_one() { return ring.pop_newest(false); }
  std::uint32_t steal_some(runnable* out) { return ring.steal(out, 2); }
};

// Every other entry is pushed before all others.
template <unsigned Thieves, unsigned Entries>
struct ends_check : ring_check<ends_check<Thieves, Entries>, Thieves, Entries> {
  fresh_ring ring;
  bool push_one(runnable r) { return r % 2 == 0 ? ring.push_oldest(r) : ring.push(r, false); }
  runnable pop_one() { return ring.pop_newest(false); }
  std::uint32_t steal_some(runnable* out) { return ring.steal(out, 2); }
};

// The owner works without locked steps while it has the bias, and takes it back again and again.
template <class Derived, unsigned Thieves, unsigned Entries>
struct biased_check : ring_check<Derived, Thieves, Entries> {
  bias mine;

  template <class Step>
  auto as_owner(Step step) {
    const bool biased = mine.enter();
    const auto result = step(biased);
    if (biased) mine.leave();
    mine.rebias();
    return result;
  }
  template <class Step>
  std::uint32_t as_thief(Step step) {
    if (!mine.start_stealing()) return 0;
    const std::uint32_t n = step();
    mine.stop_stealing();
    return n;
  }
};

template <unsigned Thieves, unsigned Entries>
struct biased_run_check : biased_check<biased_run_check<Thieves, Entries>, Thieves, Entries> {
  run_ring ring;
  bool push_one(runnable r) { return ring.push(r); }
  runnable pop_one() {
    return this->as_owner([&](bool biased) { return ring.pop(biased); });
  }
  std::uint32_t steal_some(runnable* out) {
    return this->as_thief([&] { return ring.steal(out); });
  }
};

template <unsigned Thieves, unsigned Entries>
struct biased_fresh_check : biased_check<biased_fresh_check<Thieves, Entries>, Thieves, Entries> {
  fresh_ring ring;
  bool push_one(runnable r) {
    return this->as_owner([&](bool biased) { return ring.push(r, biased); });
  }
  runnable pop_one() {
    return this->as_owner([&](bool biased) { return ring.pop_newest(biased); });
  }
  std::uint32_t steal_some(runnable* out) {
    return this->as_thief([&] { return ring.steal(out, 2); });
  }
};

constexpr checks::named_check all[] = {
    {"run_ring_1", checks::simulate<run_check<1, 7>>},
    {"run_ring_2", checks::simulate<run_check<2, 7>>},
    {"fresh_ring_1", checks::simulate<fresh_check<1, 7>>},
    {"fresh_ring_2", checks::simulate<fresh_check<2, 7>>},
    {"fresh_ring_ends_1", checks::simulate<ends_check<1, 7>>},
    {"fresh_ring_ends_2", checks::simulate<ends_check<2, 7>>},
    {"biased_run_1", checks::simulate<biased_run_check<1, 5>>},
    {"biased_run_2", checks::simulate<biased_run_check<2, 4>>},
    {"biased_fresh_1", checks::simulate<biased_fresh_check<1, 5>>},
    {"biased_fresh_2", checks::simulate<biased_fresh_check<2, 4>>},
};

}  // namespace

int main(int argc, char** argv) { return checks::check_main(argc, argv, all); }
