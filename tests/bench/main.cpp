// SPDX-License-Identifier: Apache-2.0
// greenroom-bench WORKLOAD [k=v ...]: runs one workload in this process and prints its line.
#include "workloads.hpp"

#include <cstdio>
#include <cstring>

namespace {

struct workload {
  const char* name;
  void (*run)(const bench::params&);
  const char* defaults;  // w=1, the number of worker threads, is every workload's
  const char* what;
};

constexpr workload workloads[] = {
    {"yield", bench::yield, "n=10000000", "two green threads take turns, n switches in all"},
    {"pingpong", bench::pingpong, "n=10000000 form=function",
     "n messages to and fro; form=object: actors without a stack"},
    {"ring", bench::ring, "n=5000000 actors=1000", "one token, n hops"},
    {"spawn", bench::spawn, "n=1000000 form=thread",
     "a parent spawns n, each sends it one message; form=function: children with a mailbox"},
    {"skynet", bench::skynet, "n=1000000", "a 10-ary tree of actors with n leaves"},
    {"fanin", bench::fanin, "n=1000000 producers=8 chan=1024",
     "producers x n messages into one mailbox of capacity chan (0: unbounded)"},
    {"idle", bench::idle, "n=1000000 form=function",
     "memory of an actor that waits; form=object: actors without a stack"},
    {"hog", bench::hog, "ms=3000 pace_us=0",
     "ping-pong beside w spinners; pace_us: each round trip started by a timer"},
    {"bigfan", bench::bigfan, "n=2000 actors=1000", "everybody pings random others, n times"},
    {"timers", bench::timers, "actors=100000 n=50 ms=10", "each sleeps ms milliseconds n times"},
    {"ask", bench::ask, "accounts=1000 tellers=2 n=1000000",
     "bank transfers: an ask inside the handler of an ask"},
    {"echo", bench::echo, "port=7777", "TCP echo server on 127.0.0.1, until killed"},
};

int usage() {
  std::fputs("usage: greenroom-bench WORKLOAD [k=v ...]; w=1 is the number of workers\n", stderr);
  for (const workload& w : workloads)
    std::fprintf(stderr, "  %-9s %s\n            %s\n", w.name, w.what, w.defaults);
  return 2;
}

}  // namespace

int main(int argc, char** argv) {
  for (const workload& w : workloads) {
    if (argc < 2 || std::strcmp(argv[1], w.name) != 0) continue;
    w.run(bench::params(w.name, w.defaults, argc - 2, argv + 2));
    return 0;
  }
  return usage();
}
