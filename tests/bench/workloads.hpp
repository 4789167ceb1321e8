// SPDX-License-Identifier: Apache-2.0
// The workloads, one a file; main.cpp has the table with their parameters.
#pragma once

#include "bench.hpp"

namespace bench {

void yield(const params& p);
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
void millions(const params& p);
void nest(const params& p);
void burst(const params& p);
void fair(const params& p);
void crowd(const params& p);
void chan(const params& p);
void select(const params& p);
void sieve(const params& p);
void broadcast(const params& p);
void work_queue(const params& p);
void restart(const params& p);
void monitor(const params& p);
void echo(const params& p);  // only where the library has streams

}  // namespace bench
