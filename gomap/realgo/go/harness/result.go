package main

import (
	"runtime"
	"slices"
	"sort"
)

// The result in the engine's schema, as far as it is measured here; who asked for it adds the workload and the machine.

type slowJSON struct {
	At          uint64            `json:"at_ns"`
	Thread      int32             `json:"thread"`
	Kind        string            `json:"kind"`
	Latency     uint64            `json:"latency_ns"`
	Service     uint64            `json:"service_ns"`
	Causes      map[string]uint64 `json:"causes"`
	GrowingTo   *int32            `json:"growing_to"`
	PageFaults  int               `json:"page_faults"`
	Preemptions int               `json:"preemptions"`
}

type eventJSON struct {
	Kind  string `json:"kind"`
	At    int64  `json:"at_ns"`
	N     uint64 `json:"n"`
	Took  int64  `json:"took_ns"`
	FromB uint8  `json:"from_B"`
	ToB   uint8  `json:"to_B"`
}

type timelineJSON struct {
	Interval int64       `json:"interval_ns"`
	Count    []uint64    `json:"count"`
	Max      []uint64    `json:"max_ns"`
	P99      []uint64    `json:"p99_ns"`
	Events   []eventJSON `json:"events"`
}

type threadJSON struct {
	Group       int    `json:"group"`
	CPU         *int   `json:"cpu"`
	Operations  uint64 `json:"operations"`
	Elapsed     int64  `json:"elapsed_ns"`
	CPUNs       int64  `json:"cpu_ns"`
	Voluntary   int64  `json:"voluntary"`
	Involuntary int64  `json:"involuntary"`
	PageFaults  int64  `json:"page_faults"`
}

type clockJSON struct {
	Source    string  `json:"source"`
	Cost      float64 `json:"cost_ns"`
	NsPerTick float64 `json:"ns_per_tick"`
	Drift     float64 `json:"drift_ppm"`
	PageFault int     `json:"page_fault_ns"`
}

type resultJSON struct {
	Interrupted bool                     `json:"interrupted"`
	Elapsed     float64                  `json:"elapsed_s"`
	Operations  map[string]uint64        `json:"operations"`
	Hits        map[string]uint64        `json:"hits"`
	Behind      float64                  `json:"behind_s"`
	Latency     map[string]histogramJSON `json:"latency"`
	Service     map[string]histogramJSON `json:"service"`
	Slowest     []slowJSON               `json:"slowest"`
	Timeline    timelineJSON             `json:"timeline"`
	Threads     []threadJSON             `json:"threads"`
	Counters    map[string]any           `json:"counters"`
	Clock       clockJSON                `json:"clock"`
}

func histograms(of *[ops]*histogram) map[string]histogramJSON {
	found := map[string]histogramJSON{}
	for op, h := range of {
		if h != nil && h.total > 0 {
			found[kindNames[op]] = h.json()
		}
	}
	return found
}

func slowestJSON(of slowest) []slowJSON {
	found := make([]slowJSON, 0, len(of))
	for i := range of {
		e := &of[i]
		s := slowJSON{At: e.at, Thread: e.thread, Kind: kindNames[e.op], Latency: e.latency, Service: e.service,
			Causes: map[string]uint64{"backlog": e.backlog, "rest": e.latency - e.backlog}}
		for cause, ns := range s.Causes {
			if ns == 0 {
				delete(s.Causes, cause)
			}
		}
		if e.growingTo >= 0 {
			s.GrowingTo = &e.growingTo
		}
		found = append(found, s)
	}
	return found
}

func timelineOf(t *timeline, events []event, start int64) timelineJSON {
	out := timelineJSON{Interval: t.interval, Count: []uint64{}, Max: []uint64{}, P99: []uint64{}, Events: []eventJSON{}}
	for i := range t.slots[:t.used] {
		s := &t.slots[i]
		out.Count = append(out.Count, s.count)
		out.Max = append(out.Max, s.most)
		out.P99 = append(out.P99, s.p99())
	}
	for _, e := range events {
		if e.at >= start {
			out.Events = append(out.Events, eventJSON{Kind: eventNames[e.what], At: e.at - start, N: e.n, FromB: e.fromB, ToB: e.toB})
		}
	}
	return out
}

func (r *run[K]) threads() (found []threadJSON) {
	for _, w := range r.workers {
		t := threadJSON{Group: w.group, Operations: w.progress.Load() - w.warmedUp, Elapsed: max(w.ended-r.shared.start, 0),
			CPUNs: w.used.cpu, Voluntary: w.used.voluntary, Involuntary: w.used.involuntary, PageFaults: w.used.faults}
		if w.cpu >= 0 {
			t.CPU = &w.cpu
		}
		found = append(found, t)
	}
	return found
}

// mapCounters are of the map at the end: its header if it is one map, the growths of all its parts since start, its share of
// the heap. What cannot be known is null.
func (r *run[K]) mapCounters(out map[string]any) {
	after, entries := heapBytes(), r.shared.store.size()
	out["count"], out["memory"], out["B"], out["growths"], out["same_size_growths"] = entries, after-min(r.before, after), nil, nil, nil
	out["elem_sum"] = r.shared.store.sum()
	parts := r.shared.store.maps()
	largest, known := -1, len(parts) > 0
	for _, p := range parts {
		known = known && p.h.known(len(p.m))
		largest = max(largest, int(p.b))
	}
	if known && len(parts) == 1 {
		for name, v := range parts[0].h.figures() {
			out[name] = v
		}
	}
	if !known || design != "classic" {
		return
	}
	growths, equals := 0, 0
	for _, e := range r.events() {
		if e.at >= r.shared.start && e.what == growStart {
			growths++
			if e.fromB == e.toB {
				equals++
			}
		}
	}
	out["B"], out["growths"], out["same_size_growths"] = largest, growths, equals
}

func (r *run[K]) events() (all []event) {
	for _, p := range r.shared.store.maps() {
		all = append(all, p.events...)
	}
	sort.SliceStable(all, func(i, j int) bool { return all[i].at < all[j].at })
	return all
}

// clockCost is the median of what two readings in a row are apart.
func clockCost() float64 {
	apart := make([]int64, 1001)
	for i := range apart {
		start := now()
		apart[i] = now() - start
	}
	slices.Sort(apart)
	return float64(apart[len(apart)/2])
}

// result takes the figures of the runtime, to which it adds the map's: first of all, since the rest needs memory of its own.
func (r *run[K]) result(counters map[string]any) *resultJSON {
	r.mapCounters(counters)
	all, start := r.workers[0].recorder, r.shared.start
	out := &resultJSON{Interrupted: r.interrupted, Operations: map[string]uint64{}, Hits: map[string]uint64{},
		Latency: histograms(&all.latency), Service: histograms(&all.service), Slowest: slowestJSON(all.slow),
		Timeline: timelineOf(&all.line, r.events(), start), Threads: r.threads(), Counters: counters,
		Clock: clockJSON{Source: "os", Cost: clockCost(), NsPerTick: 1}}
	for op, n := range all.done {
		if n > 0 {
			out.Operations[kindNames[op]], out.Hits[kindNames[op]] = n, all.hits[op]
		}
	}
	last := start
	for _, w := range r.workers {
		last = max(last, w.ended)
		out.Behind = max(out.Behind, float64(w.behind)/1e9)
	}
	out.Elapsed = float64(last-start) / 1e9
	runtime.KeepAlive(r)
	return out
}
