// SPDX-License-Identifier: Apache-2.0
// The counter of examples/hello/main.cpp for CAF 0.17: same actor, same messages, typed as well.
#include <caf/all.hpp>

#include <chrono>
#include <cstdio>

using add = caf::atom_constant<caf::atom("add")>;
using total = caf::atom_constant<caf::atom("total")>;
using counter_actor = caf::typed_actor<caf::reacts_to<add, int>, caf::replies_to<total>::with<int>>;
using adder_actor = caf::typed_actor<caf::reacts_to<add, int>>;

struct counter_state {
  int sum = 0;
};

counter_actor::behavior_type counter(counter_actor::stateful_pointer<counter_state> self, int sum) {
  self->state.sum = sum;
  return {[=](add, int amount) { self->state.sum += amount; },
          [=](total) { return self->state.sum; }};
}

int main() {
  caf::actor_system_config config;
  caf::actor_system system{config};
  counter_actor c = system.spawn(counter, 10);
  adder_actor adder = c;
  caf::anon_send(adder, add::value, 32);
  caf::scoped_actor self{system};
  self->request(c, std::chrono::milliseconds(100), total::value)
      .receive([](int sum) { std::printf("%d\n", sum); },
               [](const caf::error&) { std::printf("-1\n"); });
}
