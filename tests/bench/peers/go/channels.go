// SPDX-License-Identifier: Apache-2.0

package main

import (
	"sync"
	"time"
)

// channel: pairs senders and as many receivers share one channel, n values in all; it is closed
// when all senders are through.
func channel(p params) {
	n, pairs, capacity := p.get("n"), p.get("pairs"), p.get("cap")
	took := warmedUp(n, func(n int) time.Duration {
		c, sums := make(chan int, capacity), make(chan int, pairs)
		share := n / pairs
		var senders sync.WaitGroup
		senders.Add(pairs)
		start := time.Now()
		for i := 0; i < pairs; i++ {
			go func() {
				sum := 0
				for v := range c {
					sum += v
				}
				sums <- sum
			}()
		}
		for i := 0; i < pairs; i++ {
			go func() {
				for j := 0; j < share; j++ {
					c <- j
				}
				senders.Done()
			}()
		}
		senders.Wait()
		close(c)
		total := 0
		for i := 0; i < pairs; i++ {
			total += <-sums
		}
		if total != pairs*(share*(share-1)/2) {
			fail("chan: wrong sum %d", total)
		}
		return time.Since(start)
	})
	p.out(each(took, n), "ns/msg")
}

// sieve: a goroutine for each prime passes on what its prime does not divide; until the n-th.
func sieve(p params) {
	n, capacity := p.get("n"), p.get("cap")
	took := warmedUp(n, func(n int) time.Duration {
		start := time.Now()
		in, prime := make(chan int, capacity), 0
		go func(out chan<- int) {
			for i := 2; ; i++ {
				out <- i
			}
		}(in)
		for i := 0; i < n; i++ {
			prime = <-in
			out := make(chan int, capacity)
			go func(in <-chan int, out chan<- int, prime int) {
				for i := range in {
					if i%prime != 0 {
						out <- i
					}
				}
			}(in, out, prime)
			in = out
		}
		took := time.Since(start)
		if n == 2000 && prime != 17389 {
			fail("sieve: %d is not the 2,000th prime", prime)
		}
		return took
	})
	p.out(float64(took)/1e6, "ms")
}

// selection: one producer sends n values, each to a channel drawn at random; one goroutine
// selects among all of them.
func selection(p params) {
	n, cases, capacity := p.get("n"), p.get("cases"), p.get("cap")
	choose, known := map[int]func([]chan int, func(int)){2: select2, 16: select16,
		128: select128}[cases]
	if !known {
		fail("select: cases is 2, 16 or 128")
	}
	took := warmedUp(n, func(n int) time.Duration {
		all := make([]chan int, cases)
		for i := range all {
			all[i] = make(chan int, capacity)
		}
		start := time.Now()
		go func() {
			r := random(1)
			for i := 0; i < n; i++ {
				all[r.below(cases)] <- i
			}
		}()
		sum := 0
		add := func(v int) { sum += v }
		for i := 0; i < n; i++ {
			choose(all, add)
		}
		if sum != n*(n-1)/2 {
			fail("select: wrong sum %d", sum)
		}
		return time.Since(start)
	})
	p.out(each(took, n), "ns/select")
}
