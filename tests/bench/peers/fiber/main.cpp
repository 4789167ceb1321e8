// SPDX-License-Identifier: Apache-2.0
// The workloads of greenroom-bench for Boost.Fiber: same names, parameters, defaults and output
// line. An actor is a fiber, its mailbox a buffered channel. Beside the common parameters there are
// stack=BYTES, and where there are several threads algo= and idle= (workers.hpp says more).
#include "workers.hpp"

#include <iterator>

namespace bench {

const char* const program_name = "fiber";

}  // namespace bench

namespace {

constexpr bench::workload workloads[] = {
    {"yield", bench::yield, "n=10000000 stack=16384 algo=auto idle=auto",
     "two fibers take turns on one thread"},
    {"pingpong", bench::pingpong, "n=10000000 stack=16384 algo=auto idle=auto",
     "n messages to and fro"},
    {"ring", bench::ring, "n=5000000 actors=1000 stack=16384 algo=auto idle=auto",
     "one token, n hops"},
    {"spawn", bench::spawn, "n=1000000 stack=16384 algo=auto idle=auto launch=dispatch",
     "a parent starts n, each sends it one message"},
    {"skynet", bench::skynet, "n=1000000 stack=16384 algo=auto idle=auto launch=dispatch",
     "a 10-ary tree of fibers with n leaves"},
    {"fanin", bench::fanin, "n=1000000 producers=8 chan=1024 stack=16384 algo=auto idle=auto",
     "producers x n messages into one channel of capacity chan"},
    {"idle", bench::idle, "n=1000000 stack=16384 algo=auto idle=auto",
     "memory of a fiber that waits"},
    {"hog", bench::hog, "ms=3000 pace_us=0 stack=16384 algo=auto idle=auto",
     "ping-pong beside w spinners; pace_us: each round trip started by a timer"},
    {"bigfan", bench::bigfan, "n=2000 actors=1000 stack=16384 algo=auto idle=auto",
     "everybody pings random others, n times"},
    {"timers", bench::timers, "actors=100000 n=50 ms=10 stack=16384 algo=auto idle=auto",
     "each sleeps ms milliseconds n times"},
    {"ask", bench::ask, "accounts=1000 tellers=2 n=1000000 stack=16384 algo=auto idle=auto",
     "bank transfers: an ask inside the handler of an ask"},
};

}  // namespace

int main(int argc, char** argv) {
  return bench::run_named(std::begin(workloads), std::end(workloads), argc, argv);
}
