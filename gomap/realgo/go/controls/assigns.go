package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

const updated = 100 // keys that are written again and again

var writers = map[string]func() func(i int){
	"update int": func() func(int) {
		m := make(map[int]int, updated)
		return func(i int) { m[i%updated] = i }
	},
	"update pointer": func() func(int) {
		m, keys, objects := make(map[string]*object, updated), readyKeys(updated), make([]object, updated)
		return func(i int) { m[keys[i%updated]] = &objects[i%updated] }
	},
	"update with new object": func() func(int) {
		m, keys := make(map[string]*object, updated), readyKeys(updated)
		return func(i int) { m[keys[i%updated]] = &object{nil, i} }
	},
	"allocate": func() func(int) { // bytes, and no pointer is stored
		n := 1 << 10
		return func(i int) { sum += len(make([]byte, n+i%2)) }
	},
	"article": func() func(int) { // its loop: a formatted key, a new object, a map that grows
		m := map[string]*object{}
		return func(i int) { m[fmt.Sprintf("key%d", i)] = &object{nil, i} }
	},
}

// assigns writes n times in one of these ways. collector: "off", "normal", or "marking" all the time. each: every write is
// timed by itself. live: objects for the collector to mark.
func assigns(asked struct {
	Writer    string `json:"writer"`
	Collector string `json:"collector"`
	N         int    `json:"n"`
	Live      int    `json:"live"`
	Each      bool   `json:"each"`
}) (any, error) {
	runtime.GOMAXPROCS(2)
	debug.SetGCPercent(map[bool]int{true: 100, false: -1}[asked.Collector == "normal"])
	maker, known := writers[asked.Writer]
	if !known {
		return nil, fmt.Errorf("no writer is called %q", asked.Writer)
	}
	beside := map[string]int{}
	if asked.Collector == "marking" {
		beside["collections"] = 1
	}
	live, write, times := chain(asked.Live), maker(), newTail()
	defer runtime.KeepAlive(live)
	for i := 0; i < updated; i++ {
		write(i)
	}
	runtime.GC() // what was assisted until now is told at the end of a collection
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	assisted, took := assistSeconds(), int64(0)
	err := disturbed(beside, func() {
		if len(beside) > 0 {
			awaitCollections()
		}
		began := now()
		for i := 0; i < asked.N; i++ {
			if asked.Each {
				begin := now()
				write(i)
				times.add(now() - begin)
			} else {
				write(i)
			}
		}
		took = now() - began
	})
	runtime.ReadMemStats(&after)
	runtime.GC()
	return map[string]any{
		"ns": float64(took) / float64(asked.N), "times": times.figures(), "cycles": after.NumGC - before.NumGC,
		"assist_s": assistSeconds() - assisted,
	}, err
}

// assistSeconds is what all goroutines together have spent on assists; -1 where Go does not tell.
func assistSeconds() float64 {
	sample := []metrics.Sample{{Name: "/cpu/classes/gc/mark/assist:cpu-seconds"}}
	metrics.Read(sample)
	if sample[0].Value.Kind() != metrics.KindFloat64 {
		return -1
	}
	return sample[0].Value.Float64()
}
