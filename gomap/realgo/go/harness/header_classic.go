//go:build !goexperiment.swissmap && !go1.26

package main

const design = "classic"

const sameSize = 8 // of flags

// header is the head of a classic map as it lies in memory.
type header struct {
	count      int
	flags      uint8
	b          uint8
	noverflow  uint16
	hash0      uint32
	buckets    uintptr
	oldbuckets uintptr
	nevacuate  uintptr
}

// known says whether a map looks as it should: else nothing of it is reported.
func (h *header) known(n int) bool {
	return h != nil && h.count == n && h.b < 64
}

func (h *header) growingTo() int {
	if h.oldbuckets == 0 {
		return -1
	}
	return int(h.b)
}

func (w *watch) look(h *header) {
	if h.buckets != w.array || h.oldbuckets != w.old {
		w.changed(h)
	}
}

func (w *watch) changed(h *header) {
	grew := w.array != 0 && h.buckets != w.array
	if w.old != 0 && (grew || h.oldbuckets == 0) {
		w.put(growEnd, h.count, w.b, w.b)
	}
	if grew {
		w.put(growStart, h.count-1, w.b, h.b)
	}
	if grew && h.oldbuckets == 0 {
		w.put(growEnd, h.count, h.b, h.b)
	}
	w.array, w.old, w.b = h.buckets, h.oldbuckets, h.b
}

// figures are what the header says, by the names that the engine has for it.
func (h *header) figures() map[string]any {
	growing := h.oldbuckets != 0
	return map[string]any{"flags": h.flags, "B": h.b, "noverflow": h.noverflow, "hash0": h.hash0, "nevacuate": h.nevacuate,
		"growing": growing, "same_size_grow": growing && h.flags&sameSize != 0}
}
