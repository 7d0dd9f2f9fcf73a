package main

import "math/bits"

// Random numbers as the engine draws them: xoshiro256** filled by splitmix64 (Blackman and Vigna, 2018). The same seed gives
// the same numbers here and there; csrc/base/rng.c tells why these.

const golden = 0x9E3779B97F4A7C15

func mixed(z uint64) uint64 {
	z = (z ^ z>>30) * 0xBF58476D1CE4E5B9
	z = (z ^ z>>27) * 0x94D049BB133111EB
	return z ^ z>>31
}

// seedOf is the seed of one part of something seeded by seed.
func seedOf(seed, part uint64) uint64 {
	return mixed(mixed(seed+golden) ^ mixed((part+1)*golden))
}

type xoshiro [4]uint64

func seeded(seed uint64) xoshiro {
	var x xoshiro
	for i := range x {
		seed += golden
		x[i] = mixed(seed)
	}
	return x
}

func (x *xoshiro) next() uint64 {
	result := bits.RotateLeft64(x[1]*5, 7) * 9
	t := x[1] << 17
	x[2] ^= x[0]
	x[3] ^= x[1]
	x[1] ^= x[2]
	x[0] ^= x[3]
	x[2] ^= t
	x[3] = bits.RotateLeft64(x[3], 45)
	return result
}

// below is an exactly uniform index below n > 0 (Lemire, "Fast random integer generation in an interval", 2019).
func (x *xoshiro) below(n uint64) uint64 {
	high, low := bits.Mul64(x.next(), n)
	if low < n {
		for least := -n % n; low < least; {
			high, low = bits.Mul64(x.next(), n)
		}
	}
	return high
}
