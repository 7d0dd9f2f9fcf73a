//go:build !goexperiment.swissmap && (amd64 || arm64)

package main

// The contents of keys and elems, in the three forms of FORMAT.md: an operand's bytes, a slot's text, a slot's digest.

import (
	"encoding/binary"
	"encoding/hex"
	"strconv"
	"unsafe"
)

type form uint8

const (
	inline  form = iota // the content lies in the slot
	text                // the slot is a string header
	pointed             // the slot is a pointer to the content
)

// A kind is one of FORMAT.md's types.
type kind struct {
	form form
	size int
}

var kinds = map[string]kind{
	"i64": {inline, 8}, "i32": {inline, 4}, "u32": {inline, 4}, "i16": {inline, 2}, "f64": {inline, 8},
	"b9": {inline, 9}, "zero": {inline, 0}, "str": {text, 0}, "ptr": {pointed, 8}, "s136": {pointed, 136},
}

const wideStep = 0x9E3779B97F4A7C15

// wide is the s136 of FORMAT.md: 17 words, each the one before plus wideStep.
type wide [17]uint64

func wideOf(operand []byte) (w wide) {
	word := binary.LittleEndian.Uint64(operand)
	for i := range w {
		w[i] = word
		word += wideStep
	}
	return w
}

type stringHeader struct {
	data   unsafe.Pointer
	length int
}

func bytesAt(p unsafe.Pointer, n int) []byte { return unsafe.Slice((*byte)(p), n) }

// slotText appends a slot's text as a JSON string.
func (k kind) slotText(out []byte, slot unsafe.Pointer) []byte {
	out = append(out, '"')
	switch k.form {
	case inline:
		out = hex.AppendEncode(out, bytesAt(slot, k.size))
	case text:
		s := (*stringHeader)(slot)
		if s.data == nil && s.length > 0 {
			out = strconv.AppendInt(append(out, '!'), int64(s.length), 10)
		} else if s.length > 0 {
			out = hex.AppendEncode(out, bytesAt(s.data, s.length))
		}
	case pointed:
		out = k.pointedText(out, *(*unsafe.Pointer)(slot))
	}
	return append(out, '"')
}

func (k kind) pointedText(out []byte, content unsafe.Pointer) []byte {
	if content == nil {
		return append(out, '-')
	}
	return hex.AppendEncode(out, bytesAt(content, 8)) // of an s136 the first word says it all
}

// slotDigest appends a slot in digest form.
func (k kind) slotDigest(out []byte, slot unsafe.Pointer) []byte {
	switch k.form {
	case inline:
		return append(out, bytesAt(slot, k.size)...)
	case text:
		s := (*stringHeader)(slot)
		switch {
		case s.length == 0:
			return binary.LittleEndian.AppendUint64(append(out, 0), 0)
		case s.data == nil:
			return binary.LittleEndian.AppendUint64(append(out, 2), uint64(s.length))
		}
		out = binary.LittleEndian.AppendUint64(append(out, 1), uint64(s.length))
		return append(out, bytesAt(s.data, s.length)...)
	}
	content := *(*unsafe.Pointer)(slot)
	if content == nil {
		return append(out, 0)
	}
	return append(append(out, 1), bytesAt(content, k.size)...)
}

// An iterator and a get give the value itself where a slot would hold a pointer to it; valueSlot makes a slot of it.
func (k kind) valueSlot(value unsafe.Pointer) unsafe.Pointer {
	if k.form == pointed && k.size > 128 {
		return unsafe.Pointer(&value)
	}
	return value
}

func allZero(slot unsafe.Pointer, n int) bool {
	for _, b := range bytesAt(slot, n) {
		if b != 0 {
			return false
		}
	}
	return true
}
