//go:build !goexperiment.swissmap && (amd64 || arm64)

package main

// What this program knows of the runtime's insides: the layout of the classic map of Go 1.24 and 1.25, and the symbols it
// calls or reads. It only looks: the one word it ever writes is the hash seed of a map that is still empty.

import "unsafe"

type hmap struct {
	count      int
	flags      uint8
	B          uint8
	noverflow  uint16
	hash0      uint32
	buckets    unsafe.Pointer
	oldbuckets unsafe.Pointer
	nevacuate  uintptr
	clearSeq   uint64
	extra      *mapextra
}

type mapextra struct {
	overflow, oldoverflow unsafe.Pointer
	nextOverflow          unsafe.Pointer
}

const sameSizeGrow = 8

type anyType struct {
	size, ptrBytes                    uintptr
	hash                              uint32
	tflag, align, fieldAlign, kindBit uint8
	equal                             func(a, b unsafe.Pointer) bool
	gcdata                            *byte
	str, ptrToThis                    int32
}

type mapType struct {
	anyType
	key, elem, bucket *anyType
	hasher            func(key unsafe.Pointer, seed uintptr) uintptr
	keySlot, elemSlot uint8
	bucketSize        uint16
	flags             uint32
}

type hiter struct {
	key, elem             unsafe.Pointer
	t                     *mapType
	h                     *hmap
	buckets, bptr         unsafe.Pointer
	overflow, oldoverflow unsafe.Pointer
	startBucket           uintptr
	offset                uint8
	wrapped               bool
	B, i                  uint8
	bucket, checkBucket   uintptr
	clearSeq              uint64
}

//go:linkname useAeshash runtime.useAeshash
var useAeshash bool

//go:linkname aeskeysched runtime.aeskeysched
var aeskeysched [128]byte

//go:linkname hashkey runtime.hashkey
var hashkey [4]uintptr

//go:linkname roundupsize runtime.roundupsize
func roundupsize(size uintptr, noscan bool) uintptr

//go:linkname mapassign runtime.mapassign
func mapassign(t *mapType, h *hmap, key unsafe.Pointer) unsafe.Pointer

//go:linkname mapdelete runtime.mapdelete
func mapdelete(t *mapType, h *hmap, key unsafe.Pointer)

//go:linkname mapaccess2 runtime.mapaccess2
func mapaccess2(t *mapType, h *hmap, key unsafe.Pointer) (unsafe.Pointer, bool)

//go:linkname mapiterinit runtime.mapiterinit
func mapiterinit(t *mapType, h *hmap, it *hiter)

//go:linkname mapiternext runtime.mapiternext
func mapiternext(it *hiter)

// A bucketArray is one of a map's arrays: 2^B buckets, and behind them those set aside for overflow.
type bucketArray struct {
	t    *mapType
	base unsafe.Pointer
	B    uint8
}

func (h *hmap) current(t *mapType) bucketArray { return bucketArray{t, h.buckets, h.B} }

func (h *hmap) old(t *mapType) bucketArray {
	if h.flags&sameSizeGrow != 0 {
		return bucketArray{t, h.oldbuckets, h.B}
	}
	return bucketArray{t, h.oldbuckets, h.B - 1}
}

func (a bucketArray) regular() int { return 1 << a.B }

// total is the number of buckets in the array, the reserve included: the runtime does not keep it, so it is worked out
// again from the size class that the allocation was rounded up to.
func (a bucketArray) total() int {
	if a.base == nil {
		return 0
	}
	n := a.regular()
	if a.B < 4 {
		return n
	}
	n += n >> 4
	return int(roundupsize(uintptr(n)*uintptr(a.t.bucketSize), a.t.bucket.ptrBytes == 0) / uintptr(a.t.bucketSize))
}

func (a bucketArray) at(i int) unsafe.Pointer {
	return unsafe.Add(a.base, i*int(a.t.bucketSize))
}

func (a bucketArray) next(bucket unsafe.Pointer) unsafe.Pointer {
	return *(*unsafe.Pointer)(unsafe.Add(bucket, uintptr(a.t.bucketSize)-8))
}

func (a bucketArray) evacuated(i int) bool {
	first := *(*uint8)(a.at(i))
	return 2 <= first && first <= 4
}

// reserveIndex says which bucket of the reserve an overflow bucket is; -1 if it was allocated by itself.
func (a bucketArray) reserveIndex(bucket unsafe.Pointer) int {
	distance := uintptr(bucket) - uintptr(a.base)
	if uintptr(bucket) < uintptr(a.base) || distance >= uintptr(a.total())*uintptr(a.t.bucketSize) {
		return -1
	}
	return int(distance)/int(a.t.bucketSize) - a.regular()
}

// nextReserve is the index of the next free bucket of the reserve, -1 if there is none.
func (h *hmap) nextReserve(t *mapType) int {
	if h.extra == nil || h.extra.nextOverflow == nil {
		return -1
	}
	return h.current(t).reserveIndex(h.extra.nextOverflow)
}

func (t *mapType) keyAt(bucket unsafe.Pointer, i int) unsafe.Pointer {
	return unsafe.Add(bucket, 8+i*int(t.keySlot))
}

func (t *mapType) elemAt(bucket unsafe.Pointer, i int) unsafe.Pointer {
	return unsafe.Add(bucket, 8+8*int(t.keySlot)+i*int(t.elemSlot))
}
