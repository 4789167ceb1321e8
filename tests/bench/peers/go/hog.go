// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"sync/atomic"
	"time"
)

// histogram of durations: buckets of 100 ns below 1 ms, then of 10 us up to 10 s.
type histogram struct {
	buckets [histogramLast + 1]uint32
	count   int
	max     time.Duration
}

const (
	histogramFine = 10_000
	histogramLast = 1_010_000
)

func (h *histogram) add(d time.Duration) {
	i := histogramFine + int(d/(10*time.Microsecond))
	if d < 0 {
		i = 0
	} else if d < time.Millisecond {
		i = int(d) / 100
	} else if i > histogramLast {
		i = histogramLast
	}
	h.buckets[i]++
	h.count++
	if d > h.max {
		h.max = d
	}
}

func (h *histogram) us(quantile float64) float64 {
	want, seen := int(quantile*float64(h.count)), 0
	for i, n := range h.buckets {
		if seen += int(n); seen > want {
			if i < histogramFine {
				return float64(i) / 10
			}
			return float64(i-histogramFine) * 10
		}
	}
	return float64(h.max) / 1e3
}

// spin is pure computing. The result goes somewhere, so that the loop stays.
//
//go:noinline
func spin(rounds int) uint64 {
	x := uint64(88172645463325252)
	for i := 0; i < rounds; i++ {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
	}
	return x
}

var spun atomic.Uint64

func spinsFor(ms int) int {
	const sample = 200_000_000
	start := time.Now()
	spun.Store(spin(sample))
	return int(float64(sample) * float64(ms) * 1e6 / float64(time.Since(start)))
}

// hog: w goroutines compute without a wait while two others play ping-pong, in a closed loop, or
// (pace_us > 0) each round trip started by a timer and measured from when that was due. A round
// trip counts if all spinners ran from its begin to its end.
func hog(p params) {
	w, rounds := int32(p.get("w")), spinsFor(p.get("ms"))
	pace := time.Duration(p.get("pace_us")) * time.Microsecond
	var started, ended atomic.Int32
	seen, end := new(histogram), make(chan struct{})
	there, back := make(chan int), make(chan int)
	go func() {
		for ball := range there {
			back <- ball
		}
	}()
	go func() {
		for ended.Load() < w {
			noneEnded := ended.Load() == 0
			due := time.Now()
			if pace > 0 {
				time.Sleep(pace)
				due = due.Add(pace)
			}
			there <- 1
			<-back
			took := time.Since(due)
			if noneEnded && started.Load() == w {
				seen.add(took)
			}
		}
		close(end)
	}()
	time.Sleep(200 * time.Millisecond) // the pair is at speed before the first spinner starts
	start := time.Now()
	for i := int32(0); i < w; i++ {
		go func() {
			started.Add(1)
			spun.Add(spin(rounds))
			ended.Add(1)
		}()
	}
	<-end
	wall := time.Since(start)
	extras := []string{fmt.Sprintf("p99_us=%.1f max_us=%d rtts=%d wall_s=%.2f", seen.us(.99),
		seen.max.Microseconds(), seen.count, wall.Seconds())}
	if seen.count == 0 {
		extras = append(extras, "hogs_never_parallel=1")
	} else if seen.count < 20 {
		extras = append(extras, "starved=1")
	}
	p.out(seen.us(.5), "us(p50)", extras...)
}
