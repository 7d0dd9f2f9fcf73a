package main

import (
	"fmt"
	"hash/maphash"
	"math/bits"
	"sync"
	"sync/atomic"
)

// store is a map behind a guard, as a Go program would write it. Each call says whether the key was there.
type store[K comparable] interface {
	get(k K) (int64, bool)
	assign(k K, v int64) bool
	remove(k K) bool
	loadOrStore(k K, v int64) bool
	add(k K, by int64) bool
	size() int
	sum() int64 // of all elems; nobody else is inside
	iterate(most int64)
	growingTo() int // B of the growth in progress, -1 if none
	maps() []*watched[K]
}

func newStore[K comparable](variant string, hint, shards int) (store[K], error) {
	switch variant {
	case "plain":
		return &plain[K]{newWatched[K](hint)}, nil
	case "mutex":
		return &mutexed[K]{w: newWatched[K](hint)}, nil
	case "rwmutex":
		return &rwMutexed[K]{w: newWatched[K](hint)}, nil
	case "sharded":
		return newSharded[K](hint, shards), nil
	case "syncmap", "hashtrie": // which of the two was chosen when this program was built
		return &synced[K]{}, nil
	}
	return nil, fmt.Errorf("no variant %q", variant)
}

// watched is a map whose growth is followed.
type watched[K comparable] struct {
	m map[K]int64
	h *header
	watch
}

func newWatched[K comparable](hint int) *watched[K] {
	m := make(map[K]int64, hint)
	w := &watched[K]{m: m, h: headerOf(m), watch: newWatch()}
	w.look(w.h)
	return w
}

func (w *watched[K]) get(k K) (int64, bool) {
	v, ok := w.m[k]
	return v, ok
}

func (w *watched[K]) assign(k K, v int64) bool {
	before := len(w.m)
	w.m[k] = v
	w.look(w.h)
	return len(w.m) == before
}

func (w *watched[K]) remove(k K) bool {
	before := len(w.m)
	delete(w.m, k)
	w.look(w.h)
	return len(w.m) != before
}

func (w *watched[K]) loadOrStore(k K, v int64) bool {
	if _, ok := w.m[k]; ok {
		return true
	}
	w.m[k] = v
	w.look(w.h)
	return false
}

func (w *watched[K]) add(k K, by int64) bool {
	before := len(w.m)
	w.m[k] += by
	w.look(w.h)
	return len(w.m) == before
}

// iterate visits up to most entries and returns how many it visited.
func (w *watched[K]) iterate(most int64) (seen int64) {
	for range w.m {
		if seen++; seen >= most {
			break
		}
	}
	return seen
}

func (w *watched[K]) sum() (total int64) {
	for _, v := range w.m {
		total += v
	}
	return total
}

// ------------------------------------------------------------------ unguarded

type plain[K comparable] struct{ *watched[K] }

func (p *plain[K]) size() int           { return len(p.m) }
func (p *plain[K]) iterate(most int64)  { p.watched.iterate(most) }
func (p *plain[K]) growingTo() int      { return p.h.growingTo() }
func (p *plain[K]) maps() []*watched[K] { return []*watched[K]{p.watched} }

// ------------------------------------------------------------------ sync.Mutex

type mutexed[K comparable] struct {
	lock sync.Mutex
	w    *watched[K]
}

func (s *mutexed[K]) get(k K) (int64, bool) {
	s.lock.Lock()
	v, ok := s.w.get(k)
	s.lock.Unlock()
	return v, ok
}

func (s *mutexed[K]) assign(k K, v int64) bool {
	s.lock.Lock()
	hit := s.w.assign(k, v)
	s.lock.Unlock()
	return hit
}

func (s *mutexed[K]) remove(k K) bool {
	s.lock.Lock()
	hit := s.w.remove(k)
	s.lock.Unlock()
	return hit
}

func (s *mutexed[K]) loadOrStore(k K, v int64) bool {
	s.lock.Lock()
	hit := s.w.loadOrStore(k, v)
	s.lock.Unlock()
	return hit
}

func (s *mutexed[K]) add(k K, by int64) bool {
	s.lock.Lock()
	hit := s.w.add(k, by)
	s.lock.Unlock()
	return hit
}

func (s *mutexed[K]) size() int {
	s.lock.Lock()
	n := len(s.w.m)
	s.lock.Unlock()
	return n
}

func (s *mutexed[K]) iterate(most int64) {
	s.lock.Lock()
	s.w.iterate(most)
	s.lock.Unlock()
}

func (s *mutexed[K]) sum() int64          { return s.w.sum() }
func (s *mutexed[K]) growingTo() int      { return s.w.h.growingTo() }
func (s *mutexed[K]) maps() []*watched[K] { return []*watched[K]{s.w} }

// ------------------------------------------------------------------ sync.RWMutex

type rwMutexed[K comparable] struct {
	lock sync.RWMutex
	w    *watched[K]
}

func (s *rwMutexed[K]) get(k K) (int64, bool) {
	s.lock.RLock()
	v, ok := s.w.get(k)
	s.lock.RUnlock()
	return v, ok
}

func (s *rwMutexed[K]) assign(k K, v int64) bool {
	s.lock.Lock()
	hit := s.w.assign(k, v)
	s.lock.Unlock()
	return hit
}

func (s *rwMutexed[K]) remove(k K) bool {
	s.lock.Lock()
	hit := s.w.remove(k)
	s.lock.Unlock()
	return hit
}

