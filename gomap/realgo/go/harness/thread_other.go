//go:build !linux

package main

import "time"

func usage() usageOf { return usageOf{} }

func napNs(ns int64) { time.Sleep(time.Duration(ns)) }
