package main

import (
	"syscall"
	"unsafe"
)

// offHeap is memory for n values without pointers that the collector does not know of, zeroed: what the measuring needs shall
// neither count as the map's memory nor change when collections happen.
func offHeap[T any](n int) []T {
	var one T
	size := n * int(unsafe.Sizeof(one))
	if size == 0 {
		return nil
	}
	p, err := syscall.Mmap(-1, 0, size, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		fail("no memory for this workload (%v)", err)
	}
	return unsafe.Slice((*T)(unsafe.Pointer(&p[0])), n)
}

// touch writes every page, so that measuring takes no page fault.
func touch[T any](values []T) {
	clear(values)
}
