//go:build !goexperiment.swissmap && (amd64 || arm64)

package main

// A map's whole state, as FORMAT.md serialises it for digests and writes it out for reading.

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"strconv"
	"unsafe"
)

// A view reads one map.
type view struct {
	h         *hmap
	t         *mapType
	key, elem kind
	buffer    []byte
}

func bit(b bool) byte {
	if b {
		return 1
	}
	return 0
}

// digest gives the first 16 bytes of the SHA-256 over the state; raw or log.
func (v *view) digest(raw bool) [16]byte {
	v.buffer = v.serialise(v.buffer[:0], raw)
	sum := sha256.Sum256(v.buffer)
	return [16]byte(sum[:16])
}

func (v *view) serialise(out []byte, raw bool) []byte {
	h, le := v.h, binary.LittleEndian
	if raw {
		out = append(out, "GOMAPRAW"...)
	} else {
		out = append(out, "GOMAPLOG"...)
	}
	noverflow := h.noverflow
	if h.B >= 16 {
		noverflow = 0 // counted at random there
	}
	out = append(le.AppendUint64(out, uint64(h.count)), h.flags, h.B)
	out = le.AppendUint32(le.AppendUint16(out, noverflow), h.hash0)
	out = append(le.AppendUint64(out, uint64(h.nevacuate)), bit(h.oldbuckets != nil), bit(h.buckets != nil))
	if raw {
		out = le.AppendUint32(out, uint32(h.nextReserve(v.t)))
	}
	if h.buckets != nil {
		for a, i := h.current(v.t), 0; i < a.regular(); i++ {
			out = v.chain(out, raw, a, i)
		}
	}
	if h.oldbuckets != nil {
		for a, i := h.old(v.t), 0; i < a.regular(); i++ {
			out = v.oldChain(out, raw, a, i)
		}
	}
	return out
}

func (v *view) oldChain(out []byte, raw bool, a bucketArray, i int) []byte {
	switch {
	case raw:
		return v.chain(out, raw, a, i)
	case a.evacuated(i):
		return append(append(out, 2), bytesAt(a.at(i), 8)...)
	}
	return v.chain(append(out, 3), raw, a, i)
}

func (v *view) chain(out []byte, raw bool, a bucketArray, i int) []byte {
	b := a.at(i)
	out = v.bucket(out, raw, b)
	for b = a.next(b); b != nil; b = a.next(b) {
		out = append(out, 1)
		if raw {
			out = binary.LittleEndian.AppendUint32(out, uint32(a.reserveIndex(b)))
		}
		out = v.bucket(out, raw, b)
	}
	return append(out, 0)
}

func (v *view) bucket(out []byte, raw bool, b unsafe.Pointer) []byte {
	tops := bytesAt(b, 8)
	out = append(out, tops...)
	if raw {
		for i := range tops {
			out = v.key.slotDigest(out, v.t.keyAt(b, i))
		}
		for i := range tops {
			out = v.elem.slotDigest(out, v.t.elemAt(b, i))
		}
		return out
	}
	for i, top := range tops {
		if top >= 5 {
			out = v.key.slotDigest(out, v.t.keyAt(b, i))
			out = v.elem.slotDigest(out, v.t.elemAt(b, i))
		}
	}
	return out
}

// state appends the state as JSON.
func (v *view) state(out []byte) []byte {
	h := v.h
	number := func(name string, n int64) {
		out = strconv.AppendInt(append(append(append(out, '"'), name...), '"', ':'), n, 10)
		out = append(out, ',')
	}
	out = append(out, '{')
	number("count", int64(h.count))
	number("flags", int64(h.flags))
	number("B", int64(h.B))
	number("noverflow", int64(h.noverflow))
	number("hash0", int64(h.hash0))
	number("nevacuate", int64(h.nevacuate))
	number("clearseq", int64(h.clearSeq))
	number("nextprealloc", int64(h.nextReserve(v.t)))
	out = strconv.AppendBool(append(out, `"growing":`...), h.oldbuckets != nil)
	out = v.array(append(out, `,"buckets":`...), h.current(v.t))
	return append(v.array(append(out, `,"oldbuckets":`...), h.old(v.t)), '}')
}

func (v *view) array(out []byte, a bucketArray) []byte {
	if a.base == nil {
		return append(out, "null"...)
	}
	for i := range a.regular() {
		out = append(out, "[,"[min(i, 1)], '[')
		for b := a.at(i); b != nil; b = a.next(b) {
			if b != a.at(i) {
				out = append(out, ',')
			}
			out = v.bucketState(out, a, b, b != a.at(i))
		}
		out = append(out, ']')
	}
	return append(out, ']')
}

func (v *view) bucketState(out []byte, a bucketArray, b unsafe.Pointer, overflow bool) []byte {
	out = hex.AppendEncode(append(out, `{"t":"`...), bytesAt(b, 8))
	out = v.slots(append(out, `","k":`...), v.key, v.t.keyAt(b, 0), int(v.t.keySlot))
	out = v.slots(append(out, `,"e":`...), v.elem, v.t.elemAt(b, 0), int(v.t.elemSlot))
	if overflow {
		out = strconv.AppendInt(append(out, `,"p":`...), int64(a.reserveIndex(b)), 10)
	}
	return append(out, '}')
}

func (v *view) slots(out []byte, k kind, first unsafe.Pointer, width int) []byte {
	if allZero(first, 8*width) {
		return append(out, '0')
	}
	for i := range 8 {
		out = append(out, "[,"[min(i, 1)])
		out = k.slotText(out, unsafe.Add(first, i*width))
	}
	return append(out, ']')
}
