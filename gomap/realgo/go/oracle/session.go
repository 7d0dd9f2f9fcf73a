//go:build !goexperiment.swissmap && (amd64 || arm64)

package main

// A session operates one map and writes down what it did, in the lines of FORMAT.md.

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"math"
	"runtime"
	"strconv"
	"unsafe"
)

const iterators = 4

type growth struct {
	start, end int
	kind       string
	fromB, toB uint8
}

// A session's policy: `every`: digests with each n-th operation, beside those after a growth or a clear; `fullFrom`: the whole
// state with each operation from that number on, if it is not negative; `fullNow`: with this one.
type session struct {
	view
	s        subject
	every    int
	fullFrom int
	fullNow  bool
	hashed   map[string]bool // keys whose hash was given under the current seed
	running  [iterators]*hiter
	growths  []growth
	resets   [][2]int64
	ops      int
	count    struct{ digests, states, iterators int }
	out      []byte
}

func newSession(key, elem string, hint int, seed *uint32) *session {
	m, known := makers[key+" "+elem]
	if !known {
		return nil
	}
	subject := m.open()
	subject.make(hint)
	h, t := subject.header(), subject.mapType()
	if seed != nil {
		h.hash0 = *seed // nothing is in it yet
	}
	n := &session{view: view{h: h, t: t, key: kinds[key], elem: kinds[elem]}, s: subject, every: 1, hashed: map[string]bool{}}
	n.head(key, elem, hint, m.path)
	return n
}

// Small pieces of a JSON line.

func (n *session) put(s string)             { n.out = append(n.out, s...) }
func (n *session) num(name string, x int64) { n.put(name); n.out = strconv.AppendInt(n.out, x, 10) }
func (n *session) flag(name string, b bool) { n.put(name); n.out = strconv.AppendBool(n.out, b) }
func (n *session) hex(name string, b []byte) {
	n.put(name)
	n.out = hex.AppendEncode(n.out, b)
	n.put(`"`)
}

func (n *session) hex64(x uint64) {
	const digits = "0123456789abcdef"
	n.put(`"`)
	for shift := 60; shift >= 0; shift -= 4 {
		n.out = append(n.out, digits[x>>shift&15])
	}
	n.put(`"`)
}

func (n *session) head(key, elem string, hint int, path string) {
	mode := "fallback"
	if useAeshash {
		mode = "aes"
	}
	n.put(`{"type":"header","format":1,"name":"live","go":"` + runtime.Version() + `","experiment":"noswissmap"`)
	n.put(`,"goarch":"` + runtime.GOARCH + `","mode":"` + mode + `","key":"` + key + `","elem":"` + elem + `","path":"` + path + `"`)
	n.num(`,"hint":`, int64(hint))
	n.num(`,"keyslot":`, int64(n.t.keySlot))
	n.num(`,"elemslot":`, int64(n.t.elemSlot))
	n.num(`,"bucketsize":`, int64(n.t.bucketSize))
	n.num(`,"mapflags":`, int64(n.t.flags))
	n.flag(`,"bucketptrs":`, n.t.bucket.ptrBytes != 0)
	n.flag(`,"useaes":`, useAeshash)
	n.hex(`,"aeskeysched":"`, aeskeysched[:])
	for i, word := range hashkey {
		n.put([...]string{`,"hashkey":[`, ","}[min(i, 1)])
		n.hex64(uint64(word))
	}
	n.num(`],"hash0":`, int64(n.h.hash0))
	n.num(`,"B":`, int64(n.h.B))
	n.num(`,"nbuckets":`, int64(n.h.current(n.t).total()))
	n.num(`,"nextprealloc":`, int64(n.h.nextReserve(n.t)))
	n.put("}\n")
}

// before is what has to be kept of a map to tell what an operation did to it.
type before struct {
	current, old bucketArray
	hash0        uint32
	nevacuate    uintptr
	evacuated    []bool
}

func (n *session) begin(op string) before {
	n.put(`{"op":"` + op + `"`)
	n.num(`,"i":`, int64(n.ops))
	b := before{current: n.h.current(n.t), hash0: n.h.hash0, nevacuate: n.h.nevacuate}
	if n.h.oldbuckets != nil {
		b.old = n.h.old(n.t)
		b.evacuated = make([]bool, b.old.regular())
		for i := range b.evacuated {
			b.evacuated[i] = b.old.evacuated(i)
		}
	}
	return b
}

