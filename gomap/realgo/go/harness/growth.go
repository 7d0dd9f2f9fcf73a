package main

import "unsafe"

// event is a structural event of a classic map, at an instant of the harness's clock.
type event struct {
	at         int64
	n          uint64
	fromB, toB uint8
	what       uint8
}

const (
	growStart = iota
	growEnd
)

var eventNames = [...]string{"grow_start", "grow_end"}

const mostEvents = 1 << 16

// watch follows the growth of one map. It is looked at by each writer before it lets go of the map, so that no growth is
// missed: every growth puts the map into a new array while the old one still lives. The arrays are known by their addresses
// only; the collector does not see them here.
type watch struct {
	array, old uintptr
	b          uint8
	events     []event
}

func newWatch() watch {
	return watch{events: offHeap[event](mostEvents)[:0]}
}

func (w *watch) put(what uint8, n int, from, to uint8) {
	if len(w.events) == cap(w.events) {
		return // the first are kept: a map that grows so often is told by them
	}
	w.events = append(w.events, event{at: now(), n: uint64(n), fromB: from, toB: to, what: what})
}

// headerOf is where the runtime keeps what it knows of a map.
func headerOf[K comparable](m map[K]int64) *header {
	return *(**header)(unsafe.Pointer(&m))
}
