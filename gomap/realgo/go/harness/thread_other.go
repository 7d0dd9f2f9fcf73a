//go:build !linux

package main

import (
	"syscall"
	"time"
)

func pin(cpu int) error { return syscall.ENOSYS }

func usage() usageOf { return usageOf{} }

func napNs(ns int64) { time.Sleep(time.Duration(ns)) }
