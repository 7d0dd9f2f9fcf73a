package main

import "sort"

// told is the number of nanoseconds, about a millisecond, up to which every duration has a count of its own: percentiles
// are exact.
const told = 1 << 20

const listedMost = 1000

// tail holds durations. Those beyond `told` are kept one by one.
type tail struct {
	counts [told]uint32
	over   []int64
	n, sum int64
}

func newTail() *tail { return &tail{over: make([]int64, 0, 1<<12)} }

func (t *tail) add(ns int64) {
	t.n++
	t.sum += ns
	if ns < told {
		t.counts[ns]++
	} else {
		t.over = append(t.over, ns)
	}
}

// beyond is how many took longer.
func (t *tail) beyond(ns int) int64 {
	longer := int64(len(t.over))
	for _, n := range t.counts[ns+1:] {
		longer += int64(n)
	}
	return longer
}

// at is the duration that a part of all does not exceed; over has to be sorted.
func (t *tail) at(part float64) int64 {
	rank := int64(part * float64(t.n))
	if rank >= t.n {
		rank = t.n - 1
	}
	for ns, n := range t.counts {
		if rank < int64(n) {
			return int64(ns)
		}
		rank -= int64(n)
	}
	return t.over[rank]
}

type figures struct {
	Count     int64   `json:"count"`
	Mean      float64 `json:"mean"`
	P50       int64   `json:"p50"`
	P99       int64   `json:"p99"`
	P999      int64   `json:"p99.9"`
	P9999     int64   `json:"p99.99"`
	Max       int64   `json:"max"`
	Over10us  int64   `json:"over_10us"`
	Over20us  int64   `json:"over_20us"`
	Over100us int64   `json:"over_100us"`
	Over1ms   int     `json:"over_1ms"`
	Longest   []int64 `json:"longest"` // of those, one by one, the longest first
}

func (t *tail) figures() *figures {
	if t.n == 0 {
		return nil
	}
	sort.Slice(t.over, func(i, j int) bool { return t.over[i] < t.over[j] })
	longest := []int64{}
	for i := len(t.over) - 1; i >= 0 && len(longest) < listedMost; i-- {
		longest = append(longest, t.over[i])
	}
	return &figures{
		Count: t.n, Mean: float64(t.sum) / float64(t.n),
		P50: t.at(0.5), P99: t.at(0.99), P999: t.at(0.999), P9999: t.at(0.9999), Max: t.at(1),
		Over10us: t.beyond(10_000), Over20us: t.beyond(20_000), Over100us: t.beyond(100_000),
		Over1ms: len(t.over), Longest: longest,
	}
}
