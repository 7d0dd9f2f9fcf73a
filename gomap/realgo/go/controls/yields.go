package main

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync/atomic"
)

const (
	hotKeys    = 1024
	rangedOver = 1 << 16
	trial      = 1 << 16 // steps by which a loop is timed beforehand
)

// hog is a hot loop. It takes steps until it is stopped, or has made all of them: it calls nothing to look at the time, for
// every call is a place where Go may stop it.
type hog func(stop *atomic.Bool, steps, body int)

var hogs = map[string]hog{"get": getting, "range": ranging, "arithmetic": reckoning}

func getting(stop *atomic.Bool, steps, body int) {
	total, x := 0, uint64(1)
	for i := 0; i < steps && !stop.Load(); i++ {
		total += hotMap[hotList[i%hotKeys]]
		for j := 0; j < body; j++ {
			x = x*6364136223846793005 + 1442695040888963407
		}
	}
	sum += total + int(x)
}

func ranging(stop *atomic.Bool, steps, body int) {
	total, x := 0, uint64(1)
	for i := 0; i < steps && !stop.Load(); {
		for _, elem := range rangedMap {
			if i++; i > steps || stop.Load() {
				break
			}
			total += elem
			for j := 0; j < body; j++ {
				x = x*6364136223846793005 + 1442695040888963407
			}
		}
	}
	sum += total + int(x)
}

// reckoning calls nothing at all.
func reckoning(stop *atomic.Bool, steps, _ int) {
	x := uint64(1)
	for i := 0; i < steps && !stop.Load(); i++ {
		x = x*6364136223846793005 + 1442695040888963407
	}
	sum += int(x)
}

var (
	hotMap    = map[int]int{}
	hotList   []int
	rangedMap = map[int]int{}
)

// yields has one P, a hot loop on it and a goroutine that wants to run, and tells how long that one waited, round by round.
// The loop has a given length, after which it ends if nobody stops it; body_ns: arithmetic without calls after each of its
// steps. The first wait is told apart: sysmon still wakes often then, and acts sooner.
func yields(asked struct {
	Loop   string `json:"loop"`
	Rounds int    `json:"rounds"`
	BodyNs int    `json:"body_ns"`
	Ms     int    `json:"ms"`
}) (any, error) {
	run, known := hogs[asked.Loop]
	if !known {
		return nil, fmt.Errorf("no loop is called %q", asked.Loop)
	}
	runtime.GOMAXPROCS(1)
	debug.SetGCPercent(-1)
	fill(hotMap, hotKeys)
	fill(rangedMap, rangedOver)
	for k := range hotMap {
		hotList = append(hotList, k)
	}
	body := int(float64(asked.BodyNs) / stepNs(reckoning))
	steps := int(float64(ms(asked.Ms))/(stepNs(run)+float64(asked.BodyNs))) + 1
	first, _ := waitFor(run, steps, body)
	before, began := switches(), now()
	waits, lengths := make([]int64, asked.Rounds), make([]int64, asked.Rounds)
	for i := range waits {
		waits[i], lengths[i] = waitFor(run, steps, body)
	}
	result := map[string]any{"first_ns": first, "waits_ns": waits, "lengths_ns": lengths, "took_ns": now() - began}
	if n := mostSwitches(before, switches()); n >= 0 {
		result["wakeups"] = n
	}
	return result, nil
}

// stepNs is what a step of a loop takes by itself: the least of some trials.
func stepNs(run hog) float64 {
	var never atomic.Bool
	least := int64(1) << 62
	for i := 0; i < 5; i++ {
		began := now()
		run(&never, trial, 0)
		least = min(least, now()-began)
	}
	return float64(least) / trial
}

// waitFor starts the loop, lets it go first, and is back when it is this goroutine's turn.
func waitFor(run hog, steps, body int) (waited, length int64) {
	var stop atomic.Bool
	ended := make(chan int64)
	go func() {
		began := now()
		run(&stop, steps, body)
		ended <- now() - began
	}()
	asked := now()
	runtime.Gosched()
	waited = now() - asked
	stop.Store(true)
	return waited, <-ended
}

// switches are, by thread, how often it went to sleep of its own will. Of a thread that only sleeps and wakes, as sysmon does,
// these are its wake-ups. Empty where the system does not tell.
func switches() map[string]int {
	found := map[string]int{}
	threads, _ := os.ReadDir("/proc/self/task")
	for _, thread := range threads {
		status, _ := os.ReadFile("/proc/self/task/" + thread.Name() + "/status")
		for _, row := range strings.Split(string(status), "\n") {
			name, value, _ := strings.Cut(row, ":")
			if n, err := strconv.Atoi(strings.TrimSpace(value)); err == nil && name == "voluntary_ctxt_switches" {
				found[thread.Name()] = n
			}
		}
	}
	return found
}

// mostSwitches is the count of the thread that woke most often in between; -1 if nothing is known. While one P is busy all the
// time that thread is sysmon: no other sleeps.
func mostSwitches(before, after map[string]int) int {
	most := -1
	for thread, n := range after {
		most = max(most, n-before[thread])
	}
	return most
}
