//go:build !goexperiment.swissmap && (amd64 || arm64)

package main

// The maps under test. Each kind of map is an instance of one generic type, so that the compiler itself chooses the
// runtime's functions for it. Maps of float64 keys are operated through the runtime's functions directly, with a map type
// whose hasher notes what it makes of NaN: those hashes are random, and a replay has to be told them.

import (
	"encoding/binary"
	"math"
	"unsafe"
)

type subject interface {
	make(hint int)
	header() *hmap
	mapType() *mapType
	set(k, v []byte)
	del(k []byte)
	get(k []byte) (unsafe.Pointer, bool) // the elem, where it lies outside of the map
	clear()
	hash(k []byte) uint64
	isNaN(k []byte) bool
	drawn() []uint64 // hashes of NaN since the last call
}

type typed[K comparable, V any] struct {
	m     map[K]V
	t     *mapType
	key   func([]byte) K
	elem  func([]byte) V
	nans  []uint64
	float bool
}

func newSubject[K comparable, V any](key func([]byte) K, elem func([]byte) V) subject {
	s := &typed[K, V]{key: key, elem: elem}
	boxed := any(s.m)
	s.t = *(**mapType)(unsafe.Pointer(&boxed))
	var zero K
	if _, s.float = any(zero).(float64); s.float {
		noting, hasher := *s.t, s.t.hasher
		noting.hasher = func(k unsafe.Pointer, seed uintptr) uintptr {
			h := hasher(k, seed)
			if math.IsNaN(*(*float64)(k)) {
				s.nans = append(s.nans, uint64(h))
			}
			return h
		}
		s.t = &noting
	}
	return s
}

func (s *typed[K, V]) make(hint int) {
	if hint < 0 {
		s.m = make(map[K]V)
	} else {
		s.m = make(map[K]V, hint)
	}
}

func (s *typed[K, V]) header() *hmap     { return *(**hmap)(unsafe.Pointer(&s.m)) }
func (s *typed[K, V]) mapType() *mapType { return s.t }
func (s *typed[K, V]) clear()            { clear(s.m) }

func (s *typed[K, V]) set(k, v []byte) {
	key, elem := s.key(k), s.elem(v)
	if s.float {
		*(*V)(mapassign(s.t, s.header(), unsafe.Pointer(&key))) = elem
		return
	}
	s.m[key] = elem
}

func (s *typed[K, V]) del(k []byte) {
	key := s.key(k)
	if s.float {
		mapdelete(s.t, s.header(), unsafe.Pointer(&key))
		return
	}
	delete(s.m, key)
}

func (s *typed[K, V]) get(k []byte) (unsafe.Pointer, bool) {
	key := s.key(k)
	if s.float {
		return mapaccess2(s.t, s.header(), unsafe.Pointer(&key))
	}
	elem, hit := s.m[key]
	return unsafe.Pointer(&elem), hit
}

func (s *typed[K, V]) hash(k []byte) uint64 {
	key := s.key(k)
	return uint64(s.t.hasher(unsafe.Pointer(&key), uintptr(s.header().hash0)))
}

func (s *typed[K, V]) isNaN(k []byte) bool { return s.float && math.IsNaN(asF64(k)) }

func (s *typed[K, V]) drawn() []uint64 {
	nans := s.nans
	s.nans = nil
	return nans
}

func asI64(b []byte) int64   { return int64(binary.LittleEndian.Uint64(b)) }
func asI32(b []byte) int32   { return int32(binary.LittleEndian.Uint32(b)) }
func asU32(b []byte) uint32  { return binary.LittleEndian.Uint32(b) }
func asI16(b []byte) int16   { return int16(binary.LittleEndian.Uint16(b)) }
func asF64(b []byte) float64 { return math.Float64frombits(binary.LittleEndian.Uint64(b)) }
func asB9(b []byte) [9]byte  { return [9]byte(b) }
func asStr(b []byte) string  { return string(b) }
func asZero([]byte) struct{} { return struct{}{} }
func asPtr(b []byte) (p *int64) {
	if b != nil {
		p = new(int64)
		*p = asI64(b)
	}
	return p
}

// A maker makes a map of one key kind and one elem kind. `path`: the runtime's functions that the compiler takes for it.
type maker struct {
	path string
	open func() subject
}

func of[K comparable, V any](path string, key func([]byte) K, elem func([]byte) V) maker {
	return maker{path, func() subject { return newSubject(key, elem) }}
}

var makers = map[string]maker{
	"i64 i64":   of("fast64", asI64, asI64),
	"i64 zero":  of("fast64", asI64, asZero),
	"i64 ptr":   of("fast64", asI64, asPtr),
	"i64 str":   of("fast64", asI64, asStr),
	"i64 s136":  of("slow", asI64, wideOf),
	"i32 i64":   of("fast32", asI32, asI64),
	"i32 ptr":   of("fast32", asI32, asPtr),
	"u32 zero":  of("fast32", asU32, asZero),
	"u32 i64":   of("fast32", asU32, asI64),
	"i16 ptr":   of("slow", asI16, asPtr),
	"f64 i64":   of("slow", asF64, asI64),
	"f64 ptr":   of("slow", asF64, asPtr),
	"b9 i64":    of("slow", asB9, asI64),
	"b9 zero":   of("slow", asB9, asZero),
	"b9 ptr":    of("slow", asB9, asPtr),
	"b9 s136":   of("slow", asB9, wideOf),
	"str i64":   of("faststr", asStr, asI64),
	"str zero":  of("faststr", asStr, asZero),
	"str str":   of("faststr", asStr, asStr),
	"str ptr":   of("faststr", asStr, asPtr),
	"str s136":  of("slow", asStr, wideOf),
	"s136 i64":  of("slow", wideOf, asI64),
	"s136 s136": of("slow", wideOf, wideOf),
}