func (s *rwMutexed[K]) loadOrStore(k K, v int64) bool {
	s.lock.Lock()
	hit := s.w.loadOrStore(k, v)
	s.lock.Unlock()
	return hit
}

func (s *rwMutexed[K]) add(k K, by int64) bool {
	s.lock.Lock()
	hit := s.w.add(k, by)
	s.lock.Unlock()
	return hit
}

func (s *rwMutexed[K]) size() int {
	s.lock.RLock()
	n := len(s.w.m)
	s.lock.RUnlock()
	return n
}

// visit is iterate, and says how many entries it visited.
func (s *rwMutexed[K]) visit(most int64) int64 {
	s.lock.RLock()
	seen := s.w.iterate(most)
	s.lock.RUnlock()
	return seen
}

func (s *rwMutexed[K]) iterate(most int64)  { s.visit(most) }
func (s *rwMutexed[K]) sum() int64          { return s.w.sum() }
func (s *rwMutexed[K]) growingTo() int      { return s.w.h.growingTo() }
func (s *rwMutexed[K]) maps() []*watched[K] { return []*watched[K]{s.w} }

// ------------------------------------------------------------------ shards

type shard[K comparable] struct {
	rwMutexed[K]
	_ [128]byte // no two locks on one line
}

type sharded[K comparable] struct {
	shards []shard[K]
	hash   func(k K) uint64
	shift  int // of a hash, to a shard's number
	turn   atomic.Uint32
}

func newSharded[K comparable](hint, n int) *sharded[K] {
	s := &sharded[K]{shards: make([]shard[K], n), shift: 65 - bits.Len(uint(n)), hash: hashOf[K]()}
	for i := range s.shards {
		s.shards[i].w = newWatched[K]((hint + n - 1) / n)
	}
	return s
}

// hashOf is a hash whose upper bits are good: of a number a product, of a string the runtime's.
func hashOf[K comparable]() func(k K) uint64 {
	var hash any
	var none K
	switch any(none).(type) {
	case int64:
		hash = func(k int64) uint64 { return uint64(k) * golden }
	case string:
		seed := maphash.MakeSeed()
		hash = func(k string) uint64 { return maphash.String(seed, k) }
	}
	return hash.(func(k K) uint64)
}

func (s *sharded[K]) of(k K) *shard[K] {
	return &s.shards[s.hash(k)>>s.shift]
}

func (s *sharded[K]) get(k K) (int64, bool)         { return s.of(k).get(k) }
func (s *sharded[K]) assign(k K, v int64) bool      { return s.of(k).assign(k, v) }
func (s *sharded[K]) remove(k K) bool               { return s.of(k).remove(k) }
func (s *sharded[K]) loadOrStore(k K, v int64) bool { return s.of(k).loadOrStore(k, v) }
func (s *sharded[K]) add(k K, by int64) bool        { return s.of(k).add(k, by) }

func (s *sharded[K]) size() (n int) {
	for i := range s.shards {
		n += s.shards[i].size()
	}
	return n
}

func (s *sharded[K]) sum() (total int64) {
	for i := range s.shards {
		total += s.shards[i].sum()
	}
	return total
}

// iterate takes the shards in turn, each time from another one on.
func (s *sharded[K]) iterate(most int64) {
	n := uint32(len(s.shards))
	for i, from := uint32(0), s.turn.Add(1); i < n && most > 0; i++ {
		most -= s.shards[(from+i)%n].visit(most)
	}
}

func (s *sharded[K]) growingTo() int {
	for i := range s.shards {
		if b := s.shards[i].growingTo(); b >= 0 {
			return b
		}
	}
	return -1
}

func (s *sharded[K]) maps() (all []*watched[K]) {
	for i := range s.shards {
		all = append(all, s.shards[i].w)
	}
	return all
}

// ------------------------------------------------------------------ sync.Map

type synced[K comparable] struct{ m sync.Map }

func (s *synced[K]) get(k K) (int64, bool) {
	v, ok := s.m.Load(k)
	if !ok {
		return 0, false
	}
	return v.(int64), true
}

func (s *synced[K]) assign(k K, v int64) bool {
	_, hit := s.m.Swap(k, v)
	return hit
}

func (s *synced[K]) remove(k K) bool {
	_, hit := s.m.LoadAndDelete(k)
	return hit
}

func (s *synced[K]) loadOrStore(k K, v int64) bool {
	_, hit := s.m.LoadOrStore(k, v)
	return hit
}

func (s *synced[K]) add(k K, by int64) bool {
	key := any(k)
	for {
		old, hit := s.m.Load(key)
		if !hit {
			old, hit = s.m.LoadOrStore(key, by)
		}
		if !hit {
			return false
		}
		if s.m.CompareAndSwap(key, old, old.(int64)+by) {
			return true
		}
	}
}

// size counts: a sync.Map does not know how many entries it has.
func (s *synced[K]) size() (n int) {
	s.m.Range(func(any, any) bool {
		n++
		return true
	})
	return n
}

func (s *synced[K]) sum() (total int64) {
	s.m.Range(func(_, v any) bool {
		total += v.(int64)
		return true
	})
	return total
}

func (s *synced[K]) iterate(most int64) {
	s.m.Range(func(any, any) bool {
		most--
		return most > 0
	})
}

func (s *synced[K]) growingTo() int      { return -1 }
func (s *synced[K]) maps() []*watched[K] { return nil }
