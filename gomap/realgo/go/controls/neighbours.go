package main

import (
	"runtime"
	"runtime/debug"
	"sort"
	"sync/atomic"
)

const (
	line      = 64
	hot       = 36 // bytes of a header that a get reads, at most
	headers   = 512
	far       = 64 * line
	itsKeys   = 100
	batchGets = 1_000
	batchMost = 100_000 // ns; one that took longer was interrupted
	enough    = 100     // batches
	mostTimes = 20
)

// neighbours times gets of one map while another goroutine updates another map: two whose headers share a cache line, or
// two far apart. The headers lie where Go's allocator puts them; of many, a fitting pair is taken. Only these two get any
// entries, so that their tables lie apart.
func neighbours(asked struct {
	Shared bool  `json:"shared"`
	Ms     int   `json:"ms"`
	CPUs   []int `json:"cpus"` // the reader's and the writer's
}) (any, error) {
	runtime.GOMAXPROCS(2)
	debug.SetGCPercent(-1)
	maps := emptyMaps(headers)
	result := map[string]any{"headers": headers, "slot": slot(maps), "in_one_line": pairsInOneLine(maps)}
	read, written := pair(maps, asked.Shared)
	if read == nil {
		return result, nil
	}
	fill(read, itsKeys)
	fill(written, itsKeys)
	var stop atomic.Bool
	var writes atomic.Int64
	ended := make(chan struct{})
	if err := pinned(asked.CPUs, 0); err != nil {
		return nil, err
	}
	go func() {
		if pinned(asked.CPUs, 1) == nil {
			update(written, &stop, &writes)
		}
		close(ended)
	}()
	for writes.Load() == 0 {
		runtime.Gosched()
	}
	begun, began := writes.Load(), now()
	result["get_ns"], result["at_once"] = batches(read, &writes, ms(asked.Ms))
	result["writes"], result["took_ns"] = writes.Load()-begun, now()-began
	stop.Store(true)
	<-ended
	return result, nil
}

// pinned keeps the calling goroutine on a CPU of its own, if it was given one.
func pinned(cpus []int, which int) error {
	if len(cpus) <= which {
		return nil
	}
	runtime.LockOSThread()
	return pin(cpus[which])
}

// emptyMaps are sorted by where their headers lie.
func emptyMaps(n int) []map[int]int {
	maps := make([]map[int]int, n)
	for i := range maps {
		maps[i] = make(map[int]int)
	}
	sort.Slice(maps, func(i, j int) bool { return addressOf(maps[i]) < addressOf(maps[j]) })
	return maps
}

// slot is the least distance of two headers: what the allocator gives to one.
func slot(maps []map[int]int) uintptr {
	least := ^uintptr(0)
	for i := range maps[1:] {
		least = min(least, addressOf(maps[i+1])-addressOf(maps[i]))
	}
	return least
}

// disturbs tells whether a write to one map takes away a line that a get of the other reads.
func disturbs(written, read map[int]int) bool {
	flag, from := (addressOf(written)+flagAt)/line, addressOf(read)
	return flag == from/line || flag == (from+hot-1)/line
}

func pairsInOneLine(maps []map[int]int) int {
	n := 0
	for i := range maps[1:] {
		if disturbs(maps[i], maps[i+1]) || disturbs(maps[i+1], maps[i]) {
			n++
		}
	}
	return n
}

// pair is a map to read and one to write; none if the allocator put no two headers so.
func pair(maps []map[int]int, shared bool) (read, written map[int]int) {
	for i, a := range maps {
		for _, b := range maps[i+1:] {
			apart := addressOf(b) - addressOf(a)
			switch {
			case !shared && apart >= far:
				return a, b
			case shared && disturbs(b, a):
				return a, b
			case shared && disturbs(a, b):
				return b, a
			}
		}
	}
	return nil, nil
}

func fill(m map[int]int, n int) {
	for i := 0; i < n; i++ {
		m[i] = i
	}
}

func update(m map[int]int, stop *atomic.Bool, writes *atomic.Int64) {
	for !stop.Load() {
		for k := 0; k < itsKeys; k++ {
			m[k] = k
		}
		writes.Add(itsKeys)
	}
}

// batches is the nanoseconds that a get took, of the median batch beside which the other map was written, and the share of
// batches that were such. Where the two goroutines are seldom at work at once it takes up to mostTimes as long.
func batches(m map[int]int, writes *atomic.Int64, length int64) (ns, atOnce float64) {
	var took []int64
	all, began := 0, now()
	for begin, written := began, writes.Load(); begin-began < length || len(took) < enough; all++ {
		total := 0
		for i, k := 0, 0; i < batchGets; i++ {
			total += m[k]
			if k++; k == itsKeys {
				k = 0
			}
		}
		ended, by := now(), writes.Load()
		sum += total
		if by > written && ended-begin < batchMost {
			took = append(took, ended-begin)
		}
		if ended-began > mostTimes*length {
			break
		}
		begin, written = ended, by
	}
	if len(took) == 0 {
		return 0, 0
	}
	return median(took) / batchGets, float64(len(took)) / float64(max(all, 1))
}

func median(all []int64) float64 {
	sort.Slice(all, func(i, j int) bool { return all[i] < all[j] })
	return float64(all[len(all)/2])
}
