package main

import "runtime/debug"

// passes times whole passes over a map, by range and by a list of its keys with a get for each: nanoseconds an element,
// pass by pass, in turns.
func passes(asked struct {
	Size   int `json:"size"`
	Rounds int `json:"rounds"`
}) (any, error) {
	debug.SetGCPercent(-1)
	m, keys := map[int]int{}, []int{}
	fill(m, asked.Size)
	for k := range m {
		keys = append(keys, k)
	}
	shuffled(keys)
	var ranged, listed []float64
	for i := 0; i < asked.Rounds; i++ {
		begin := now()
		for _, elem := range m {
			sum += elem
		}
		between := now()
		for _, k := range keys {
			sum += m[k]
		}
		ranged = append(ranged, float64(between-begin)/float64(asked.Size))
		listed = append(listed, float64(now()-between)/float64(asked.Size))
	}
	return map[string]any{"range_ns": ranged, "list_ns": listed}, nil
}

// shuffled puts keys into an order that has nothing to do with where they lie.
func shuffled(keys []int) {
	x := uint64(1)
	for i := len(keys) - 1; i > 0; i-- {
		x = x*6364136223846793005 + 1442695040888963407
		j := int(x>>33) % (i + 1)
		keys[i], keys[j] = keys[j], keys[i]
	}
}
