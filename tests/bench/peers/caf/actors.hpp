// SPDX-License-Identifier: Apache-2.0
// What the workloads for CAF share: messages without a value, and a system of w workers.
//
// An actor is event-based: an object with handlers, which holds no stack. Those that do nothing
// before their first message are spawned lazily, which saves a turn of the scheduler. Mailboxes
// have no bound.
#pragma once

#include "common.hpp"

#include <caf/all.hpp>

#include <cstdint>

namespace bench {

using done = caf::atom_constant<caf::atom("done")>;
using go = caf::atom_constant<caf::atom("go")>;
using stop = caf::atom_constant<caf::atom("stop")>;

// Who schedules. stealing: a queue for each worker, of which a thief takes the oldest entry, after
// a walk over all of it: slow where the queue is long; and an actor that is woken runs before those
// that wait longer. sharing: one queue for all. Each workload names the faster of the two.
enum class policy { stealing, sharing };

class system_config : public caf::actor_system_config {
 public:
  // `fastest` of the two is the workload's default; policy= overrides it.
  system_config(const params& p, policy fastest);
};

// Takes `count` messages, each `done` with a number; returns the sum of the numbers.
std::int64_t collect(caf::scoped_actor& self, std::int64_t count);

void pingpong(const params& p);
void ring(const params& p);
void spawn(const params& p);
void skynet(const params& p);
void fanin(const params& p);
void idle(const params& p);
void hog(const params& p);
void bigfan(const params& p);
void timers(const params& p);
void ask(const params& p);

}  // namespace bench
