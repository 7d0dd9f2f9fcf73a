package main

import (
	"syscall"
	"unsafe"
)

const (
	thisThread    = 1 // RUSAGE_THREAD
	threadCPUTime = 3 // CLOCK_THREAD_CPUTIME_ID
)

// usage is what the system tells of the calling thread. The CPU time has a clock of its own: that of Rusage is as of the
// scheduler's last tick.
func usage() (u usageOf) {
	var r syscall.Rusage
	var cpu syscall.Timespec
	if syscall.Getrusage(thisThread, &r) != nil {
		return u
	}
	if _, _, e := syscall.RawSyscall(syscall.SYS_CLOCK_GETTIME, threadCPUTime, uintptr(unsafe.Pointer(&cpu)), 0); e == 0 {
		u.cpu = cpu.Nano()
	}
	u.voluntary, u.involuntary, u.faults = r.Nvcsw, r.Nivcsw, r.Minflt+r.Majflt
	return u
}

func napNs(ns int64) {
	t := syscall.NsecToTimespec(ns)
	_ = syscall.Nanosleep(&t, nil) // a shorter sleep does no harm
}
