// SPDX-License-Identifier: Apache-2.0
// Control: all of them, used as they are meant to be.
// expect: no error
#include <greenroom/greenroom.hpp>

namespace gr = greenroom;

struct token {
  explicit token(int n) : number(n) {}
  token(token&&) = default;
  int number;
};

void user() {
  auto [tell, told] = gr::oneshot<token>();
  auto [give, work] = gr::work_queue<token>(1);
  auto [set, setting] = gr::watch(1);
  auto tx = gr::broadcast<int>(1, gr::slow::wait);
  auto rx = tx.subscribe();
  gr::latch l(1);
  gr::semaphore s(1);
  (void)tell.send(token(1));
  (void)give.send(token(2));
  gr::select(told.on([](token) {}), work.on([](token) {}), setting.on([](int) {}),
             rx.on([](std::expected<int, gr::error>) {}), l.on([] {}), s.on([](gr::permit) {}));
}
