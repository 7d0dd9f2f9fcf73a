package main

import (
	"errors"
	"math/bits"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// One map and several goroutines, with the operations, the elems and the answers of ../driver/shared.c.

const (
	first  = 1000 // keys of a growth that are there from the beginning
	stride = 64
	longNs = 50000
)

type table interface {
	get(key int64) (int64, bool)
	assign(key, elem int64) bool // whether the key was there
}

type locked struct {
	lock sync.RWMutex
	m    map[int64]int64
}

func (l *locked) get(key int64) (int64, bool) {
	l.lock.RLock()
	elem, there := l.m[key]
	l.lock.RUnlock()
	return elem, there
}

func (l *locked) assign(key, elem int64) bool {
	l.lock.Lock()
	n := len(l.m)
	l.m[key] = elem
	there := len(l.m) == n
	l.lock.Unlock()
	return there
}

type syncMap struct{ m sync.Map }

func (s *syncMap) get(key int64) (int64, bool) {
	elem, there := s.m.Load(key)
	if !there {
		return 0, false
	}
	return elem.(int64), true
}

func (s *syncMap) assign(key, elem int64) bool {
	_, there := s.m.Swap(key, elem)
	return there
}

func newTable(design string, hint int) (table, error) {
	switch design {
	case "rwmutex":
		return &locked{m: make(map[int64]int64, hint)}, nil
	case "syncmap":
		return &syncMap{}, nil
	}
	return nil, errors.New("no such design")
}

var shared struct {
	design  string
	t       table
	keys    []int64
	streams [2][]int64
}

func elemOf(key, anything int64) int64 { return key<<8 | anything&255 }

func fill(t table, keys []int64) error {
	for _, k := range keys {
		if t.assign(k, elemOf(k, 0)) {
			return errors.New("the map was not filled")
		}
	}
	return nil
}

func openShared(asked []string) (told []any, err error) {
	shared.design = asked[1]
	if shared.keys, err = words(asked[2], "keys"); err != nil {
		return nil, err
	}
	for i := range shared.streams {
		if shared.streams[i], err = words(asked[2], "stream."+strconv.Itoa(i)); err != nil {
			return nil, err
		}
	}
	if len(asked) > 3 {
		return nil, nil
	}
	before := liveBytes()
	if shared.t, err = newTable(shared.design, len(shared.keys)); err != nil {
		return nil, err
	}
	if err = fill(shared.t, shared.keys); err != nil {
		return nil, err
	}
	return []any{liveBytes() - before}, nil
}

// ---------------------------------------------------------------- lanes

// times is a log-linear histogram of nanoseconds: 1,024 steps an octave, as the C driver's.
type times struct {
	counts [56 << 10]uint64
	n, max uint64
}

func (h *times) add(ns int64) {
	v := uint64(ns)
	octave := 0
	if v >= 2048 {
		octave = bits.Len64(v) - 11
	}
	h.counts[octave<<10+int(v>>octave)]++
	h.n++
	h.max = max(h.max, v)
}

func (h *times) addAll(other *times) {
	for i, n := range other.counts {
		h.counts[i] += n
	}
	h.n += other.n
	h.max = max(h.max, other.max)
}

// percentile is the highest value of the step in which it lies.
func (h *times) percentile(percent float64) uint64 {
	rank, seen := uint64(percent/100*float64(h.n)+0.9999999), uint64(0)
	for i, n := range h.counts {
		if seen += n; seen >= rank && n > 0 {
			octave := 0
			if i >= 2048 {
				octave = i>>10 - 1
			}
			return min(h.max, (uint64(i-octave<<10)+1)<<octave-1)
		}
	}
	return h.max
}

func (h *times) numbers() []any {
	if h == nil {
		return []any{0, 0, 0, 0, 0}
	}
	return []any{h.n, h.percentile(50), h.percentile(99), h.percentile(99.9), h.max}
}

type lane struct {
	t                           table
	words                       []int64 // a power of two of them, from at on
	at                          int
	over                        *atomic.Bool
	times                       *times // nil: not timed
	cpu                         int
	operations, gets, hits      int64
	wrong                       bool
	began, ended                int64
	limitNs, longest, preempted int64 // of a writer that grows
	failed                      error
	_                           [64]byte
}

func (l *lane) get(key int64) {
	var began int64
	if l.times != nil {
		began = now()
	}
	elem, there := l.t.get(key)
	if l.times != nil {
		l.times.add(now() - began)
	}
	l.gets++
	if there {
		l.hits++
	}
	l.wrong = l.wrong || elem>>8 != key
}

func (l *lane) mixed() {
	mask := len(l.words) - 1
	for !l.over.Load() {
		for i := 0; i < stride; i++ {
			word := l.words[l.at&mask]
			l.at++
			if word&1 == 0 {
				l.get(word >> 1)
			} else if !l.t.assign(word>>1, elemOf(word>>1, int64(l.at))) {
				l.wrong = true
			}
		}
		l.operations += stride
	}
}

// waits is how long a thread has been ready to run and not running, in all.
type waits struct {
	thread int
	ns     int64
}

// readWaits is of the calling thread; nothing where the system does not say.
func readWaits() (w waits) {
	w.thread = syscall.Gettid()
	if said, err := os.ReadFile("/proc/thread-self/schedstat"); err == nil {
		if words := strings.Fields(string(said)); len(words) > 1 {
			w.ns, _ = strconv.ParseInt(words[1], 10, 64)
		}
	}
	return w
}

// since is 0 if the goroutine was on another thread then.
func (w waits) since(before waits) int64 {
	if w.thread != before.thread {
		return 0
	}
	return w.ns - before.ns
}

func (l *lane) late(i int) bool { return i%stride == 0 && now()-l.began > l.limitNs }

func (l *lane) grow() {
	waits := readWaits()
	for i := first; i < len(l.words) && !l.late(i); i++ {
		l.operations++
		var began, took int64
		key := l.words[i]
		if l.times != nil {
			began = now()
		}
		if l.t.assign(key, elemOf(key, int64(i))) {
			l.wrong = true
		}
		if l.times != nil {
			took = now() - began
		}
		if took > longNs {
			now := readWaits()
			waited := now.since(waits)
			waits = now
			l.preempted += int64(number(waited > 0))
			took -= min(took, waited)
		}
		l.longest = max(l.longest, took)
	}
	l.over.Store(true)
}

// drive runs a body for each lane; ms 0: until they end by themselves.
func drive(lanes []*lane, bodies []func(*lane), ms int) error {
	var over atomic.Bool
	var ready, done sync.WaitGroup
	gate := make(chan struct{})
	for i, l := range lanes {
		l.over = &over
		ready.Add(1)
		done.Add(1)
		go func(l *lane, body func(*lane)) {
			defer done.Done()
			if l.cpu >= 0 {
				runtime.LockOSThread() // never unlocked: the pinned thread ends with the goroutine
				l.failed = pin(l.cpu)
			}
			ready.Done()
			<-gate
			l.began = now()
			body(l)
			l.ended = now()
		}(l, bodies[i])
	}
	ready.Wait()
	runtime.GC()
	close(gate)
	if ms > 0 {
		time.Sleep(time.Duration(ms) * time.Millisecond)
		over.Store(true)
	}
	done.Wait()
	for _, l := range lanes {
		if l.failed != nil {
			return errors.New("a thread could not be pinned")
		}
	}
	return nil
}

// perSecond counts none as one: nothing can be divided by a rate of nothing.
func perSecond(operations, ns int64) float64 {
	return float64(max(operations, 1)) * 1e9 / float64(max(ns, 1))
}

func lanesOf(isTimed string, cpus []string) ([]*lane, error) {
	lanes := make([]*lane, len(cpus))
	for i, text := range cpus {
		cpu, err := strconv.Atoi(text)
		if err != nil {
			return nil, err
		}
		lanes[i] = &lane{cpu: cpu}
		if isTimed != "0" {
			lanes[i].times = new(times)
		}
	}
	return lanes, nil
}

func number(yes bool) int {
	if yes {
		return 1
	}
	return 0
}

func runShared(asked []string) ([]any, error) {
	ms, err := strconv.Atoi(asked[1])
	if err != nil || shared.t == nil {
		return nil, errors.New("no map, or no time")
	}
	lanes, err := lanesOf(asked[2], asked[3:])
	if err != nil {
		return nil, err
	}
	bodies := make([]func(*lane), len(lanes))
	for i, l := range lanes {
		l.t, l.words, l.at, bodies[i] = shared.t, shared.streams[i%2], i/2*7919, (*lane).mixed
	}
	if err := drive(lanes, bodies, ms); err != nil {
		return nil, err
	}
	var all lane
	first, last := lanes[0].began, lanes[0].ended
	for i, l := range lanes {
		first, last = min(first, l.began), max(last, l.ended)
		all.operations += l.operations
		all.gets += l.gets
		all.hits += l.hits
		all.wrong = all.wrong || l.wrong
		if i > 0 && l.times != nil {
			lanes[0].times.addAll(l.times)
		}
	}
	return append([]any{perSecond(all.operations, last-first), all.gets, all.hits, number(all.wrong)}, lanes[0].times.numbers()...), nil
}

func grow(asked []string) ([]any, error) {
	if len(shared.keys) <= first {
		return nil, errors.New("no map that can grow")
	}
	ms, err := strconv.Atoi(asked[1])
	if err != nil {
		return nil, err
	}
	lanes, err := lanesOf(asked[2], asked[3:5])
	if err != nil {
		return nil, err
	}
	t, err := newTable(shared.design, 0)
	if err != nil {
		return nil, err
	}
	if err := fill(t, shared.keys[:first]); err != nil {
		return nil, err
	}
	reader, writer := lanes[0], lanes[1]
	reader.t, reader.words = t, shared.streams[0]
	writer.t, writer.words, writer.limitNs = t, shared.keys, int64(ms)*1e6
	if err := drive(lanes, []func(*lane){(*lane).mixed, (*lane).grow}, 0); err != nil {
		return nil, err
	}
	told := []any{writer.operations, perSecond(reader.gets, reader.ended-reader.began), perSecond(writer.operations, writer.ended-writer.began), reader.gets, reader.hits, number(reader.wrong || writer.wrong)}
	told = append(told, reader.times.numbers()...)
	return append(told, writer.longest, writer.preempted), nil
}
