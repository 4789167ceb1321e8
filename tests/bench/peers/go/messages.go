// SPDX-License-Identifier: Apache-2.0

package main

import (
	"runtime"
	"sync"
	"time"
)

// yield: two goroutines take turns, n switches in all.
func yield(p params) {
	n := p.get("n")
	took := warmedUp(n, func(n int) time.Duration {
		var both sync.WaitGroup
		both.Add(2)
		start := time.Now()
		for i := 0; i < 2; i++ {
			go func() {
				for i := 0; i < n/2; i++ {
					runtime.Gosched()
				}
				both.Done()
			}()
		}
		both.Wait()
		return time.Since(start)
	})
	p.out(each(took, n), "ns/switch")
}

// pingpong: n messages between two goroutines. Without a buffer a value goes straight from one
// stack to the other and its receiver runs next, which is the fastest here; chan=1 has a buffer.
func pingpong(p params) {
	n, capacity := p.get("n"), p.get("chan")
	took := warmedUp(n, func(n int) time.Duration {
		there, back := make(chan int, capacity), make(chan int, capacity)
		done := make(chan int)
		start := time.Now()
		go func() {
			for ball := range there {
				back <- ball + 1
			}
		}()
		go func() {
			rounds, right := n/2, 0
			for i := 0; i < rounds; i++ {
				there <- i
				if <-back == i+1 {
					right++
				}
			}
			close(there)
			done <- right
		}()
		if right := <-done; right != n/2 {
			fail("pingpong: %d of %d balls came back right", right, n/2)
		}
		return time.Since(start)
	})
	p.out(each(took, n), "ns/msg")
}

// ring: goroutines in a circle pass one token, n hops.
func ring(p params) {
	n, actors, capacity := p.get("n"), p.get("actors"), p.get("chan")
	took := warmedUp(n, func(hops int) time.Duration {
		passed := make(chan int, actors)
		end := make(chan struct{})
		node := func(in <-chan int, next chan<- int) {
			mine := 0
			for left := range in {
				if left == 0 {
					close(end)
					continue
				}
				mine++
				next <- left - 1
			}
			passed <- mine
		}
		in := make([]chan int, actors)
		for i := range in {
			in[i] = make(chan int, capacity)
		}
		for i := range in {
			go node(in[i], in[(i+1)%actors])
		}
		start := time.Now()
		in[0] <- hops
		<-end
		took := time.Since(start)
		total := 0
		for _, c := range in {
			close(c)
			total += <-passed
		}
		if total != hops {
			fail("ring: %d hops of %d", total, hops)
		}
		return took
	})
	p.out(each(took, n), "ns/hop")
}

// fanin: producers send n values each into one channel; who finds it full waits.
func fanin(p params) {
	n, producers, capacity := p.get("n"), p.get("producers"), p.get("chan")
	if capacity == 0 {
		fail("fanin: chan=0 asks for an unbounded mailbox; a channel has bounds")
	}
	took := warmedUp(n, func(n int) time.Duration {
		in, sum := make(chan int, capacity), make(chan int)
		start := time.Now()
		go func() {
			total := 0
			for i := 0; i < n*producers; i++ {
				total += <-in
			}
			sum <- total
		}()
		for i := 0; i < producers; i++ {
			go func() {
				for i := 0; i < n; i++ {
					in <- i
				}
			}()
		}
		if got := <-sum; got != producers*(n*(n-1)/2) {
			fail("fanin: wrong sum %d", got)
		}
		return time.Since(start)
	})
	p.out(float64(n*producers)/float64(took)*1e3, "Mmsg/s")
}

// letter is a ping of the goroutine from, or (from < 0) the answer to one.
type letter struct{ from int32 }

// bigfan: every goroutine has one ping at a random other under way, n in a row, and answers the
// pings of all others. An inbox has room for a ping of every other and an answer: nobody waits.
func bigfan(p params) {
	n, actors := p.get("n"), p.get("actors")
	if actors < 2 {
		fail("bigfan: needs two actors or more")
	}
	took := warmedUp(n, func(n int) time.Duration {
		in := make([]chan letter, actors)
		for i := range in {
			in[i] = make(chan letter, actors+1)
		}
		done, answered := make(chan struct{}, actors), make(chan int, actors)
		node := func(me int) {
			r := random(me + 1)
			r.below(1)
			ping := func() {
				to := r.below(actors - 1)
				if to >= me {
					to++
				}
				in[to] <- letter{int32(me)}
			}
			left, answers := n, 0
			if left > 0 {
				ping()
			} else {
				done <- struct{}{}
			}
			for m := range in[me] {
				if m.from >= 0 {
					in[m.from] <- letter{-1}
					answers++
				} else if left--; left > 0 {
					ping()
				} else {
					done <- struct{}{}
				}
			}
			answered <- answers
		}
		start := time.Now()
		for i := range in {
			go node(i)
		}
		for range in {
			<-done
		}
		took := time.Since(start)
		total := 0
		for _, c := range in {
			close(c)
		}
		for range in {
			total += <-answered
		}
		if total != n*actors {
			fail("bigfan: %d pings of %d were answered", total, n*actors)
		}
		return took
	})
	p.out(2*float64(n*actors)/float64(took)*1e3, "Mmsg/s")
}

// request is a transfer to another account, or (to == nil) a deposit.
type request struct {
	amount int
	to     chan<- request
	reply  chan<- int
}

// account answers each request with its balance, and in the end tells it to closing. One asker
// has one reply channel, made once: it never asks twice at a time.
func account(in <-chan request, closing chan<- int) {
	balance, answer := 0, make(chan int, 1)
	for r := range in {
		if r.to != nil {
			balance -= r.amount
			r.to <- request{r.amount, nil, answer}
			<-answer
		} else {
			balance += r.amount
		}
		r.reply <- balance
	}
	closing <- balance
}

// ask: bank transfers, an ask inside the handler of an ask; no ask has a deadline.
func ask(p params) {
	n, accounts, tellers := p.get("n"), p.get("accounts"), p.get("tellers")
	if accounts < 2 || tellers < 1 {
		fail("ask: needs two accounts and a teller")
	}
	took := warmedUp(n, func(n int) time.Duration {
		closing := make(chan int, accounts)
		all := make([]chan request, accounts)
		for i := range all {
			all[i] = make(chan request, tellers)
			go account(all[i], closing)
		}
		var end sync.WaitGroup
		end.Add(tellers)
		start := time.Now()
		for i := 0; i < tellers; i++ {
			go func(r random) {
				answer := make(chan int, 1)
				for i := 0; i < n/tellers; i++ {
					from := r.below(accounts - 1)
					to := from + 1 + r.below(accounts-1-from)
					all[from] <- request{1, all[to], answer}
					<-answer
				}
				end.Done()
			}(random(i + 1))
		}
		end.Wait()
		took := time.Since(start)
		sum := 0
		for _, c := range all {
			close(c)
			sum += <-closing
		}
		if sum != 0 {
			fail("ask: the balances add up to %d", sum)
		}
		return took
	})
	p.out(float64(n)/float64(took)*1e6, "ktransfer/s")
}
