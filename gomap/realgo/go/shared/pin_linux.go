package main

import (
	"syscall"
	"unsafe"
)

// pin lets the calling thread, which is locked to its goroutine, run on one CPU only.
func pin(cpu int) error {
	var set [128]uint64 // 8,192 CPUs
	if cpu < 0 || cpu >= 64*len(set) {
		return syscall.EINVAL
	}
	set[cpu/64] = 1 << (cpu % 64)
	_, _, e := syscall.RawSyscall(syscall.SYS_SCHED_SETAFFINITY, 0, unsafe.Sizeof(set), uintptr(unsafe.Pointer(&set)))
	if e != 0 {
		return e
	}
	return nil
}
