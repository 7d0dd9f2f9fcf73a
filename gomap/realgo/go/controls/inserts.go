package main

import (
	"runtime"
	"runtime/debug"
)

// inserts times n inserts of ready strings to pointers to ready objects, one by one: into a presized map or one that grows,
// while the collector marks all the time or never.
func inserts(asked struct {
	N        int  `json:"n"`
	Presized bool `json:"presized"`
	Marking  bool `json:"marking"`
}) (any, error) {
	runtime.GOMAXPROCS(2)
	debug.SetGCPercent(-1)
	keys, objects := readyKeys(asked.N), make([]object, asked.N)
	hint, beside := 0, map[string]int{}
	if asked.Presized {
		hint = asked.N
	}
	if asked.Marking {
		beside["collections"] = 1
	}
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	m, times := make(map[string]*object, hint), newTail()
	err := disturbed(beside, func() {
		if asked.Marking {
			awaitCollections()
		}
		for i, key := range keys {
			begin := now()
			m[key] = &objects[i]
			times.add(now() - begin)
		}
	})
	runtime.ReadMemStats(&after)
	return map[string]any{"times": times.figures(), "cycles": after.NumGC - before.NumGC}, err
}
