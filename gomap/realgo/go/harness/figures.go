package main

import (
	"math"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

// What the runtime says of itself (runtime/metrics), as differences over the measurement.

// figures are sums, and distributions of seconds.
type figures struct {
	numbers map[string]float64
	spread  map[string]*metrics.Float64Histogram
}

// sums by the name that the result has for them, distributions likewise: "NAME_count", "NAME_p99_ns", "NAME_max_ns".
var (
	sums = map[string]string{
		"gc_cycles":          "/gc/cycles/total:gc-cycles",
		"gc_cpu_s":           "/cpu/classes/gc/total:cpu-seconds",
		"gc_assist_cpu_s":    "/cpu/classes/gc/mark/assist:cpu-seconds",
		"heap_allocs_bytes":  "/gc/heap/allocs:bytes",
		"heap_allocs_number": "/gc/heap/allocs:objects",
		"mutex_wait_s":       "/sync/mutex/wait/total:seconds",
	}
	distributions = map[string]string{
		"gc_pauses":   "/sched/pauses/total/gc:seconds",
		"sched_waits": "/sched/latencies:seconds",
	}
)

func readFigures() figures {
	f := figures{numbers: map[string]float64{}, spread: map[string]*metrics.Float64Histogram{}}
	read := func(name string) metrics.Value {
		s := []metrics.Sample{{Name: name}}
		metrics.Read(s)
		return s[0].Value
	}
	for name, of := range sums {
		switch v := read(of); v.Kind() {
		case metrics.KindUint64:
			f.numbers[name] = float64(v.Uint64())
		case metrics.KindFloat64:
			f.numbers[name] = v.Float64()
		}
	}
	for name, of := range distributions {
		if v := read(of); v.Kind() == metrics.KindFloat64Histogram {
			f.spread[name] = v.Float64Histogram()
		}
	}
	return f
}

func (f figures) since(before figures) figures {
	for name := range f.numbers {
		f.numbers[name] -= before.numbers[name]
	}
	for name, h := range f.spread {
		for i, n := range before.spread[name].Counts {
			h.Counts[i] -= n
		}
	}
	return f
}

// upper is the upper end, in nanoseconds, of the bucket that holds the value of that rank; of the last one the lower end.
func upper(h *metrics.Float64Histogram, rank uint64) float64 {
	seen := uint64(0)
	for i, n := range h.Counts {
		if seen += n; n > 0 && seen >= rank {
			if end := h.Buckets[i+1]; !math.IsInf(end, 1) {
				return end * 1e9
			}
			return h.Buckets[i] * 1e9
		}
	}
	return 0
}

// put is what the result has of them, and which Go this is.
func (f figures) put() map[string]any {
	out := map[string]any{}
	for name, v := range f.numbers {
		out[name] = v
	}
	for name, h := range f.spread {
		n := uint64(0)
		for _, c := range h.Counts {
			n += c
		}
		out[name+"_count"] = n
		out[name+"_p99_ns"] = upper(h, n-n/100)
		out[name+"_max_ns"] = upper(h, n)
	}
	out["go_version"], out["gomaxprocs"], out["design"] = runtime.Version(), runtime.GOMAXPROCS(0), design
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "GOEXPERIMENT" {
				out["experiments"] = s.Value
			}
		}
	}
	return out
}

// heapBytes are the bytes that live on the heap. The second collection frees what finalizers and pools let go in the first.
func heapBytes() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
