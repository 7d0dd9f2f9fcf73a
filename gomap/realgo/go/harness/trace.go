package main

import (
	"encoding/binary"
	"fmt"
	"io"
	"strings"
	"unsafe"
)

// A trace follows the command as raw bytes, little-endian: keys (int64, or n + 1 offsets and then the text), then, if the
// trace's own operations are to be done, a byte for each and perhaps an int64 value for each.

type traceHead struct {
	Group  int   `json:"group"`
	Count  int   `json:"count"`
	Text   int64 `json:"text"` // bytes of the text; -1: the keys are int64
	Ops    bool  `json:"ops"`
	Values bool  `json:"values"`
	Fill   bool  `json:"fill"`
}

type trace struct {
	n       uint64
	numbers []int64
	offsets []int64
	text    []byte
	ops     []kind
	values  []int64
	fill    bool
}

func readNumbers(from io.Reader, n int) ([]int64, error) {
	to := offHeap[int64](n)
	return to, binary.Read(from, binary.LittleEndian, to)
}

func readTrace(from io.Reader, h traceHead) (t *trace, err error) {
	t = &trace{n: uint64(h.Count), fill: h.Fill && h.Ops}
	if h.Text < 0 {
		t.numbers, err = readNumbers(from, h.Count)
	} else if t.offsets, err = readNumbers(from, h.Count+1); err == nil {
		t.text = offHeap[byte](int(h.Text))
		_, err = io.ReadFull(from, t.text)
	}
	if err == nil && h.Ops {
		t.ops = offHeap[kind](h.Count)
		_, err = io.ReadFull(from, t.ops)
	}
	if err == nil && h.Ops && h.Values {
		t.values, err = readNumbers(from, h.Count)
	}
	if err != nil {
		return nil, fmt.Errorf("the trace ends early: %w", err)
	}
	return t, nil
}

// word is the i-th key of a trace of strings; a map may keep it if it is asked for to keep.
func (t *trace) word(i uint64, keep bool) string {
	from, to := t.offsets[i], t.offsets[i+1]
	if from == to {
		return ""
	}
	s := unsafe.String(&t.text[from], int(to-from))
	if keep {
		s = strings.Clone(s)
	}
	return s
}
