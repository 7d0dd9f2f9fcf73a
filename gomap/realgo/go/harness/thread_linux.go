package main

import (
	"syscall"
	"unsafe"
)

const (
	thisThread    = 1 // RUSAGE_THREAD
	threadCPUTime = 3 // CLOCK_THREAD_CPUTIME_ID
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
