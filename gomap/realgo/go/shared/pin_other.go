//go:build !linux

package main

import "syscall"

func pin(cpu int) error { return syscall.ENOSYS }
