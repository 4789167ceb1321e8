// SPDX-License-Identifier: Apache-2.0
// greenroom-bench WORKLOAD [k=v ...]: runs one workload in this process and prints its line.
#include "workloads.hpp"

#include <iterator>

namespace bench {

const char* const program_name = "greenroom";

}  // namespace bench

namespace {

constexpr bench::workload workloads[] = {
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
    {"millions", bench::millions, "n=10000000 form=object",
     "n actors alive at once, and their memory back; form=function"},
    {"nest", bench::nest, "n=1000000", "n green threads, each waits for its child"},
    {"burst", bench::burst, "n=100000 kb=64",
     "n green threads with kb KiB of stack in use, and their memory back"},
    {"fair", bench::fair, "n=1000 form=object",
     "how long a message and a sleep wait beside actors that never end; no helpers"},
    {"crowd", bench::crowd, "n=50000 threads=32 chan=1024",
     "threads OS threads and as many green ones send n each into one mailbox (chan 0: unbounded)"},
    {"chan", bench::chan, "n=1000000 cap=0 pairs=1",
     "pairs senders and receivers share a channel of capacity cap"},
    {"select", bench::select, "n=1000000 cases=2 cap=1 form=call",
     "one selects among cases channels, ready at random; form=set: by a set made once"},
    {"sieve", bench::sieve, "n=2000 cap=0", "the first n primes, a green thread each"},
    {"broadcast", bench::broadcast, "n=100000 receivers=1000 chan=128 policy=wait",
     "one sender, every receiver sees n values; policy=drop: the slow miss some"},
    {"work_queue", bench::work_queue, "n=1000000 producers=8 consumers=8 chan=1024",
     "producers x n jobs for any of the consumers, in no order"},
    {"restart", bench::restart, "n=500000 kill=0",
     "a supervised child ends n times by an exception; kill=1: by a kill"},
    {"monitor", bench::monitor, "n=1000000", "n actors, spawned, monitored and heard of in turn"},
    {"echo", bench::echo, "port=7777", "TCP echo server on 127.0.0.1, until killed"},
};

}  // namespace

int main(int argc, char** argv) {
  return bench::run_named(std::begin(workloads), std::end(workloads), argc, argv);
}