// moved lists the buckets of an array that are evacuated now and were not.
func (n *session) moved(name string, a bucketArray, was []bool) {
	mark, found := len(n.out), false
	n.put(name)
	for i := range a.regular() {
		if a.evacuated(i) && (was == nil || !was[i]) {
			n.num([...]string{"[", ","}[bit(found)], int64(i))
			found = true
		}
	}
	switch {
	case found:
		n.put("]")
	case was == nil:
		n.put("[]")
	default:
		n.out = n.out[:mark]
	}
}

// finish writes the fields that any operation may have, and ends the line.
func (n *session) finish(b before, cleared, mark bool) {
	n.drawn()
	n.registers()
	if n.h.hash0 != b.hash0 {
		n.num(`,"hash0":`, int64(n.h.hash0))
		n.resets = append(n.resets, [2]int64{int64(n.ops), int64(n.h.hash0)})
		clear(n.hashed)
	}
	full := n.fullNow || n.fullFrom >= 0 && n.ops >= n.fullFrom
	if n.changes(b, cleared) || mark || full || n.every > 0 && n.ops%n.every == 0 {
		raw, log := n.digest(true), n.digest(false)
		n.hex(`,"raw":"`, raw[:])
		n.hex(`,"log":"`, log[:])
		n.count.digests++
	}
	if full {
		n.put(`,"state":`)
		n.out = n.state(n.out)
		n.count.states++
	}
	n.put("}\n")
	n.ops++
}

func (n *session) registers() {
	h := n.h
	n.num(`,"r":[`, int64(h.count))
	for _, x := range [...]uint64{uint64(h.flags), uint64(h.B), uint64(h.noverflow), uint64(h.nevacuate), uint64(bit(h.oldbuckets != nil))} {
		n.num(",", int64(x))
	}
	n.put("]")
}

func (n *session) drawn() {
	nans := n.s.drawn()
	for i, x := range nans {
		n.put([...]string{`,"nan":[`, ","}[min(i, 1)])
		n.hex64(x)
	}
	if len(nans) > 0 {
		n.put("]")
	}
}

// changes writes what became of growth; true if anything did, or if the map was cleared.
func (n *session) changes(b before, cleared bool) bool {
	h := n.h
	if cleared {
		if b.old.base != nil && h.oldbuckets == nil {
			n.put(`,"growdropped":true`)
			n.growths[len(n.growths)-1].kind += "-dropped"
			n.endGrowth()
		}
		return true
	}
	ended := b.old.base != nil && h.oldbuckets != b.old.base
	if b.old.base != nil {
		mark := len(n.out)
		n.moved(`,"evac":`, b.old, b.evacuated)
		if len(n.out) > mark {
			n.num(`,"nevac":`, int64(b.nevacuate))
		}
	}
	if ended {
		n.put(`,"growdone":true`)
		n.endGrowth()
	}
	if b.current.base == nil || h.buckets == b.current.base {
		return ended
	}
	n.newGrowth(b)
	return true
}

func (n *session) endGrowth() {
	n.growths[len(n.growths)-1].end = n.ops
}

func (n *session) newGrowth(b before) {
	g := growth{n.ops, -1, "bigger", b.current.B, n.h.B}
	if g.fromB == g.toB {
		g.kind = "same"
	}
	n.put(`,"grow":{"kind":"` + g.kind + `"`)
	n.num(`,"fromB":`, int64(g.fromB))
	n.num(`,"toB":`, int64(g.toB))
	n.moved(`,"evac":`, b.current, nil)
	n.flag(`,"done":`, n.h.oldbuckets == nil)
	n.put("}")
	n.growths = append(n.growths, g)
	if n.h.oldbuckets == nil {
		n.endGrowth()
	}
}

// The operations.

func (n *session) operand(name string, k kind, operand []byte) {
	n.put(name)
	if operand == nil {
		n.put(`"-"`)
	} else {
		n.hex(`"`, operand)
	}
}

func (n *session) keyed(op string, key []byte) before {
	b := n.begin(op)
	n.operand(`,"k":`, n.key, key)
	if !n.hashed[string(key)] && !n.s.isNaN(key) {
		n.hashed[string(key)] = true
		n.put(`,"h":`)
		n.hex64(n.s.hash(key))
	}
	return b
}

func (n *session) set(key, elem []byte) {
	b := n.keyed("set", key)
	n.operand(`,"v":`, n.elem, elem)
	n.s.set(key, elem)
	n.finish(b, false, false)
}

func (n *session) del(key []byte) {
	b := n.keyed("del", key)
	n.s.del(key)
	n.finish(b, false, false)
}

func (n *session) get(key []byte) {
	b := n.keyed("get", key)
	elem, hit := n.s.get(key)
	n.flag(`,"hit":`, hit)
	if hit {
		n.put(`,"v":`)
		n.out = n.elem.slotText(n.out, n.elem.valueSlot(elem))
	}
	n.finish(b, false, false)
}

