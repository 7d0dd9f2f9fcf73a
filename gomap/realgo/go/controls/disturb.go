package main

import (
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
)

// object is what pointers point to.
type object struct {
	next  *object
	value int
}

// disturber keeps something going until it is stopped; n: how many goroutines do it, where that can be chosen.
type disturber func(n int, stop *atomic.Bool)

var disturbers = map[string]disturber{
	"hogs":        each(spin),
	"yielding":    each(yield),
	"pingpong":    pingpong,
	"collections": each(collect),
	"stops":       each(stopTheWorld),
	"growing":     each(grow),
	"updating":    each(overwrite),
}

func each(one func(*atomic.Bool)) disturber {
	return func(n int, stop *atomic.Bool) {
		var all sync.WaitGroup
		for i := 0; i < n; i++ {
			all.Add(1)
			go func() { one(stop); all.Done() }()
		}
		all.Wait()
	}
}

func spin(stop *atomic.Bool) {
	for !stop.Load() {
	}
}

func yield(stop *atomic.Bool) {
	for !stop.Load() {
		runtime.Gosched()
		yielded.Add(1)
	}
}

var yielded atomic.Int64

// pingpong has n goroutines hand a token to and fro in pairs.
func pingpong(n int, stop *atomic.Bool) {
	var all sync.WaitGroup
	for i := 0; i < n/2; i++ {
		to, fro := make(chan int), make(chan int)
		all.Add(2)
		go func() {
			for !stop.Load() {
				to <- 1
				<-fro
			}
			close(to)
			all.Done()
		}()
		go func() {
			for token := range to {
				fro <- token
			}
			all.Done()
		}()
	}
	all.Wait()
}

func collect(stop *atomic.Bool) {
	for !stop.Load() {
		runtime.GC()
		collected.Add(1)
	}
}

var collected atomic.Int64

// awaitCollections is back when collections go on.
func awaitCollections() {
	for collected.Load() == 0 {
		runtime.Gosched()
	}
}

// stopTheWorld makes the shortest stops there are: reading the allocator's figures needs one.
func stopTheWorld(stop *atomic.Bool) {
	var figures runtime.MemStats
	for !stop.Load() {
		runtime.ReadMemStats(&figures)
		stops.Add(1)
		runtime.Gosched()
	}
}

var stops atomic.Int64

const othersKeys = 1 << 16

// grow fills one map after the other from empty.
func grow(stop *atomic.Bool) {
	keys, objects := readyKeys(othersKeys), make([]object, othersKeys)
	for !stop.Load() {
		m := map[string]*object{}
		for i, key := range keys {
			m[key] = &objects[i]
			if stop.Load() {
				return
			}
		}
	}
}

// overwrite does as grow with keys that are there.
func overwrite(stop *atomic.Bool) {
	keys, objects := readyKeys(othersKeys), make([]object, othersKeys)
	m := make(map[string]*object, othersKeys)
	for !stop.Load() {
		for i, key := range keys {
			m[key] = &objects[i]
			if stop.Load() {
				return
			}
		}
	}
}

func readyKeys(n int) []string {
	keys := make([]string, n)
	for i := range keys {
		keys[i] = fmt.Sprintf("key%d", i)
	}
	return keys
}

// chain is n live objects, for the collector to mark.
func chain(n int) *object {
	var first *object
	for i := 0; i < n; i++ {
		first = &object{first, i}
	}
	return first
}

// disturbed does something while all of these go on.
func disturbed(beside map[string]int, what func()) error {
	var stop atomic.Bool
	var all sync.WaitGroup
	for name := range beside {
		if disturbers[name] == nil {
			return fmt.Errorf("nothing to run beside is called %q", name)
		}
	}
	for name, n := range beside {
		name, n := name, n
		all.Add(1)
		go func() { disturbers[name](n, &stop); all.Done() }()
	}
	what()
	stop.Store(true)
	all.Wait()
	return nil
}
