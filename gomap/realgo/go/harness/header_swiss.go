//go:build goexperiment.swissmap || go1.26

package main

import "unsafe"

const design = "swiss"

// header is the head of a Swiss map as it lies in memory.
type header struct {
	used        uint64
	seed        uintptr
	directory   unsafe.Pointer // one group of slots if length is 0, else pointers to tables
	length      int
	globalDepth uint8
}

// tableHead is the head of one table of a Swiss map.
type tableHead struct {
	used, capacity, growthLeft uint16
	localDepth                 uint8
}

func (h *header) known(n int) bool {
	return h != nil && h.used == uint64(n) && h.globalDepth < 64 && (h.length == 0 || h.length == 1<<h.globalDepth)
}

// A Swiss map grows table by table; its header does not tell when.
func (h *header) growingTo() int { return -1 }

func (w *watch) look(h *header) {}

// figures are the tables and their slots. Entries of the directory that lead to one table stand together.
func (h *header) figures() map[string]any {
	const group = 8
	tables, slots := 0, 0
	if h.length == 0 && h.directory != nil {
		slots = group
	}
	var last *tableHead
	for _, t := range unsafe.Slice((**tableHead)(h.directory), h.length) {
		if t != last {
			tables++
			slots += int(t.capacity)
		}
		last = t
	}
	return map[string]any{"tables": tables, "slots": slots, "directory": h.length}
}
