package main

import (
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	_ "unsafe" // for linkname
)

// procPin is the number of the P that runs the caller, which is kept on it until procUnpin.
//
//go:linkname procPin runtime.procPin
func procPin() int

//go:linkname procUnpin runtime.procUnpin
func procUnpin()

func thisP() int {
	p := procPin()
	procUnpin()
	return p
}

const itsGets = 100

// birth is what became of a goroutine: whether another P ran it first, and what its gets took, the first time and again.
type birth struct {
	moved        bool
	first, later int64
}

// steals has goroutines born all on one P, some of which the other P takes over. Each gets keys of its own, which the P of its
// birth has read just before, and then gets them again.
func steals(asked struct {
	Goroutines int `json:"goroutines"`
}) (any, error) {
	runtime.GOMAXPROCS(2)
	debug.SetGCPercent(-1)
	m := map[int]int{}
	fill(m, asked.Goroutines*itsGets)
	births := make([]birth, asked.Goroutines)
	var all sync.WaitGroup
	all.Add(1 + len(births))
	go func() { bear(m, births, &all); all.Done() }()
	all.Wait()
	var stayed, moved, later []int64
	for _, b := range births {
		if b.moved {
			moved, later = append(moved, b.first), append(later, b.later)
		} else {
			stayed = append(stayed, b.first)
		}
	}
	return map[string]any{"moved_first_ns": moved, "moved_later_ns": later, "stayed_first_ns": stayed}, nil
}

func bear(m map[int]int, births []birth, all *sync.WaitGroup) {
	home := thisP()
	for i := range births {
		getsNs(m, i)
	}
	for i := range births {
		i := i
		go func() {
			b := &births[i]
			b.moved = thisP() != home
			b.first = getsNs(m, i)
			b.later = getsNs(m, i)
			all.Done()
		}()
	}
}

// getsNs is what the gets of a goroutine's keys took together.
func getsNs(m map[int]int, i int) int64 {
	total, begin := 0, now()
	for k := i * itsGets; k < (i+1)*itsGets; k++ {
		total += m[k]
	}
	took := now() - begin
	gotten.Add(int64(total))
	return took
}

var gotten atomic.Int64 // is added to, so that no get can be left out
