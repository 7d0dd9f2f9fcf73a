package main

import (
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
)

// profile records every wait for a lock while goroutines use one map for a time: some range over it and get from it without
// a lock and nobody writes; or they get from it behind a read-write lock, and one makes it grow. It tells how many records
// there are, and how many of them have a function of the map in their stack.
func profile(asked struct {
	Locked bool `json:"locked"`
	Ms     int  `json:"ms"`
}) (any, error) {
	runtime.GOMAXPROCS(2)
	debug.SetGCPercent(-1)
	runtime.SetMutexProfileFraction(1)
	m := map[int]int{}
	fill(m, hotKeys)
	var reads atomic.Int64
	if asked.Locked {
		behindLock(m, ms(asked.Ms), &reads)
	} else {
		unlocked(m, ms(asked.Ms), &reads)
	}
	records, places := waitsByPlace()
	inMap := 0
	for _, n := range places {
		inMap += n
	}
	return map[string]any{"records": records, "in_map": inMap, "reads": reads.Load(), "entries": len(m)}, nil
}

// together runs functions at once until the time is over.
func together(length int64, functions ...func(stop *atomic.Bool)) {
	var stop atomic.Bool
	var all sync.WaitGroup
	for _, f := range functions {
		f := f
		all.Add(1)
		go func() { f(&stop); all.Done() }()
	}
	for end := now() + length; now() < end; {
		runtime.Gosched()
	}
	stop.Store(true)
	all.Wait()
}

func unlocked(m map[int]int, length int64, reads *atomic.Int64) {
	get := func(stop *atomic.Bool) {
		for total := 0; !stop.Load(); reads.Add(hotKeys) {
			for k := 0; k < hotKeys; k++ {
				total += m[k]
			}
		}
	}
	ranges := func(stop *atomic.Bool) {
		for total := 0; !stop.Load(); {
			for k := range m {
				total += k
			}
		}
	}
	together(length, ranges, get, get, get)
}

func behindLock(m map[int]int, length int64, reads *atomic.Int64) {
	var lock sync.RWMutex
	get := func(stop *atomic.Bool) {
		for k, total := 0, 0; !stop.Load(); k++ {
			lock.RLock()
			total += m[k%hotKeys]
			lock.RUnlock()
			reads.Add(1)
		}
	}
	grows := func(stop *atomic.Bool) {
		for k := hotKeys; !stop.Load(); k++ {
			lock.Lock()
			m[k] = k
			lock.Unlock()
		}
	}
	together(length, grows, get, get, get)
}

// waitsByPlace counts the records of the mutex profile, and those with a function of the map in their stack by its name.
func waitsByPlace() (records int, inMap map[string]int) {
	found := make([]runtime.BlockProfileRecord, 4096)
	n, _ := runtime.MutexProfile(found)
	inMap = map[string]int{}
	for _, record := range found[:n] {
		frames := runtime.CallersFrames(record.Stack())
		for more := true; more; {
			var frame runtime.Frame
			frame, more = frames.Next()
			if ofMap(frame.Function) {
				inMap[frame.Function]++
				break
			}
		}
	}
	return n, inMap
}

// ofMap tells the runtime's map functions, of both designs, from all others.
func ofMap(function string) bool {
	for _, prefix := range []string{
		"runtime.map", "runtime.growWork", "runtime.evacuate", "runtime.hashGrow", "runtime.makemap", "internal/runtime/maps.",
	} {
		if strings.HasPrefix(function, prefix) {
			return true
		}
	}
	return false
}
