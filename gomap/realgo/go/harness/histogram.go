package main

import (
	"math"
	"math/bits"
)

// HdrHistogram's layout, three significant digits up to 100 s: the buckets of csrc/base/histogram.c.

const (
	halfBits  = 10
	highestNs = 100_000_000_000
)

func bucketOf(v uint64) int {
	k := 64 - bits.LeadingZeros64(v|(2<<halfBits-1)) - (halfBits + 1)
	return k<<halfBits + int(v>>k)
}

// highestIn is the highest value that falls into bucket i.
func highestIn(i int) uint64 {
	if i < 2<<halfBits {
		return uint64(i)
	}
	k := i>>halfBits - 1
	return (uint64(i&(1<<halfBits-1)|1<<halfBits)+1)<<k - 1
}

type histogram struct {
	total, least, most, sum uint64
	counts                  []uint64
}

func newHistogram() *histogram {
	return &histogram{least: math.MaxUint64, counts: offHeap[uint64](bucketOf(highestNs) + 2)} // the last: above
}

func (h *histogram) reset() {
	touch(h.counts)
	h.total, h.most, h.sum, h.least = 0, 0, 0, math.MaxUint64
}

func (h *histogram) count(v uint64) {
	h.counts[min(bucketOf(v), len(h.counts)-1)]++
	h.total++
	h.sum += v
	h.least = min(h.least, v)
	h.most = max(h.most, v)
}

func (h *histogram) add(from *histogram) {
	for i, n := range from.counts {
		h.counts[i] += n
	}
	h.total += from.total
	h.sum += from.sum
	h.least = min(h.least, from.least)
	h.most = max(h.most, from.most)
}

type histogramJSON struct {
	Count  uint64      `json:"count"`
	Min    uint64      `json:"min_ns"`
	Mean   float64     `json:"mean_ns"`
	Max    uint64      `json:"max_ns"`
	Counts [][2]uint64 `json:"counts"`
}

func (h *histogram) json() histogramJSON {
	out := histogramJSON{Count: h.total, Min: h.least, Mean: float64(h.sum) / float64(h.total), Max: h.most}
	for i, n := range h.counts {
		value := highestIn(i)
		if i == len(h.counts)-1 {
			value = h.most
		}
		if n > 0 {
			out.Counts = append(out.Counts, [2]uint64{value, n})
		}
	}
	return out
}
