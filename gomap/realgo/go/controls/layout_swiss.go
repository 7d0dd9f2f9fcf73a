//go:build goexperiment.swissmap || go1.26

package main

// flagAt is where a header has the byte that every write flips twice.
const flagAt = 34

// evacuated: a Swiss map does not grow bit by bit.
func evacuated(map[int]int) int { return -1 }
