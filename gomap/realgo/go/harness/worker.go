package main

import (
	"fmt"
	"runtime"
	"sync/atomic"
	"time"
)

// One thread of a run: the two loops of csrc/lab/worker.c. Between the two clock readings of a timed operation there is the
// operation and nothing else; with timing off no clock is read.

const (
	ready = iota
	warm
	hold
	measure
	stop
)

const (
	openBlock    = 16
	spinNs       = 100_000
	spinSystemNs = 2_000_000 // a goroutine's sleep ends up to a millisecond late
	longestNapNs = 10_000_000
	endless      = ^uint64(0)
)

var epoch = time.Now()

// now is the system's monotonic clock in nanoseconds.
func now() int64 {
	return int64(time.Since(epoch))
}

type usageOf struct{ cpu, voluntary, involuntary, faults int64 }

// shared is what all threads of a run share. phase only ever goes up.
type shared[K comparable] struct {
	_      [128]byte
	phase  atomic.Int32
	_      [128]byte
	start  int64 // when time begins; written before the gate opens
	every  uint64
	locked bool
	yields bool // more goroutines than run at once: whoever spins lets others run
	store  store[K]
}

type worker[K comparable] struct {
	*shared[K]
	group       int
	cpu         int // -1: anywhere
	paced       bool
	fills       bool
	warmupOps   uint64
	ops         uint64
	feed        *feed[K]
	recorder    *recorder
	next, drawn int
	untilTimed  uint64
	freeAt      int64
	failed      error
	warmedUp    uint64
	ended       int64
	behind      int64
	used        usageOf
	_           [128]byte
	progress    atomic.Uint64
	_           [128]byte
}

func (w *worker[K]) toldOtherwise(phase int32) bool {
	return w.phase.Load() != phase
}

// operate does one operation and says whether the key was there.
func (w *worker[K]) operate(r *request[K]) bool {
	switch r.op {
	case opGet, opGetMiss:
		_, hit := w.store.get(r.key)
		return hit
	case opAssign, opAssignNew, opFill:
		return w.store.assign(r.key, r.value)
	case opDelete:
		return w.store.remove(r.key)
	case opLoadOrStore:
		return w.store.loadOrStore(r.key, r.value)
	case opReplace:
		_, hit := w.store.get(r.key)
		if hit {
			w.store.assign(r.key, r.value)
		}
		return hit
	case opIncr:
		_, hit := w.store.get(r.key)
		if hit {
			w.store.add(r.key, r.value)
		}
		return hit
	case opAdd:
		return w.store.add(r.key, r.value)
	case opIterate:
		w.store.iterate(r.value)
	case opLen:
		w.store.size()
	}
	return true
}

func (w *worker[K]) untimed(r *request[K]) {
	hit := w.operate(r)
	w.recorder.count(r.op, hit)
	w.recorder.untimed++
	if w.fills && !hit && r.op == opGet {
		fill := *r
		fill.op = opFill
		w.untimed(&fill)
	}
}

// timed takes the intended start, or a negative number.
func (w *worker[K]) timed(r *request[K], due int64) {
	s := sample{op: r.op, start: now()}
	hit := w.operate(r)
	s.ends = now()
	s.due, s.freeAt = s.start, s.start
	if due >= 0 {
		s.due, s.freeAt = due, w.freeAt
	}
	w.recorder.count(r.op, hit)
	if w.recorder.add(&s) {
		w.recorder.keep(&s, w.store.growingTo())
	}
	if w.fills && !hit && r.op == opGet {
		fill := *r
		fill.op = opFill
		w.timed(&fill, -1)
	}
}

func (w *worker[K]) perform(r *request[K], due int64) {
	if w.untilTimed > 0 {
		w.untilTimed--
	}
	if w.every == 0 || w.untilTimed > 0 {
		w.untimed(r)
		return
	}
	w.untilTimed = w.every
	w.timed(r, due)
}

// ------------------------------------------------------------------ the two loops

// Each of these returns how many of the n requests it did before it was told otherwise.

// alike does a run of requests of one kind with no clock read: what does not change within it is kept out of the loop.
func (w *worker[K]) alike(r []request[K], phase int32) int {
	op, hits, i := r[0].op, uint64(0), 0
	for ; i < len(r) && r[i].op == op && !w.toldOtherwise(phase); i++ {
		if w.operate(&r[i]) {
			hits++
		}
	}
	w.recorder.done[op] += uint64(i)
	w.recorder.hits[op] += hits
	return i
}

