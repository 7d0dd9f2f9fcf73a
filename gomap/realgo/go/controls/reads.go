package main

import (
	"bytes"
	"fmt"
	"runtime"
	"runtime/debug"
	"sync/atomic"
	"time"
)

type readsAsked struct {
	Keys    string         `json:"keys"`     // "int" or "string"
	Size    int            `json:"size"`     // entries; the map is presized
	Hint    int            `json:"hint"`     // of make; 0: size
	Ms      int            `json:"ms"`       // to read for
	EveryNs int            `json:"every_ns"` // a read is due so often; 0: as fast as it can
	Beside  map[string]int `json:"beside"`
	Live    int            `json:"live"`  // objects for the collector to mark
	Watch   bool           `json:"watch"` // the reader's state
}

// reads times gets, one by one, beside whatever is asked for, on two Ps. The collector runs only where collections are asked
// for. Two latencies: inside the get, and from the moment that it was due, where it was due at one.
func reads(asked readsAsked) (any, error) {
	runtime.GOMAXPROCS(2)
	debug.SetGCPercent(-1)
	live := chain(asked.Live)
	defer runtime.KeepAlive(live)
	switch asked.Keys {
	case "int":
		return readsOf(asked, func(i int) int { return i })
	case "string":
		return readsOf(asked, func(i int) string { return fmt.Sprintf("key%d", i) })
	}
	return nil, fmt.Errorf("no keys are called %q", asked.Keys)
}

func readsOf[K comparable](asked readsAsked, key func(int) K) (any, error) {
	r := &reader[K]{m: make(map[K]int, max(asked.Hint, asked.Size)), inside: newTail(), arrival: newTail()}
	for i := 0; i < asked.Size; i++ {
		k := key(i)
		r.m[k] = i
		r.keys = append(r.keys, k)
	}
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	states := map[string]int{}
	err := disturbed(asked.Beside, func() {
		if asked.Watch {
			ended := make(chan struct{})
			var done atomic.Bool
			go func() { r.run(asked); done.Store(true); close(ended) }()
			watch(r, &done, states)
			<-ended
		} else {
			r.run(asked)
		}
	})
	runtime.ReadMemStats(&after)
	return map[string]any{
		"inside": r.inside.figures(), "arrival": r.arrival.figures(), "states": states,
		"cycles": after.NumGC - before.NumGC, "pause_ns": after.PauseTotalNs - before.PauseTotalNs,
		"yields": yielded.Load(), "stops": stops.Load(), "took_ns": r.took,
	}, err
}

type reader[K comparable] struct {
	m               map[K]int
	keys            []K
	inside, arrival *tail
	took            int64
	name            atomic.Pointer[[]byte] // "goroutine 7 [", as dumps of stacks begin
}

func (r *reader[K]) run(asked readsAsked) {
	r.introduce()
	began := now()
	until, due, at := began+ms(asked.Ms), began, uint32(1)
	for {
		at ^= at << 13
		at ^= at >> 17
		at ^= at << 5
		key := r.keys[int(at)%len(r.keys)]
		if asked.EveryNs > 0 {
			for due += int64(asked.EveryNs); now() < due; {
			}
		}
		begin := now()
		sum += r.m[key]
		end := now()
		r.inside.add(end - begin)
		if asked.EveryNs > 0 {
			r.arrival.add(end - due)
		}
		if end > until {
			r.took = end - began
			return
		}
	}
}

func (r *reader[K]) introduce() {
	dump := make([]byte, 64)
	dump = dump[:runtime.Stack(dump, false)]
	name := append([]byte{}, dump[:bytes.IndexByte(dump, '[')+1]...)
	r.name.Store(&name)
}

// watch notes the state of the reader's goroutine again and again, as a dump of all stacks tells it.
func watch[K comparable](r *reader[K], done *atomic.Bool, states map[string]int) {
	dump := make([]byte, 1<<20)
	for !done.Load() {
		time.Sleep(2 * time.Millisecond)
		name := r.name.Load()
		if name == nil || done.Load() {
			continue
		}
		all := dump[:runtime.Stack(dump, true)]
		if at := bytes.Index(all, *name); at >= 0 {
			rest := all[at+len(*name):]
			states[string(rest[:bytes.IndexAny(rest, ",]")])]++
		}
	}
}
