// SPDX-License-Identifier: Apache-2.0
// Asio's objects on green threads. Prints `ok`.
// [await]
#include <greenroom/asio.hpp>
#include <greenroom/greenroom.hpp>

#include <asio/signal_set.hpp>
#include <asio/steady_timer.hpp>

#include <csignal>
#include <cstdio>

namespace gr = greenroom;
using namespace std::chrono_literals;

int wait_for_signal() {
  asio::signal_set signals(gr::io_context(), SIGINT, SIGTERM);
  return signals.async_wait(gr::await);  // parks; errors throw std::system_error
}

bool is_over_in(gr::duration longest) {
  asio::steady_timer timer(gr::io_context(), 10s);
  asio::error_code why;
  timer.async_wait(gr::await_for(longest)(why));  // past that: asio::error::timed_out in `why`
  return why != asio::error::timed_out;
}
// [/await]

int main() {
  return gr::run([] {
    if (is_over_in(1ms)) return 1;
    // Holds the signal's handler also before and after the wait; sent until it is seen.
    const asio::signal_set held(gr::io_context(), SIGTERM);
    const gr::green_thread sender = gr::spawn([] {
      for (;;) {
        std::raise(SIGTERM);
        gr::sleep_for(1ms);
      }
    });
    const int got = wait_for_signal();
    sender.cancel();
    (void)sender.join();
    std::puts(got == SIGTERM ? "ok" : "wrong signal");
    return 0;
  });
}
