// SPDX-License-Identifier: Apache-2.0
// Another library's event loop that runs as a guest of the netpoller. <greenroom/asio.hpp> makes
// one of an asio::io_context; the compiled library itself knows no Asio, so that a service may
// use any configuration of it.
#pragma once

#include <greenroom/clock.hpp>
#include <greenroom/config.hpp>

namespace greenroom::detail {

class event_hub;

class guest_loop {
 public:
  virtual ~guest_loop() = default;
  // Runs what is ready, without blocking; returns how many handlers ran.
  virtual int poll() = 0;
  // Blocks until a handler ran, max_wait is over (duration::max(): no limit), or the poll
  // descriptor that the guest was made with is readable.
  virtual int run(duration max_wait) = 0;

  event_hub* host = nullptr;  // set once, by the hub, before the guest is published
};

// The guest of the caller's runtime; the first call makes it. `poll_fd` is readable while the
// hub has events of its own. The guest lives as long as the process.
guest_loop& current_guest(guest_loop* (*make)(int poll_fd));

// An operation of the guest is under way: workers poll the guest while there is one. Any thread.
void guest_operation_started(guest_loop& guest) noexcept;
void guest_operation_ended(guest_loop& guest) noexcept;

}  // namespace greenroom::detail
