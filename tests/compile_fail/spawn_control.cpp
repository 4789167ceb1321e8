// SPDX-License-Identifier: Apache-2.0
// Functions started with arguments they take.
// expect: no error
#include <greenroom/greenroom.hpp>

#include <memory>

namespace gr = greenroom;

struct add {
  int amount;
};
struct total {
  using reply = int;
};

void counter(gr::mailbox<add>& in, int sum, std::unique_ptr<int> owned) {
  while (in.receive([&](add m) { sum += m.amount + *owned; })) {}
}

void start(gr::runtime& rt) {
  gr::address<add> a = rt.spawn(counter, 10, std::make_unique<int>(1));
  gr::address<add> b = rt.spawn({.name = "counter"}, counter, 10, std::make_unique<int>(1));
  rt.spawn_detached([](gr::mailbox<add>& in) { in.receive([](add) {}); });
  gr::green_thread t = rt.spawn([](int) {}, 3);
  t.join();
}

void inside() {
  gr::address<add> a = gr::spawn(counter, 10, std::make_unique<int>(1));
  gr::spawn([] {}).join();
}
