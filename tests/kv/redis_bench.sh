#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Compares greenroom-kv with redis-server by redis-benchmark: redis_bench.sh PROGRAM [REQUESTS]
#
# Both servers are on core 0 and take turns, the client is on core 1. Prints medians of requests
# per second and their ratio, without pipelining and with 16 commands in flight.
set -eu

program=${1:?usage: redis_bench.sh PROGRAM [REQUESTS]}
requests=${2:-200000}
rounds=5
tests=set,get,incr,lpush,rpush,lpop,sadd,hset,mset
folder=$(mktemp -d)
ours= theirs=
trap 'kill $ours $theirs 2>/dev/null || true; rm -rf "$folder"' EXIT

# measure NAME PORT DEPTH COMMAND: adds a line of `depth command name requests-per-second`.
measure() {
  taskset -c 1 redis-benchmark -p "$2" -t "$4" -n "$requests" -c 50 -P "$3" --csv |
    sed 1d | tr -d '"' | awk -F, -v at="$3 $4 $1" '{ print at, $2 }' >> "$folder/all"
}

taskset -c 0 "$program" --port 0 --workers 1 > "$folder/ours" &
ours=$!
port=16399
taskset -c 0 redis-server --port $port --save '' --dir "$folder" > "$folder/theirs" &
theirs=$!
until grep -q listening "$folder/ours" && grep -q 'Ready to accept' "$folder/theirs"; do :; done
our_port=$(sed 's/.*://' "$folder/ours")

for round in $(seq "$rounds"); do
  for depth in 1 16; do
    for command in $(echo "$tests" | tr , ' '); do
      measure greenroom "$our_port" "$depth" "$command"
      measure redis "$port" "$depth" "$command"
    done
  done
done

echo "depth command   greenroom-kv  redis-server  ratio"
sort -k1,1n -k2,2 -k3,3 -k4,4n "$folder/all" | awk -v middle=$(((rounds + 1) / 2)) '
  { if ($1 " " $2 " " $3 != at) n = 0; at = $1 " " $2 " " $3; ++n }
  n == middle && $3 == "greenroom" { ours = $4 }
  n == middle && $3 == "redis" { printf "%5d %-8s %13d %13d %6.2f\n", $1, $2, ours, $4, ours / $4 }'
