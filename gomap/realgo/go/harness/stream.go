package main

import "fmt"

// Which key comes next, index by index the engine's streams (csrc/lab/keystream.c tells the algorithms and their sources).

const (
	zipfBlock = 64
	mostKeys  = 1 << 53
)

// keysConfig says which stream, as a workload's JSON has it.
type keysConfig struct {
	Kind     string  `json:"kind"`
	Theta    float64 `json:"theta"`
	Fraction float64 `json:"fraction"`
	Share    float64 `json:"share"`
}

// zipf holds the constants of rejection-inversion for n keys.
type zipf struct {
	theta, first, last, accept float64
	n                          uint64
}

func (z *zipf) h(x float64) float64 {
	return portableExp(float64(-z.theta * portableLog(x)))
}

func (z *zipf) integral(x float64) float64 {
	log := portableLog(x)
	return float64(expm1OverX(float64((1-z.theta)*log)) * log)
}

func (z *zipf) inverse(area float64) float64 {
	t := float64(area * (1 - z.theta))
	if least := -(1 - 0x1p-53); t < least {
		t = least
	}
	return portableExp(float64(log1pOverX(t) * area))
}

func (z *zipf) set(n uint64, theta float64) {
	z.theta, z.n = theta, n
	z.first = z.integral(1.5) - 1
	z.last = z.integral(float64(n) + 0.5)
	z.accept = 2 - z.inverse(z.integral(2.5)-z.h(2))
}

// try maps an area to an index from 1, and says whether it is accepted.
func (z *zipf) try(area float64) (uint64, bool) {
	x, last := z.inverse(area), float64(z.n)
	k := last
	if x < 1 {
		k = 1
	} else if x+0.5 < last {
		k = float64(int64(x + 0.5))
	}
	return uint64(int64(k)), k-x <= z.accept || area >= z.integral(k+0.5)-z.h(k)
}

// streamKind is a distribution.
type streamKind int

const (
	uniform streamKind = iota
	zipfian
	hotspot
	latest
	sequential
)

var streamKinds = map[string]streamKind{"Uniform": uniform, "Zipf": zipfian, "Hotspot": hotspot, "Latest": latest,
	"Sequential": sequential}

type stream struct {
	kind         streamKind
	c            keysConfig
	n            uint64
	rng          xoshiro
	zipf         zipf
	ranks        [zipfBlock]uint64 // zipf, latest: drawn ahead,
	ready, taken int               // so many, and so many of them given out
	hot, share   uint64
	cursor       uint64
}

func newStream(c keysConfig, n, seed uint64) (*stream, error) {
	kind, known := streamKinds[c.Kind]
	if !known {
		return nil, fmt.Errorf("unknown keys %q", c.Kind)
	}
	s := &stream{kind: kind, c: c, rng: seeded(seed)}
	if n == 0 || n > mostKeys {
		return nil, fmt.Errorf("%d keys", n)
	}
	s.grow(n)
	return s, nil
}

func (s *stream) grow(n uint64) {
	if s.kind != latest || n < s.n {
		s.ready, s.taken = 0, 0
	}
	s.n = n
	if s.kind == hotspot {
		hot := uint64(float64(s.c.Fraction*float64(n)) + 0.5)
		s.hot = max(1, min(hot, n))
		s.share = part(s.c.Share)
	}
}

// part is a share of 2^64; all of it is the largest number.
func part(share float64) uint64 {
	if share >= 1 {
		return ^uint64(0)
	}
	return uint64(share * 0x1p64)
}

func (s *stream) refill() {
	z := &s.zipf
	if z.n != s.n {
		z.set(s.n, s.c.Theta)
	}
	s.ready, s.taken = 0, 0
	for i := 0; i < zipfBlock; i++ {
		u := float64(int64(s.rng.next()>>11)) * 0x1p-53
		if k, good := z.try(z.last + float64(u*(z.first-z.last))); good {
			s.ranks[s.ready] = k - 1
			s.ready++
		}
	}
}

func (s *stream) rank() uint64 {
	for s.taken == s.ready {
		s.refill()
	}
	s.taken++
	return s.ranks[s.taken-1]
}

func (s *stream) next() uint64 {
	switch s.kind {
	case zipfian:
		return s.rank()
	case latest:
		return s.n - 1 - s.rank()
	case hotspot:
		if s.hot == s.n || s.rng.next() < s.share {
			return s.rng.below(s.hot)
		}
		return s.hot + s.rng.below(s.n-s.hot)
	case sequential:
		i := s.cursor
		if s.cursor++; s.cursor >= s.n {
			s.cursor = 0
		}
		return i
	}
	return s.rng.below(s.n)
}

// draw is next for each of `to`. The commonest stream has a loop of its own: its generator stays in registers.
func (s *stream) draw(to []uint64) {
	if s.kind != uniform {
		for i := range to {
			to[i] = s.next()
		}
		return
	}
	rng, n := s.rng, s.n
	for i := range to {
		to[i] = rng.below(n)
	}
	s.rng = rng
}
