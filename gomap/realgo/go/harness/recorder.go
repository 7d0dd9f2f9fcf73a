package main

import (
	"container/heap"
	"math"
	"math/bits"
	"sort"
)

// What one thread measures, as csrc/lab/recorder.c tells it: histograms by kind, a time line, the slowest operations. Causes
// are the engine's alone: nothing inside Go's map can be asked where its time went. Of an operation it is known how long the
// thread was still busy with earlier ones (backlog); the rest is one number.

const (
	coarseBits = 3
	topBits    = 36
	coarseLen  = 32*8 + 16
)

func coarseOf(v uint64) int {
	v = min(v, 1<<topBits-1)
	k := 64 - bits.LeadingZeros64(v|(2<<coarseBits-1)) - (coarseBits + 1)
	return k<<coarseBits + int(v>>k)
}

func coarseLow(i int) uint64 {
	if i < 2<<coarseBits {
		return uint64(i)
	}
	return uint64(i&(1<<coarseBits-1)|1<<coarseBits) << (i>>coarseBits - 1)
}

type slot struct {
	count, most uint64 // operations, timed or not
	counts      [coarseLen]uint32
}

func (s *slot) join(from *slot) {
	s.count += from.count
	s.most = max(s.most, from.most)
	for i, n := range from.counts {
		s.counts[i] += n
	}
}

// p99 is the upper end of the bucket it lies in, at most the exact maximum.
func (s *slot) p99() uint64 {
	timed, seen := uint64(0), uint64(0)
	for _, n := range s.counts {
		timed += uint64(n)
	}
	for i := 0; i < coarseLen && timed > 0; i++ {
		if seen += uint64(s.counts[i]); seen >= timed-timed/100 {
			return min(coarseLow(i+1)-1, s.most)
		}
	}
	return 0
}

type timeline struct {
	interval, ends int64
	slots          []slot
	used           int
}

// fold makes the intervals twice as long.
func (t *timeline) fold() {
	for i := 0; i < t.used; i++ {
		if i%2 == 1 {
			t.slots[i/2].join(&t.slots[i])
		} else {
			t.slots[i/2] = t.slots[i]
		}
	}
	left := (t.used + 1) / 2
	clear(t.slots[left:t.used])
	t.used, t.interval = left, 2*t.interval
}

// slot is that of an instant since the start of the measurement.
func (t *timeline) slot(since int64) *slot {
	if since >= t.ends {
		for since/t.interval >= int64(len(t.slots)) {
			t.fold()
		}
		t.used = int(since/t.interval) + 1
		t.ends = int64(t.used) * t.interval
	}
	return &t.slots[t.used-1]
}

func (t *timeline) merge(from *timeline) {
	for t.interval < from.interval {
		t.fold()
	}
	for from.interval < t.interval {
		from.fold()
	}
	for i := range from.slots[:from.used] {
		t.slots[i].join(&from.slots[i])
	}
	t.used = max(t.used, from.used)
}

type slow struct {
	at, latency, service, backlog uint64
	thread, growingTo             int32
	op                            kind
}

// slowest is a heap, the fastest of them on top.
type slowest []slow

func (s slowest) Len() int           { return len(s) }
func (s slowest) Less(i, j int) bool { return s[i].latency < s[j].latency }
func (s slowest) Swap(i, j int)      { s[i], s[j] = s[j], s[i] }
func (s *slowest) Push(e any)        { *s = append(*s, e.(slow)) }
func (s *slowest) Pop() any          { panic("the slowest are only ever replaced") }

type recorder struct {
	thread           int32
	paced            bool
	start            int64
	done, hits       [ops]uint64
	untimed          uint64 // operations since the last timed one
	latency, service [ops]*histogram
	line             timeline
	slow             slowest
	floor            uint64 // slower than this, and it is kept
}

