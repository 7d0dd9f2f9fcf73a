package main

import (
	"errors"
	"math"
)

// What a thread does next: the requests of csrc/lab/feed.c, whose header tells which operation takes which key. A thread draws
// them in blocks before it does them.

const block = 256

type request[K comparable] struct {
	key   K
	value int64 // to be stored or added; of iterate: the most entries to visit
	op    kind
}

// place is where a thread stands among the others: in the run, and in its group.
type place struct {
	thread, threads, lane, lanes uint64
}

type feed[K comparable] struct {
	g                *group
	codec            codec[K]
	at               place
	keys             *stream
	kinds, gaps      xoshiro
	kind             []kind
	below            []uint64 // a draw below it is of that kind, or an earlier one
	moves, latest    bool
	plain            bool   // every kind takes a key of the stream, and present ones only
	firstNew, filled uint64 // indices of new keys begin at firstNew; so many filled in are this thread's
	oldest, newest   uint64 // of its own keys, those that it has deleted, that it has assigned or found there
	cursor           uint64
	number           uint64 // requests drawn
	restarted        uint64 // its value at the start of the schedule
	due, gap         float64
	requests         [block]request[K]
	drawn            [block]uint64
	dues             [block]float64
}

func newFeed[K comparable](w *workload, g *group, c codec[K], at place, seed uint64) (*feed[K], error) {
	f := &feed[K]{g: g, codec: c, at: at, latest: g.Keys.Kind == "Latest", firstNew: max(w.Size, w.keyspace())}
	f.filled = share(w.Size, at.thread, at.threads)
	f.newest = f.filled
	f.kinds = seeded(seedOf(seed, 4*at.thread+1))
	f.gaps = seeded(seedOf(seed, 4*at.thread+2))
	if g.Rate != 0 {
		f.gap = 1e9 / g.Rate * float64(at.lanes)
	}
	if g.trace == nil || g.trace.ops == nil {
		f.setMix(g.Mix)
		if len(f.kind) == 0 {
			return nil, errors.New("a mix of nothing")
		}
	}
	if g.trace != nil {
		f.cursor = at.lane % g.trace.n
		return f, nil
	}
	n := w.keyspace()
	if f.latest {
		n = f.firstNew
	}
	var err error
	f.keys, err = newStream(g.Keys, max(n, 1), seedOf(seed, 4*at.thread))
	f.plain = true
	for _, op := range f.kind {
		f.plain = f.plain && op < opFill && op != opDelete
	}
	return f, err
}

// share is thread t's part of n.
func share(n, t, threads uint64) uint64 {
	if t < n%threads {
		return n/threads + 1
	}
	return n / threads
}

// setMix sets the cumulated shares of the mix as bounds for a draw of 64 bits.
func (f *feed[K]) setMix(mix map[string]float64) {
	sum := 0.0
	for op, name := range kindNames {
		if mix[name] <= 0 {
			continue
		}
		sum += mix[name]
		f.kind = append(f.kind, kind(op))
		f.below = append(f.below, part(sum/100))
		f.moves = f.moves || kind(op) == opAssignNew
	}
	if len(f.below) > 0 {
		f.below[len(f.below)-1] = math.MaxUint64
	}
}

func (f *feed[K]) drawKind() kind {
	r, k := f.kinds.next(), 0
	for r >= f.below[k] && k+1 < len(f.kind) {
		k++
	}
	return f.kind[k]
}

func (f *feed[K]) drawDue(number uint64) float64 {
	if f.g.Arrivals != "poisson" {
		return f.gap * (float64(number-f.restarted) + float64(f.at.lane)/float64(f.at.lanes))
	}
	u := float64(f.gaps.next()>>11+1) * 0x1p-53
	f.due += float64(-portableLog(u) * f.gap)
	return f.due
}

// ownKey is the n-th index that is this thread's: of the keys that the map is filled with, and beyond.
func (f *feed[K]) ownKey(n uint64) uint64 {
	if n < f.filled {
		return f.at.thread + n*f.at.threads
	}
	return f.firstNew + f.at.thread + (n-f.filled)*f.at.threads
}

// end is where the indices end that new keys have reached.
func (f *feed[K]) end() uint64 {
	return f.firstNew + (f.newest-f.filled)*f.at.threads
}

// takesOwn is the thread's own key that an operation takes, if it takes one.
func (f *feed[K]) takesOwn(op kind) (index uint64, takes bool) {
	if op == opAssignNew {
		f.newest++
		return f.ownKey(f.newest - 1), true
	}
	if op == opDelete && f.moves && f.oldest < f.newest {
		f.oldest++
		return f.ownKey(f.oldest - 1), true
	}
	return 0, false
}

// window is where the stream's keys lie when keys move on.
func (f *feed[K]) window() (base, span uint64) {
	if !f.moves || f.latest {
		return 0, math.MaxUint64
	}
	base = f.oldest * f.at.threads
	if f.oldest > f.filled {
		base = f.ownKey(f.oldest) - f.at.thread
	}
	if base >= f.end() {
		base = f.end() - 1
	}
	return base, f.end() - base
}

// drawKey gives request i its key, from the stream or of the thread's own.
func (f *feed[K]) drawKey(i int) {
	r := &f.requests[i]
	if r.op == opLen || r.op == opIterate {
		return
	}
	if index, own := f.takesOwn(r.op); own {
		r.key = f.codec.of(index, false, stores(r.op), i)
		if f.latest && r.op == opAssignNew {
			f.keys.grow(f.end())
		}
		return
	}
	base, span := f.window()
	drawn := f.keys.next()
	if drawn >= span {
		drawn %= span
	}
	r.key = f.codec.of(base+drawn, r.op == opGetMiss, stores(r.op), i)
}

func (f *feed[K]) takeOfTrace(r *request[K]) {
	t, i := f.g.trace, f.cursor
	if t.ops != nil {
		r.op = t.ops[i]
		if t.values != nil {
			r.value = t.values[i]
		}
	}
	r.key = f.codec.traced(t, i, stores(r.op) || t.fill)
	f.cursor = (i + f.at.lanes) % t.n
}

func (f *feed[K]) valueFor(op kind, number uint64) int64 {
	switch {
	case op == opAdd:
		return 1
	case op != opIterate:
		return int64(number)
	case f.g.Scan != 0:
		return f.g.Scan
	}
	return math.MaxInt64
}

// restart begins the schedule anew, with the requests from `done` on of the n that were drawn last.
func (f *feed[K]) restart(done, n int) {
	f.restarted = f.number - uint64(n-done)
	f.due = 0
	for i := done; i < n && f.gap > 0; i++ {
		f.dues[i] = f.drawDue(f.number - uint64(n-i))
	}
}

// draw draws the next n requests, and when they are due.
func (f *feed[K]) draw(n int) {
	for i := 0; i < n; i++ {
		r := &f.requests[i]
		if len(f.kind) > 0 {
			r.op = f.kind[0]
			if len(f.kind) > 1 {
				r.op = f.drawKind()
			}
		}
		r.value = f.valueFor(r.op, f.number+uint64(i))
		if f.g.trace != nil {
			f.takeOfTrace(r)
		} else if !f.plain {
			f.drawKey(i)
		}
	}
	if f.plain {
		f.keys.draw(f.drawn[:n])
		f.codec.all(f.drawn[:n], f.requests[:n])
	}
	for i := 0; i < n && f.gap > 0; i++ {
		f.dues[i] = f.drawDue(f.number + uint64(i))
	}
	f.number += uint64(n)
}
