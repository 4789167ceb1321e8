// SPDX-License-Identifier: Apache-2.0
// Five idioms of Go; idioms.cpp has the same in C++, and prints the same.
package main

import (
	"fmt"
	"sync"
	"time"
)

// [pool]
func pool() int {
	jobs := make(chan int)
	done := make(chan int)
	var workers sync.WaitGroup
	for i := 0; i < 4; i++ {
		workers.Add(1)
		go func() {
			defer workers.Done()
			for n := range jobs {
				done <- n * n
			}
		}()
	}
	go func() {
		for n := 1; n <= 100; n++ {
			jobs <- n
		}
		close(jobs)
	}()
	go func() {
		workers.Wait()
		close(done)
	}()

	sum := 0
	for n := range done {
		sum += n
	}
	return sum
}

// [/pool]

func count(to int) <-chan int {
	out := make(chan int)
	go func() {
		defer close(out)
		for n := 1; n <= to; n++ {
			out <- n
		}
	}()
	return out
}

// [fan-in]
func total(a, b <-chan int) int {
	sum := 0
	for a != nil || b != nil {
		select {
		case n, ok := <-a:
			if !ok {
				a = nil
			}
			sum += n
		case n, ok := <-b:
			if !ok {
				b = nil
			}
			sum += n
		}
	}
	return sum
}

// [/fan-in]

// [timeout]
func within(d time.Duration, answers <-chan int) int {
	select {
	case n := <-answers:
		return n
	case <-time.After(d):
		return -1
	}
}

// [/timeout]

// [stage]
func squares(in <-chan int, stop <-chan struct{}) <-chan int {
	out := make(chan int)
	go func() {
		defer close(out)
		for n := range in {
			select {
			case out <- n * n:
			case <-stop: // else it may wait for ever
				return
			}
		}
	}()
	return out
}

// [/stage]

func length(name string) int { return len(name) }

// [bounded]
func lengths(names []string) []int {
	sizes := make([]int, len(names))
	permits := make(chan struct{}, 3)
	var all sync.WaitGroup
	for i, name := range names {
		permits <- struct{}{}
		all.Add(1)
		go func(i int, name string) {
			defer all.Done()
			sizes[i] = length(name)
			<-permits
		}(i, name)
	}
	all.Wait()
	return sizes
}

// [/bounded]

func main() {
	fmt.Println("pool", pool())
	fmt.Println("fan-in", total(count(10), count(100)))
	answers := make(chan int, 1)
	fmt.Println("timeout", within(time.Millisecond, answers))
	answers <- 42
	fmt.Println("timeout", within(time.Minute, answers))
	stop := make(chan struct{})
	sum := 0
	for n := range squares(count(1000), stop) {
		sum += n
	}
	close(stop)
	fmt.Println("stage", sum)
	for _, n := range lengths([]string{"sieve", "chat", "crawler", "pipeline"}) {
		fmt.Println("bounded", n)
	}
}
