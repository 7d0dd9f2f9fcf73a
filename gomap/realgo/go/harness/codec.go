package main

import "unsafe"

// A key is an index, or the absent form of one, written as csrc/lab/feed.c tells.

const hexDigits = "0123456789abcdef"

// codec makes keys. slot: of a block, whose text is reused when the block is drawn anew; so a key that a map may keep is to be
// asked for with keep, and then has memory of its own.
type codec[K comparable] interface {
	of(index uint64, absent, keep bool, slot int) K
	all(indices []uint64, to []request[K]) // of, for requests that take keys which may be there
	traced(t *trace, i uint64, keep bool) K
	bytes(k K, to []byte) []byte
}

type numbers struct{}

func (numbers) of(index uint64, absent, keep bool, slot int) int64 {
	if absent {
		return int64(^index)
	}
	return int64(index)
}

func (numbers) all(indices []uint64, to []request[int64]) {
	for i, index := range indices {
		to[i].key = int64(index)
	}
}

func (numbers) traced(t *trace, i uint64, keep bool) int64 {
	return t.numbers[i]
}

func (numbers) bytes(k int64, to []byte) []byte {
	for i := 0; i < 8; i++ {
		to = append(to, byte(k>>(8*i)))
	}
	return to
}

type words struct {
	text [block][16]byte
}

func (w *words) of(index uint64, absent, keep bool, slot int) string {
	to := &w.text[slot]
	for i := 15; i >= 0; i-- {
		to[i] = hexDigits[index&15]
		index >>= 4
	}
	if absent {
		to[0] = 'f'
	}
	if keep {
		return string(to[:])
	}
	return unsafe.String(&to[0], len(to))
}

func (w *words) all(indices []uint64, to []request[string]) {
	for i, index := range indices {
		to[i].key = w.of(index, false, stores(to[i].op), i)
	}
}

func (w *words) traced(t *trace, i uint64, keep bool) string {
	return t.word(i, keep)
}

func (w *words) bytes(k string, to []byte) []byte {
	return append(to, k...)
}
