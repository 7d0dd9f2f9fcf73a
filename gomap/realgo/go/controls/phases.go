package main

import "runtime/debug"

// phases times hits in a classic map that is full, has just begun to grow, has moved half of its buckets, and has moved
// all, round by round; and counts growths, and those after which the header was another. Gets do not move anything, so that
// each phase lasts.
func phases(asked struct {
	B      int `json:"b"` // of the array that is outgrown
	Rounds int `json:"rounds"`
}) (any, error) {
	debug.SetGCPercent(-1)
	full := 13 << asked.B >> 1
	times, growths, moved := map[string][]float64{}, 0, 0
	for i := 0; i < asked.Rounds; i++ {
		m := map[int]int{}
		header := addressOf(m)
		fill(m, full)
		note := func(phase string) { times[phase] = append(times[phase], hitNs(m, full)) }
		note("full")
		m[full] = full
		growths++
		if addressOf(m) != header {
			moved++
		}
		note("just begun")
		update := func(from, to int) {
			for k := from; k < to; k++ {
				m[k] = k
			}
		}
		for k := 0; evacuated(m) < 1<<asked.B/2; k++ {
			update(k, k+1)
		}
		note("half moved")
		for k := 0; evacuated(m) >= 0; k++ {
			update(k, k+1)
		}
		note("finished")
	}
	return map[string]any{"times": times, "growths": growths, "new_headers": moved}, nil
}

const hitPasses = 5

// hitNs is what a hit takes, of the quickest pass over all keys in an order that has nothing to do with where they lie.
func hitNs(m map[int]int, n int) float64 {
	keys := make([]int, n)
	for i := range keys {
		keys[i] = i
	}
	shuffled(keys)
	least := int64(1) << 62
	for i := 0; i < hitPasses; i++ {
		begin := now()
		for _, k := range keys {
			sum += m[k]
		}
		least = min(least, now()-begin)
	}
	return float64(least) / float64(n)
}
