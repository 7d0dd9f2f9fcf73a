package main

import "math"

// kind is an operation, numbered as in the engine (enum gm_op of csrc/gomap.h).
type kind = uint8

const (
	opGet kind = iota
	opAssign
	opDelete
	opLoadOrStore
	opReplace
	opIncr
	opFill
	opGetMiss
	opAssignNew
	opIterate
	opLen
	opAdd
	ops
)

var kindNames = [ops]string{"get", "assign", "delete", "load_or_store", "replace", "incr", "fill", "get_miss", "assign_new",
	"iterate", "len", "add"}

// stores says whether an operation may leave its key in the map.
func stores(op kind) bool {
	return op != opGet && op != opGetMiss && op != opDelete && op != opIterate && op != opLen
}

type group struct {
	Threads  uint64             `json:"threads"`
	Mix      map[string]float64 `json:"mix"`
	Keys     keysConfig         `json:"keys"`
	Rate     float64            `json:"rate"`
	Arrivals string             `json:"arrivals"`
	Cpus     []int              `json:"cpus"`
	Scan     int64              `json:"scan"`
	trace    *trace
}

// workload is what a workload's JSON says, as far as it is needed here.
type workload struct {
	Variant  string  `json:"variant"`
	Groups   []group `json:"groups"`
	Size     uint64  `json:"size"`
	Keyspace uint64  `json:"keyspace"`
	Ops      uint64  `json:"ops"`
	Duration float64 `json:"duration_s"`
	Warmup   float64 `json:"warmup"`
	Key      string  `json:"key"`
	Hint     int     `json:"hint"`
	Sample   uint64  `json:"sample"`
	Slowest  int     `json:"slowest"`
}

// command is what the program is asked to do: its first line of input.
type command struct {
	What     string      `json:"what"` // "run", "requests" or "stream"
	Workload workload    `json:"workload"`
	Seed     uint64      `json:"seed"`
	Locked   bool        `json:"locked"` // threads of the system's, not goroutines
	Shards   int         `json:"shards"`
	Traces   []traceHead `json:"traces"`
	Progress bool        `json:"progress"`
	Thread   uint64      `json:"thread"` // of "requests": whose
	Count    int         `json:"count"`  // of "requests" and "stream"
}

func (w *workload) threads() (n uint64) {
	for i := range w.Groups {
		n += w.Groups[i].Threads
	}
	return n
}

func (w *workload) keyspace() uint64 {
	if w.Keyspace != 0 {
		return w.Keyspace
	}
	return w.Size
}

func (w *workload) paced() bool {
	for i := range w.Groups {
		if w.Groups[i].Rate != 0 {
			return true
		}
	}
	return false
}

// expectedNs is how long the run will take as far as can be told; 0: it cannot.
func (w *workload) expectedNs() uint64 {
	if w.Ops == 0 {
		return uint64(w.Duration * 1e9)
	}
	rate := 0.0
	for i := range w.Groups {
		if w.Groups[i].Rate == 0 {
			return 0
		}
		rate += w.Groups[i].Rate
	}
	return uint64(math.Min(float64(w.Ops)/rate*1e9, 0x1p62))
}

// kindsOf are the operations that a group may do.
func (g *group) kindsOf() (found [ops]bool) {
	if g.trace != nil && g.trace.ops != nil {
		for _, op := range g.trace.ops {
			found[op] = true
		}
		found[opFill] = g.trace.fill
		return found
	}
	for op, name := range kindNames {
		found[op] = g.Mix[name] > 0
	}
	return found
}
