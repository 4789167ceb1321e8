// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"runtime"
	"sort"
	"sync"
	"time"
)

// spawn: a parent spawns n goroutines, then takes the one message that each sends.
func spawn(p params) {
	n := p.get("n")
	took := warmedUp(n, func(n int) time.Duration {
		start := time.Now()
		in := make(chan int, n) // a smaller one would stop the children before the last spawn
		for i := 0; i < n; i++ {
			go func() { in <- 1 }()
		}
		heard := 0
		for i := 0; i < n; i++ {
			heard += <-in
		}
		if heard != n {
			fail("spawn: some children were not heard")
		}
		return time.Since(start)
	})
	p.out(each(took, n), "ns/actor")
}

// leaves sends up the sum of the numbers from first on, one a leaf.
func leaves(up chan<- int, first, count int) {
	if count == 1 {
		up <- first
		return
	}
	in, share, sum := make(chan int, 10), count/10, 0
	for i := 0; i < 10; i++ {
		go leaves(in, first+i*share, share)
	}
	for i := 0; i < 10; i++ {
		sum += <-in
	}
	up <- sum
}

// skynet: a 10-ary tree of goroutines with n leaves; each parent adds up what ten children send.
func skynet(p params) {
	took := warmedUp(p.get("n"), func(n int) time.Duration {
		if n < 1 {
			n = 1
		}
		root := make(chan int, 1)
		start := time.Now()
		go leaves(root, 0, n)
		sum := <-root
		took := time.Since(start)
		if sum != n*(n-1)/2 {
			fail("skynet: wrong sum; is n a power of ten?")
		}
		return took
	})
	p.out(float64(took)/1e6, "ms")
}

// idle: resident memory of a goroutine and its channel after it has answered one message.
func idle(p params) {
	const unansweredMax = 512
	n := p.get("n")
	before := statusKB("VmRSS")
	start := time.Now()
	answers := make(chan int, unansweredMax)
	all := make([]chan<- int, n)
	sum := 0
	for i := range all {
		in := make(chan int, 1)
		all[i] = in
		go func() {
			for question := range in {
				answers <- question
			}
		}()
		in <- i
		if i >= unansweredMax {
			sum += <-answers
		}
	}
	for i := 0; i < n && i < unansweredMax; i++ {
		sum += <-answers
	}
	took := time.Since(start)
	bytes := float64(statusKB("VmRSS")-before) * 1024
	if sum != n*(n-1)/2 {
		fail("idle: wrong answers")
	}
	p.out(bytes/float64(n), "B/actor", fmt.Sprintf("setup_ms=%d", took.Milliseconds()))
	runtime.KeepAlive(all)
}

// timers: every goroutine sleeps ms milliseconds, n times, and notes how late it woke.
func timers(p params) {
	actors, n := p.get("actors"), p.get("n")
	d := time.Duration(p.get("ms")) * time.Millisecond
	lateUs := make([]int32, actors*n)
	run := func(actors, n int) time.Duration {
		var end sync.WaitGroup
		end.Add(actors)
		start := time.Now()
		for i := 0; i < actors; i++ {
			go func(late []int32) {
				for i := range late {
					start := time.Now()
					time.Sleep(d)
					late[i] = int32((time.Since(start) - d).Microseconds())
				}
				end.Done()
			}(lateUs[i*n : (i+1)*n])
		}
		end.Wait()
		return time.Since(start)
	}
	run(actors/10, n/10)
	before := cpuSeconds()
	wall := run(actors, n)
	cpu := cpuSeconds() - before
	sort.Slice(lateUs, func(i, j int) bool { return lateUs[i] < lateUs[j] })
	if len(lateUs) > 0 && lateUs[0] < 0 {
		fail("timers: somebody woke too early")
	}
	at := func(percent int) int32 {
		if len(lateUs) == 0 {
			return 0
		}
		return lateUs[len(lateUs)*percent/100]
	}
	p.out(cpu, "cpu_s", fmt.Sprintf("wall_s=%.3f p50_late_us=%d p99_late_us=%d",
		wall.Seconds(), at(50), at(99)))
}