func newRecorder(w *workload, thread int, does [ops]bool) *recorder {
	r := &recorder{thread: int32(thread), paced: w.paced()}
	if w.Sample == 0 {
		return r
	}
	for op := range does {
		if does[op] {
			r.latency[op] = newHistogram()
			if r.paced {
				r.service[op] = newHistogram()
			}
		}
	}
	interval, n := intervals(w)
	r.line = timeline{interval: interval, slots: offHeap[slot](n)}
	r.slow = offHeap[slow](w.Slowest)[:0]
	return r
}

// intervals of a whole number of milliseconds, so long that they suffice where the duration is known beforehand.
func intervals(w *workload) (interval int64, n int) {
	const most, millisecond = 4096, 1_000_000
	expected := w.expectedNs()
	ms := expected/millisecond/(most-1) + 1
	if expected == 0 {
		return int64(ms * millisecond), most
	}
	return int64(ms * millisecond), int(min(expected/(ms*millisecond)+2, most))
}

// begin forgets everything; time begins at start.
func (r *recorder) begin(start int64) {
	r.start, r.untimed = start, 0
	r.done, r.hits = [ops]uint64{}, [ops]uint64{}
	for op := range r.latency {
		if r.latency[op] != nil {
			r.latency[op].reset()
		}
		if r.service[op] != nil {
			r.service[op].reset()
		}
	}
	touch(r.line.slots)
	r.line.used, r.line.ends = 0, 0
	r.slow = r.slow[:0]
	r.floor = 0
	if cap(r.slow) == 0 {
		r.floor = math.MaxUint64
	}
}

func (r *recorder) count(op kind, hit bool) {
	r.done[op]++
	if hit {
		r.hits[op]++
	}
}

// sample is one timed operation, in nanoseconds.
type sample struct {
	op                       kind
	due, freeAt, start, ends int64 // its intended start; when the thread was through with the one before; its own
}

func above(a, b int64) uint64 {
	return uint64(max(a-b, 0))
}

// add records a sample, and says whether it is among the slowest so far.
func (r *recorder) add(s *sample) bool {
	latency := above(s.ends, s.start)
	if r.paced {
		r.service[s.op].count(latency)
		latency = above(s.ends, s.due)
	}
	r.latency[s.op].count(latency)
	at := r.line.slot(int64(above(s.ends, r.start)))
	at.count += 1 + r.untimed
	r.untimed = 0
	at.most = max(at.most, latency)
	at.counts[coarseOf(latency)]++
	return latency > r.floor
}

func (r *recorder) keep(s *sample, growingTo int) {
	late := above(s.start, s.due)
	e := slow{at: above(s.start, r.start), latency: late + above(s.ends, s.start), service: above(s.ends, s.start),
		backlog: min(above(s.freeAt, s.due), late), thread: r.thread, growingTo: int32(growingTo), op: s.op}
	r.keepSlow(e)
}

func (r *recorder) keepSlow(e slow) {
	if len(r.slow) < cap(r.slow) {
		heap.Push(&r.slow, e)
	} else {
		r.slow[0] = e
		heap.Fix(&r.slow, 0)
	}
	if len(r.slow) == cap(r.slow) {
		r.floor = r.slow[0].latency
	}
}

// end puts what was not timed last into the time line.
func (r *recorder) end(at int64) {
	if r.line.slots != nil && r.untimed > 0 {
		r.line.slot(int64(above(at, r.start))).count += r.untimed
	}
	r.untimed = 0
}

func (r *recorder) merge(from *recorder) {
	for op := range r.done {
		r.done[op] += from.done[op]
		r.hits[op] += from.hits[op]
		if r.latency[op] != nil {
			r.latency[op].add(from.latency[op])
		}
		if r.service[op] != nil {
			r.service[op].add(from.service[op])
		}
	}
	if r.line.slots != nil {
		r.line.merge(&from.line)
	}
	for _, e := range from.slow {
		if e.latency > r.floor {
			r.keepSlow(e)
		}
	}
}

func (r *recorder) sortSlowest() {
	sort.Slice(r.slow, func(i, j int) bool {
		a, b := &r.slow[i], &r.slow[j]
		return a.latency > b.latency || a.latency == b.latency && a.at < b.at
	})
}
