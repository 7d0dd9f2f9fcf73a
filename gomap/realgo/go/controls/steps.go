package main

import (
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// stepsOf: what goroutines do until they are stopped, and how often together.
var stepsOf = map[string]func(n int, stop *atomic.Bool) int64{
	"gosched": yieldsOf,
	"channel": roundTrips,
	"spawn":   bursts,
}

// steps has the scheduler do nothing but one of its own steps, and counts.
func steps(asked struct {
	Step  string `json:"step"`  // gosched: n goroutines yield; channel: n pairs hand a word to and fro; spawn: n at a time
	N     int    `json:"n"`     //
	Procs int    `json:"procs"` // GOMAXPROCS
	Ms    int    `json:"ms"`
}) (any, error) {
	step, known := stepsOf[asked.Step]
	if !known {
		return nil, fmt.Errorf("no step of the scheduler is called %q", asked.Step)
	}
	runtime.GOMAXPROCS(asked.Procs)
	var stop atomic.Bool
	begin := now()
	time.AfterFunc(time.Duration(ms(asked.Ms)), func() { stop.Store(true) })
	count := step(asked.N, &stop)
	return map[string]any{"count": count, "elapsed_ns": now() - begin}, nil
}

// counted runs n of one kind at once and adds up what each has counted.
func counted(n int, one func() int64) int64 {
	var all sync.WaitGroup
	var count atomic.Int64
	all.Add(n)
	for i := 0; i < n; i++ {
		go func() { count.Add(one()); all.Done() }()
	}
	all.Wait()
	return count.Load()
}

func yieldsOf(n int, stop *atomic.Bool) int64 {
	return counted(n, func() (count int64) {
		for ; !stop.Load(); count++ {
			runtime.Gosched()
		}
		return count
	})
}

// roundTrips: each pair over two unbuffered channels, counted by the one that begins.
func roundTrips(n int, stop *atomic.Bool) int64 {
	return counted(n, func() (count int64) {
		to, fro := make(chan int), make(chan int)
		go func() {
			for token := range to {
				fro <- token
			}
		}()
		for ; !stop.Load(); count++ {
			to <- 1
			<-fro
		}
		close(to)
		return count
	})
}

// bursts: n goroutines that do nothing are made, and all have ended before the next n.
func bursts(n int, stop *atomic.Bool) (count int64) {
	for ; !stop.Load(); count += int64(n) {
		var all sync.WaitGroup
		all.Add(n)
		for i := 0; i < n; i++ {
			go all.Done()
		}
		all.Wait()
	}
	return count
}
