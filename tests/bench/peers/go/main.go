// SPDX-License-Identifier: Apache-2.0

// The workloads of greenroom-bench for Go: same names, parameters, defaults and output line,
// `go WORKLOAD params value unit [name=value ...] peak_rss_mb=value`.
//
// An actor is a goroutine, its mailbox a channel, w the number of processors (GOMAXPROCS); the
// garbage collector runs as it does by default. Go starts all of them and needs no exception:
// where a mailbox must hold whatever comes, its channel is made as large as that can get.
package main

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

type workload struct {
	name     string
	run      func(params)
	defaults string // w=1 is every workload's
}

var workloads = []workload{
	{"yield", yield, "n=10000000"},
	{"pingpong", pingpong, "n=10000000 chan=0"},
	{"ring", ring, "n=5000000 actors=1000 chan=0"},
	{"spawn", spawn, "n=1000000"},
	{"skynet", skynet, "n=1000000"},
	{"fanin", fanin, "n=1000000 producers=8 chan=1024"},
	{"idle", idle, "n=1000000"},
	{"hog", hog, "ms=3000 pace_us=0"},
	{"bigfan", bigfan, "n=2000 actors=1000"},
	{"timers", timers, "actors=100000 n=50 ms=10"},
	{"chan", channel, "n=1000000 cap=0 pairs=1"},
	{"select", selection, "n=1000000 cases=2 cap=1"},
	{"sieve", sieve, "n=2000 cap=0"},
	{"ask", ask, "accounts=1000 tellers=2 n=1000000"},
}

func main() {
	if len(os.Args) > 1 {
		for _, w := range workloads {
			if w.name == os.Args[1] {
				p := parse(w, os.Args[2:])
				runtime.GOMAXPROCS(p.get("w"))
				w.run(p)
				return
			}
		}
	}
	for _, w := range workloads {
		fmt.Fprintf(os.Stderr, "  %-9s w=1 %s\n", w.name, w.defaults)
	}
	os.Exit(2)
}

func fail(format string, arguments ...any) {
	fmt.Fprintf(os.Stderr, "go: "+format+"\n", arguments...)
	os.Exit(1)
}

// params are the key=value arguments of one run over the workload's defaults.
type params struct {
	workload string
	given    string
	values   map[string]int
}

func parse(w workload, arguments []string) params {
	p := params{w.name, strings.Join(arguments, ","), map[string]int{"w": 1}}
	if p.given == "" {
		p.given = "-"
	}
	for _, a := range strings.Fields(w.defaults) {
		p.set(a)
	}
	for _, a := range arguments {
		key, _, _ := strings.Cut(a, "=")
		if _, known := p.values[key]; !known {
			fail("%s has no parameter `%s`", w.name, a)
		}
		p.set(a)
	}
	return p
}

func (p params) set(argument string) {
	key, value, _ := strings.Cut(argument, "=")
	number, err := strconv.Atoi(value)
	if err != nil || number < 0 {
		fail("%s is no whole number", argument)
	}
	p.values[key] = number
}

func (p params) get(key string) int { return p.values[key] }

// out prints the result line; extras are the name=value pairs behind the unit.
func (p params) out(value float64, unit string, extras ...string) {
	extras = append(extras, fmt.Sprintf("peak_rss_mb=%d", statusKB("VmHWM")/1024))
	fmt.Printf("go %s %s %.4g %s %s\n", p.workload, p.given, value, unit, strings.Join(extras, " "))
}

// statusKB is a kB field of /proc/self/status.
func statusKB(field string) int {
	text, _ := os.ReadFile("/proc/self/status")
	for _, line := range strings.Split(string(text), "\n") {
		if rest := strings.TrimPrefix(line, field+":"); rest != line {
			kb, _ := strconv.Atoi(strings.Fields(rest)[0])
			return kb
		}
	}
	return 0
}

func cpuSeconds() float64 {
	var used syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &used)
	return time.Duration(used.Utime.Nano() + used.Stime.Nano()).Seconds()
}

// warmedUp runs a tenth of the size, then the size, and says how long that took.
func warmedUp(n int, run func(n int) time.Duration) time.Duration {
	run(n / 10)
	runtime.GC()
	return run(n)
}

// each is the nanoseconds that one of n took.
func each(took time.Duration, n int) float64 { return float64(took) / float64(n) }

// random draws the row of numbers that every program draws.
type random uint32

func (r *random) below(n int) int {
	*r = *r*1664525 + 1013904223
	return int(uint32(*r)>>8) % n
}
