// SPDX-License-Identifier: Apache-2.0
// The netpoller: how workers wait for the outside world. One per scheduler.
//
// Behind it stands an event_hub (event_hub.hpp), which watches our own sockets through epoll and
// runs an Asio io_context as a guest once somebody asked for one. The interface is virtual so
// that a simulation can put a poller without a kernel in its place.
#pragma once

#include <greenroom/clock.hpp>

#include <memory>

namespace greenroom::detail {

class event_hub;

class netpoller {
 public:
  virtual ~netpoller() = default;

  // Something is watched or under way: it makes sense to poll. Any thread; one relaxed load.
  virtual bool has_work() = 0;
  // Runs ready completions, which do nothing but wake(); returns how many. Zero does not block;
  // duration::max() blocks until there is an event or an interrupt().
  // On a loop's stack only, and by one worker at a time.
  virtual int poll(duration max_wait) = 0;
  // Any thread. Ends a blocking poll, or the next one if none blocks now.
  virtual void interrupt() = 0;
  // `call(argument)` runs when has_work() becomes true, on the thread that made it so: the
  // scheduler then sees to it that a worker polls. Set before the workers start.
  virtual void set_wakeup(void (*call)(void*), void* argument) = 0;
  // Where sockets and guests register.
  virtual event_hub& hub() = 0;
};

std::unique_ptr<netpoller> make_netpoller();

}  // namespace greenroom::detail
