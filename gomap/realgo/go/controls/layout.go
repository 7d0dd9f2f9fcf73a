package main

import "unsafe"

// words are those of a header that are looked at; it has no fewer in any design.
const words = 6

func addressOf(m map[int]int) uintptr { return *(*uintptr)(unsafe.Pointer(&m)) }

// layout finds fields of a header by what they do while the map is filled, and knows no declaration of it: the count is the
// word that is always the number of entries; the array is a word whose value, when it changes, is found in another word,
// which is that of the old array (but for the first growths, which are over within one insert). Offsets in bytes.
func layout(asked struct {
	Inserts int `json:"inserts"`
}) (any, error) {
	m := make(map[int]int)
	header := (*[words]uintptr)(unsafe.Pointer(addressOf(m)))
	counts := func(i int) bool { return header[i] == uintptr(len(m)) }
	isCount, before := [words]bool{}, *header
	var moved [words][words]int
	for i := range isCount {
		isCount[i] = true
	}
	for n := 0; n < asked.Inserts; n++ {
		m[n] = n
		for i := range header {
			isCount[i] = isCount[i] && counts(i)
			for j := range header {
				if j != i && before[i] != 0 && header[i] != before[i] && header[j] == before[i] {
					moved[i][j]++
				}
			}
		}
		before = *header
	}
	return map[string]any{"count": offsets(isCount), "arrays": arrays(moved), "looked_at": asked.Inserts}, nil
}

func offsets(found [words]bool) []int {
	at := []int{}
	for i, is := range found {
		if is {
			at = append(at, 8*i)
		}
	}
	return at
}

// arrays are pairs of words, the array and the old one, that passed on a value several times.
func arrays(moved [words][words]int) [][2]int {
	pairs := [][2]int{}
	for i := range moved {
		for j, times := range moved[i] {
			if times >= 3 {
				pairs = append(pairs, [2]int{8 * i, 8 * j})
			}
		}
	}
	return pairs
}
