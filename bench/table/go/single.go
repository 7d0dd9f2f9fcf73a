package main

import (
	"errors"
	"runtime"
	"strconv"
	"unsafe"
)

const (
	stringBytes  = 16
	block        = 1024
	leastInserts = 100000
)

// single is what the rows work on; keys as in ../driver/single.c. Go has no batches: a batch of gomap's stands beside the same
// operations one by one.
type single[K comparable] struct {
	m                      map[K]int64
	present, asked, absent []K
	elems                  []int64 // of the asked keys
}

type timed struct {
	ns, operations, hits, sum, faults int64
	began, faultsBefore               int64
}

func (t *timed) clockFromHere() {
	t.faultsBefore = int64(usage().Minflt)
	t.began = now()
}

func (t *timed) clockUntilHere(operations int) {
	t.ns += now() - t.began
	t.faults += int64(usage().Minflt) - t.faultsBefore
	t.operations += int64(operations)
}

type row func(t *timed)

var (
	rows     map[string]row
	keepLive any
	emptied  uint64 // live bytes before the map was made
)

func openSingle(words []string) ([]any, error) {
	rows, keepLive = nil, nil
	emptied = liveBytes()
	n, err := strconv.Atoi(words[2])
	if err != nil {
		return nil, err
	}
	if words[1] == "string" {
		return nil, openStrings(n, words[3])
	}
	return nil, openInts(n, words[3])
}

// Both kinds are filled and asked by code of their own: in a generic function Go may take another path to the map.

func openInts(n int, folder string) (err error) {
	s := &single[int64]{m: map[int64]int64{}}
	for name, to := range map[string]*[]int64{"present": &s.present, "asked": &s.asked, "absent": &s.absent, "elems": &s.elems} {
		if *to, err = words(folder, name); err != nil {
			return err
		}
	}
	for i, k := range s.present {
		s.m[k] = int64(i)
	}
	keepLive = s
	rows = intRows(s)
	return holds(len(s.m), n)
}

func openStrings(n int, folder string) (err error) {
	s := &single[string]{m: map[string]int64{}}
	for name, to := range map[string]*[]string{"present": &s.present, "asked": &s.asked, "absent": &s.absent} {
		if *to, err = stringsOf(folder, name); err != nil {
			return err
		}
	}
	emptied = liveBytes() // the slices of strings are not the map's
	for i, k := range s.present {
		s.m[string(append([]byte(nil), k...))] = int64(i) // a key of its own, as in gomap: what is asked for lies elsewhere
	}
	keepLive = s
	rows = map[string]row{
		"get_hit":  func(t *timed) { getStrings(t, s.m, s.asked) },
		"get_miss": func(t *timed) { getStrings(t, s.m, s.absent) },
	}
	return holds(len(s.m), n)
}

func stringsOf(folder, name string) ([]string, error) {
	content, err := file(folder, name)
	if err != nil {
		return nil, err
	}
	found := make([]string, len(content)/stringBytes)
	for i := range found {
		found[i] = unsafe.String(&content[i*stringBytes], stringBytes)
	}
	return found, nil
}

func holds(got, want int) error {
	if got != want {
		return errors.New("the map does not hold as many keys as it should")
	}
	return nil
}

func timeRow(words []string) ([]any, error) {
	round, known := rows[words[1]]
	if !known {
		return nil, errors.New("no map, or no such row")
	}
	runtime.GC()
	runtime.LockOSThread() // so that the page faults of a round are one thread's
	defer runtime.UnlockOSThread()
	var t timed
	round(&t)
	return []any{t.ns, t.operations, t.hits, uint64(t.sum), t.faults}, nil
}

func memory([]string) ([]any, error) {
	if keepLive == nil {
		return nil, errors.New("no map")
	}
	return []any{liveBytes() - emptied}, nil
}

// ---------------------------------------------------------------- rounds

func getStrings(t *timed, m map[string]int64, keys []string) {
	var hits, sum int64
	t.clockFromHere()
	for _, k := range keys {
		if v, ok := m[k]; ok {
			sum += v
			hits++
		}
	}
	t.clockUntilHere(len(keys))
	t.hits, t.sum = hits, sum
}

func getInts(t *timed, m map[int64]int64, keys []int64) {
	var hits, sum int64
	t.clockFromHere()
	for _, k := range keys {
		if v, ok := m[k]; ok {
			sum += v
			hits++
		}
	}
	t.clockUntilHere(len(keys))
	t.hits, t.sum = hits, sum
}

func lookThrough(t *timed, m map[int64]int64) {
	for _, v := range m {
		t.sum += v
	}
	t.hits += int64(len(m))
}

func intRows(s *single[int64]) map[string]row {
	different := min(len(s.asked), len(s.present)) // asked keys from the first on of which no two are equal
	return map[string]row{
		"get_hit":  func(t *timed) { getInts(t, s.m, s.asked) },
		"get_miss": func(t *timed) { getInts(t, s.m, s.absent) },
		"overwrite": func(t *timed) {
			overwrite(t, s.m, s.asked, s.elems)
			lookThrough(t, s.m)
		},
		"insert":   func(t *timed) { built(t, s.present, 0) },
		"presized": func(t *timed) { built(t, s.present, len(s.present)) },
		"pair": func(t *timed) {
			pairs(t, s.m, s.asked[:different], s.elems)
			lookThrough(t, s.m)
		},
		"pair_blocks": func(t *timed) {
			pairBlocks(t, s.m, s.asked[:different], s.elems)
			lookThrough(t, s.m)
		},
		"iterate": func(t *timed) { iterate(t, s.m) },
	}
}

func overwrite(t *timed, m map[int64]int64, keys, elems []int64) {
	elems = elems[:len(keys)]
	t.clockFromHere()
	for i, k := range keys {
		m[k] = elems[i]
	}
	t.clockUntilHere(len(keys))
}

func built(t *timed, keys []int64, hint int) {
	for maps := max(1, (leastInserts+len(keys)-1)/len(keys)); maps > 0; maps-- {
		runtime.GC()
		m := make(map[int64]int64, hint)
		t.clockFromHere()
		for i, k := range keys {
			m[k] = int64(i)
		}
		t.clockUntilHere(len(keys))
		lookThrough(t, m)
	}
}

func pairs(t *timed, m map[int64]int64, keys, elems []int64) {
	elems = elems[:len(keys)]
	t.clockFromHere()
	for i, k := range keys {
		delete(m, k)
		m[k] = elems[i]
	}
	t.clockUntilHere(len(keys))
}

func pairBlocks(t *timed, m map[int64]int64, keys, elems []int64) {
	t.clockFromHere()
	for from := 0; from < len(keys); from += block {
		until := min(from+block, len(keys))
		for _, k := range keys[from:until] {
			delete(m, k)
		}
		for i, k := range keys[from:until] {
			m[k] = elems[from+i]
		}
	}
	t.clockUntilHere(len(keys))
}

func iterate(t *timed, m map[int64]int64) {
	var steps, sum int64
	t.clockFromHere()
	for _, v := range m {
		sum += v
		steps++
	}
	t.clockUntilHere(int(steps))
	t.hits, t.sum = steps, sum
}