func (w *worker[K]) untimedRun(n int, phase int32) (i int) {
	r := w.feed.requests[w.next : w.next+n]
	for did := 1; i < n && did > 0; i += did {
		did = w.alike(r[i:], phase)
	}
	return i
}

func (w *worker[K]) closed(n int, phase int32) int {
	if w.every == 0 && !w.fills {
		return w.untimedRun(n, phase)
	}
	for i := 0; i < n; i++ {
		if w.toldOtherwise(phase) {
			return i
		}
		w.perform(&w.feed.requests[w.next+i], -1)
	}
	return n
}

func (w *worker[K]) open(n int, phase int32) int {
	for i := 0; i < n; i++ {
		due := w.start + int64(min(w.feed.dues[w.next+i], 0x1p62))
		if !w.await(due, phase) || w.toldOtherwise(phase) {
			w.behind = max(now()-due, 0)
			return i
		}
		w.perform(&w.feed.requests[w.next+i], due)
		w.behind = max(w.freeAt-due, 0)
		w.progress.Add(1)
	}
	return n
}

// await waits for `due`; false if told otherwise meanwhile.
func (w *worker[K]) await(due int64, phase int32) bool {
	at := now()
	w.freeAt = at
	for near := w.nearness(); due > at+near && !w.toldOtherwise(phase); at = now() {
		w.nap(min(due-at-near, longestNapNs))
	}
	for now() < due {
		if w.toldOtherwise(phase) {
			return false
		}
		if w.yields {
			runtime.Gosched()
		}
	}
	return true
}

// nearness is how long before an instant sleeping ends and spinning begins.
func (w *worker[K]) nearness() int64 {
	if w.locked {
		return spinNs
	}
	return spinSystemNs
}

func (w *worker[K]) nap(ns int64) {
	if w.locked {
		napNs(ns)
	} else {
		time.Sleep(time.Duration(ns))
	}
}

// runPhase does up to `most` operations, while the phase lasts. What is left of a block is done in the next phase.
func (w *worker[K]) runPhase(phase int32, most uint64) {
	before, done := w.progress.Load(), uint64(0)
	length := uint64(block)
	if w.paced {
		length = openBlock
	}
	going := w.await(w.start, phase)
	w.untilTimed, w.behind = w.every, 0
	for going && done < most {
		if w.next == w.drawn {
			w.next, w.drawn = 0, int(min(most-done, length))
			w.feed.draw(w.drawn)
		}
		n := int(min(most-done, uint64(w.drawn-w.next)))
		did := 0
		if w.paced {
			did = w.open(n, phase)
		} else {
			did = w.closed(n, phase)
		}
		done += uint64(did)
		w.next += did
		going = did == n
		w.progress.Store(before + done)
	}
}

// main is the life of a thread: arrive, warm up, arrive, measure, leave.
func (w *worker[K]) main(g *gate) {
	defer g.left.Done()
	if w.locked {
		runtime.LockOSThread() // and never unlocked: a pinned thread is not to be given back
		if w.cpu >= 0 {
			w.failed = w.pin()
		}
	}
	w.recorder.begin(0)
	g.arrive(0)
	w.recorder.begin(w.start)
	if w.phase.Load() == warm {
		w.runPhase(warm, w.warmupOps)
	}
	w.warmedUp = w.progress.Load()
	w.feed.restart(w.next, w.drawn)
	w.recorder.begin(0)
	g.arrive(1)
	w.recorder.start = w.start
	before := w.usage()
	if w.phase.Load() == measure {
		w.runPhase(measure, w.ops)
	}
	w.ended = now()
	w.recorder.end(w.ended)
	after := w.usage()
	w.used = usageOf{after.cpu - before.cpu, after.voluntary - before.voluntary, after.involuntary - before.involuntary,
		after.faults - before.faults}
}

func (w *worker[K]) pin() error {
	if err := pin(w.cpu); err != nil {
		return fmt.Errorf("the system does not let a thread run on CPU %d (%w)", w.cpu, err)
	}
	return nil
}

// usage is known of a thread only, not of a goroutine.
func (w *worker[K]) usage() usageOf {
	if !w.locked {
		return usageOf{}
	}
	return usage()
}
