// SPDX-License-Identifier: Apache-2.0
// Handlers that fit: one for each message, in any order, a reply or a promise of one.
// expect: no error
#include <greenroom/greenroom.hpp>

namespace gr = greenroom;

struct add {
  int amount;
};
struct total {
  using reply = int;
};

struct slow {
  using reply = long;
};

void counter(gr::mailbox<add, total, slow, int>& in, int sum) {
  while (in.receive([&](total) { return sum; },
                    [&](slow, gr::promise<long> answer) { answer.set(1); },
                    [&](const int& n) { sum += n; }, [&](add m) { sum += m.amount; })) {}
  in.try_receive([&](int) {}, [&](add&&) {}, [](total) { return 1; }, [](slow) { return 2L; });
}

void start(gr::runtime& rt) { rt.spawn_detached(counter, 10); }