func (n *session) clearAll() {
	b := n.begin("clear")
	n.s.clear()
	n.finish(b, true, false)
}

// fill sets count integer keys, each with the first bytes of its own eight as elem; not meant to let the map grow.
func (n *session) fill(from, count int) {
	b := n.begin("fill")
	n.num(`,"from":`, int64(from))
	n.num(`,"n":`, int64(count))
	for x := from; x < from+count; x++ {
		content := binary.LittleEndian.AppendUint64(nil, uint64(x))
		n.s.set(content, content[:n.elem.size])
	}
	n.finish(b, false, false)
}

func (n *session) check() { n.finish(n.begin("check"), false, true) }

func (n *session) started(it *hiter) {
	n.count.iterators++
	mapiterinit(n.t, n.h, it)
	if it.h == nil {
		n.put(`,"start":null`)
		return
	}
	n.num(`,"start":`, int64(it.startBucket))
	n.num(`,"offset":`, int64(it.offset))
}

func (n *session) position(it *hiter) {
	if it.h == nil {
		return
	}
	n.num(`,"it":[`, int64(it.B))
	for _, x := range [...]int64{int64(it.bucket), int64(it.i), int64(bit(it.wrapped)), int64(it.checkBucket)} {
		n.num(",", x)
	}
	n.put("]")
}

func (n *session) iterInit(id int) {
	b := n.begin("iterinit")
	n.num(`,"id":`, int64(id))
	it := new(hiter)
	n.started(it)
	n.running[id] = it
	n.step(id, b)
}

// iterNext steps an iterator. For one that has not begun, or has ended, there is only a checkpoint: a line for each command.
func (n *session) iterNext(id int) {
	it := n.running[id]
	if it == nil {
		n.finish(n.begin("check"), false, false)
		return
	}
	b := n.begin("iternext")
	n.num(`,"id":`, int64(id))
	mapiternext(it)
	n.step(id, b)
}

func (n *session) step(id int, b before) {
	it := n.running[id]
	if it.key == nil {
		n.put(`,"end":true`)
		n.running[id] = nil
	} else {
		n.out = n.key.slotText(append(n.out, `,"k":`...), n.key.valueSlot(it.key))
		n.out = n.elem.slotText(append(n.out, `,"v":`...), n.elem.valueSlot(it.elem))
	}
	n.position(it)
	n.finish(b, false, false)
}

func (n *session) iterAll() {
	b := n.begin("iterall")
	it := new(hiter)
	n.started(it)
	sum, buffer, steps := sha256.New(), []byte(nil), int64(0)
	for ; it.key != nil; mapiternext(it) {
		buffer = n.key.slotDigest(buffer[:0], n.key.valueSlot(it.key))
		buffer = n.elem.slotDigest(buffer, n.elem.valueSlot(it.elem))
		sum.Write(buffer)
		steps++
	}
	n.num(`,"n":`, steps)
	n.hex(`,"seqsum":"`, sum.Sum(nil)[:16])
	n.position(it)
	n.finish(b, false, false)
}

// end writes the last line.
func (n *session) end() {
	n.num(`{"type":"end","ops":`, int64(n.ops))
	n.num(`,"digests":`, int64(n.count.digests))
	n.num(`,"states":`, int64(n.count.states))
	n.num(`,"iterators":`, int64(n.count.iterators))
	n.put(`,"growths":[`)
	for i, g := range n.growths {
		n.num([...]string{`{"start":`, `,{"start":`}[min(i, 1)], int64(g.start))
		n.num(`,"end":`, int64(g.end))
		n.put(`,"kind":"` + g.kind + `"`)
		n.num(`,"fromB":`, int64(g.fromB))
		n.num(`,"toB":`, int64(g.toB))
		n.put("}")
	}
	n.put(`],"resets":[`)
	for i, r := range n.resets {
		n.num([...]string{"[", ",["}[min(i, 1)], r[0])
		n.num(",", r[1])
		n.put("]")
	}
	n.put("]}\n")
}

// The mirror of a map must fit the compiler's: if a count is wrong here, nothing else can be right.
func layoutFits() bool {
	m := map[int64]int64{1: 2, 3: 4, 5: 6}
	h := *(**hmap)(unsafe.Pointer(&m))
	var it hiter
	boxed := any(m)
	mapiterinit(*(**mapType)(unsafe.Pointer(&boxed)), h, &it)
	return h.count == 3 && h.B == 0 && h.buckets != nil && it.h == h && it.checkBucket == math.MaxUint
}
