//go:build !goexperiment.swissmap && !go1.26

package main

import "unsafe"

// flagAt is where a header has the byte that every write flips twice.
const flagAt = 8

// evacuated is how many buckets of the old array are known to be moved; -1 if the map does not grow.
func evacuated(m map[int]int) int {
	const old, moved = 3, 4 // words of the header
	header := (*[words]uintptr)(unsafe.Pointer(addressOf(m)))
	if header[old] == 0 {
		return -1
	}
	return int(header[moved])
}
