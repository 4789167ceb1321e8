// SPDX-License-Identifier: Apache-2.0
// The workloads of greenroom-bench for CAF 0.17: same names, parameters, defaults and output line;
// policy=stealing or policy=sharing chooses the scheduler.
//
// There is no `yield`: a handler cannot let another actor run and then go on.
#include "actors.hpp"

#include <iterator>

namespace bench {

const char* const program_name = "caf";

system_config::system_config(const params& p, policy fastest) {
  bool steals = fastest == policy::stealing;
  if (p.text("policy") != "auto") steals = p.choice("policy", "stealing", "sharing");
  set("scheduler.max-threads", static_cast<std::size_t>(p.workers()));
  set("scheduler.policy", steals ? caf::atom("stealing") : caf::atom("sharing"));
}

std::int64_t collect(caf::scoped_actor& self, std::int64_t count) {
  std::int64_t sum = 0;
  std::int64_t taken = 0;
  self->receive_for(taken, count)([&](done, std::int64_t number) { sum += number; });
  return sum;
}

}  // namespace bench

namespace {

constexpr bench::workload workloads[] = {
    {"pingpong", bench::pingpong, "n=10000000 policy=auto", "n messages to and fro"},
    {"ring", bench::ring, "n=5000000 actors=1000 policy=auto", "one token, n hops"},
    {"spawn", bench::spawn, "n=1000000 policy=auto",
     "a parent spawns n, each sends it one message"},
    {"skynet", bench::skynet, "n=1000000 policy=auto", "a 10-ary tree of actors with n leaves"},
    {"fanin", bench::fanin, "n=1000000 producers=8 chan=0 policy=auto",
     "producers x n messages into one mailbox"},
    {"idle", bench::idle, "n=1000000 policy=auto", "memory of an actor that waits"},
    {"hog", bench::hog, "ms=3000 pace_us=0 policy=auto",
     "ping-pong beside w spinners; pace_us: each round trip started by a timer"},
    {"bigfan", bench::bigfan, "n=2000 actors=1000 policy=auto",
     "everybody pings random others, n times"},
    {"timers", bench::timers, "actors=100000 n=50 ms=10 policy=auto",
     "each waits ms milliseconds n times"},
    {"ask", bench::ask, "accounts=1000 tellers=2 n=1000000 policy=auto",
     "bank transfers: a request inside the handler of a request"},
};

}  // namespace

int main(int argc, char** argv) {
  return bench::run_named(std::begin(workloads), std::end(workloads), argc, argv);
}
