package main

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// A workload run by goroutines or by threads of the system's: what csrc/lab/engine.c tells, with the same phases. The main
// goroutine conducts.

const (
	leadNs       = 200_000 // from the opening of the gate to the beginning of time
	leadThreadNs = 20_000
	fillStep     = 4096
)

// gate has two doors. The conductor opens one when all have arrived at it, or left for good.
type gate struct {
	arrived [2]sync.WaitGroup
	doors   [2]chan struct{}
	left    sync.WaitGroup
}

func newGate(threads int) *gate {
	g := &gate{doors: [2]chan struct{}{make(chan struct{}), make(chan struct{})}}
	g.arrived[0].Add(threads)
	g.arrived[1].Add(threads)
	g.left.Add(threads)
	return g
}

func (g *gate) arrive(door int) {
	g.arrived[door].Done()
	<-g.doors[door]
}

// when all of a group are there, the channel is closed.
func all(of *sync.WaitGroup) chan struct{} {
	there := make(chan struct{})
	go func() {
		of.Wait()
		close(there)
	}()
	return there
}

type run[K comparable] struct {
	c           *command
	codec       func() codec[K]
	shared      *shared[K]
	workers     []*worker[K]
	cancelled   chan struct{} // closed: stop
	interrupted bool
	filled      atomic.Uint64
	before      uint64 // bytes of the heap before the map was made
}

func newRun[K comparable](c *command, codec func() codec[K], cancelled chan struct{}) (*run[K], error) {
	w := &c.Workload
	r := &run[K]{c: c, codec: codec, cancelled: cancelled, shared: &shared[K]{every: w.Sample, locked: c.Locked}}
	r.shared.yields = int(w.threads()) > runtime.GOMAXPROCS(0)
	var does [ops]bool
	for i := range w.Groups {
		for op, may := range w.Groups[i].kindsOf() {
			does[op] = does[op] || may
		}
	}
	at := place{threads: w.threads()}
	for i := range w.Groups {
		at.lanes = w.Groups[i].Threads
		for at.lane = 0; at.lane < at.lanes; at.lane++ {
			made, err := r.newWorker(i, at, does)
			if err != nil {
				return nil, err
			}
			r.workers = append(r.workers, made)
			at.thread++
		}
	}
	return r, nil
}

func (r *run[K]) newWorker(group int, at place, does [ops]bool) (*worker[K], error) {
	w := &r.c.Workload
	g := &w.Groups[group]
	f, err := newFeed(w, g, r.codec(), at, r.c.Seed)
	if err != nil {
		return nil, err
	}
	made := &worker[K]{shared: r.shared, group: group, cpu: -1, paced: g.Rate != 0, feed: f,
		fills: g.trace != nil && g.trace.fill, recorder: newRecorder(w, int(at.thread), does), ops: endless, warmupOps: endless}
	if len(g.Cpus) > 0 {
		made.cpu = g.Cpus[at.lane]
	}
	if w.Ops != 0 {
		made.ops = share(w.Ops, at.thread, at.threads)
		made.warmupOps = share(uint64(w.Warmup), at.thread, at.threads)
	}
	return made, nil
}

func (r *run[K]) isCancelled() bool {
	select {
	case <-r.cancelled:
		return true
	default:
		return false
	}
}

// fill puts keys 0 to size-1 into the map, in an order shuffled by the seed (Fisher and Yates).
func (r *run[K]) fill() {
	order := offHeap[uint64](int(r.c.Workload.Size))
	rng := seeded(seedOf(r.c.Seed, 3))
	for i := range order {
		order[i] = uint64(i)
	}
	for i := len(order) - 1; i > 0; i-- {
		j := rng.below(uint64(i) + 1)
		order[i], order[j] = order[j], order[i]
	}
	write := r.codec()
	for i, index := range order {
		if i%fillStep == 0 && r.isCancelled() {
			return
		}
		r.shared.store.assign(write.of(index, false, true, 0), int64(index))
		r.filled.Store(uint64(i) + 1)
	}
}

// progress is the number of operations done, filling included.
func (r *run[K]) progress() uint64 {
	n := r.filled.Load()
	for _, w := range r.workers {
		n += w.progress.Load()
	}
	return n
}

func (r *run[K]) beginTime() {
	r.shared.start = now() + leadNs + leadThreadNs*int64(len(r.workers))
}

// phaseUnless is the phase to come, or stop.
func phaseUnless(stopped bool, phase int32) int32 {
	if stopped {
		return stop
	}
	return phase
}

// await waits until all are there, or for `ns` from the beginning of time (0: without limit), or for a cancellation.
func (r *run[K]) await(there chan struct{}, ns int64) {
	var over <-chan time.Time
	if ns > 0 {
		timer := time.NewTimer(time.Duration(r.shared.start + ns - now()))
		defer timer.Stop()
		over = timer.C
	}
	select {
	case <-there:
	case <-over:
	case <-r.cancelled:
		r.interrupted = true
	}
}

func (r *run[K]) conduct(g *gate) {
	w := &r.c.Workload
	g.arrived[0].Wait()
	failed := r.failure() != nil
	timed := w.Ops == 0
	warmupNs, durationNs := int64(0), int64(0)
	if timed {
		warmupNs, durationNs = int64(w.Warmup*1e9), max(int64(w.Duration*1e9), 1)
	}
	second, done := all(&g.arrived[1]), all(&g.left)
	r.beginTime()
	warms := w.Warmup > 0 && !failed
	if warms {
		r.shared.phase.Store(phaseUnless(r.isCancelled(), warm))
	} else {
		r.shared.phase.Store(phaseUnless(failed || r.isCancelled(), hold))
	}
	close(g.doors[0])
	if warms {
		r.await(second, warmupNs)
		r.shared.phase.Store(phaseUnless(r.isCancelled(), hold))
	}
	<-second
	r.beginTime()
	r.shared.phase.Store(phaseUnless(failed || r.isCancelled(), measure))
	close(g.doors[1])
	if !failed {
		r.await(done, durationNs)
	}
	r.shared.phase.Store(stop)
	<-done
}

// failure is the first thread's that could not begin.
func (r *run[K]) failure() error {
	for _, w := range r.workers {
		if w.failed != nil {
			return w.failed
		}
	}
	return nil
}

// drive is the whole run: the map is made, filled, and worked on. It returns the runtime's figures.
func (r *run[K]) drive() (map[string]any, error) {
	readFigures() // what the runtime needs to be able to answer is not the map's
	r.before = heapBytes()
	w := &r.c.Workload
	made, err := newStore[K](w.Variant, w.Hint, r.c.Shards)
	if err != nil {
		return nil, err
	}
	r.shared.store = made
	r.fill()
	g := newGate(len(r.workers))
	began := readFigures()
	for _, w := range r.workers {
		go w.main(g)
	}
	r.conduct(g)
	counters := readFigures().since(began).put()
	for _, w := range r.workers[1:] {
		r.workers[0].recorder.merge(w.recorder)
	}
	r.workers[0].recorder.sortSlowest()
	return counters, r.failure()
}
