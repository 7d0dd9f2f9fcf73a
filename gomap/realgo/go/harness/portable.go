package main

import "math"

// Logarithm and exponential to the bit as csrc/base/portable_math.inc.h computes them, operation by operation in its order.
// Go may fuse x*y + z into one rounding; a conversion around the product forbids it, so each product has one.

const (
	ln2High = 6.93147180369123816490e-01
	ln2Low  = 1.90821492927058770002e-10
)

// horner is a*x + b, rounded twice.
func horner(a, x, b float64) float64 {
	return float64(a*x) + b
}

func twiceAtanh(s float64) float64 {
	s2 := float64(s * s)
	s4 := float64(s2 * s2)
	odd, even := horner(s4, 1.0/25, 1.0/21), horner(s4, 1.0/23, 1.0/19)
	odd = horner(odd, s4, 1.0/17)
	even = horner(even, s4, 1.0/15)
	odd = horner(odd, s4, 1.0/13)
	even = horner(even, s4, 1.0/11)
	odd = horner(odd, s4, 1.0/9)
	even = horner(even, s4, 1.0/7)
	odd = horner(odd, s4, 1.0/5)
	even = horner(even, s4, 1.0/3)
	sum := horner(odd, s2, even)
	twice := float64(2 * s)
	return twice + float64(twice*float64(sum*s2))
}

// portableLog takes x > 0, finite and normal.
func portableLog(x float64) float64 {
	bits := math.Float64bits(x)
	e := math.Float64frombits(bits>>52|0x4330000000000000) - 0x1p52 - 1023
	m := math.Float64frombits(bits&0x000FFFFFFFFFFFFF | 0x3FF0000000000000)
	if m > 1.4142135623730951 {
		e++
		m = float64(m * 0.5)
	}
	return float64(e*ln2High) + (twiceAtanh((m-1)/(m+1)) + float64(e*ln2Low))
}

// portableLog1p takes x > -1.
func portableLog1p(x float64) float64 {
	if x > -0.29 && x < 0.5 {
		return twiceAtanh(x / (2 + x))
	}
	return portableLog(1 + x)
}

func smallExpm1(r float64) float64 {
	r2 := float64(r * r)
	odd := horner(r2, 0x1.ae7f3e733b81fp-41, 0x1.6124613a86d09p-33)
	even := horner(r2, 0x1.93974a8c07c9dp-37, 0x1.1eed8eff8d898p-29)
	odd = horner(odd, r2, 0x1.ae64567f544e4p-26)
	even = horner(even, r2, 0x1.27e4fb7789f5cp-22)
	odd = horner(odd, r2, 0x1.71de3a556c734p-19)
	even = horner(even, r2, 0x1.a01a01a01a01ap-16)
	odd = horner(odd, r2, 0x1.a01a01a01a01ap-13)
	even = horner(even, r2, 0x1.6c16c16c16c17p-10)
	odd = horner(odd, r2, 0x1.1111111111111p-7)
	even = horner(even, r2, 0x1.5555555555555p-5)
	odd = horner(odd, r2, 0x1.5555555555555p-3)
	even = horner(even, r2, 0.5)
	sum := horner(odd, r, even)
	return r + float64(r*float64(sum*r))
}

// portableExp takes -700 <= x <= 700.
func portableExp(x float64) float64 {
	shifted := horner(x, 0x1.71547652b82fep+0, 0x1.8p52)
	k := shifted - 0x1.8p52
	r := (x - float64(k*ln2High)) - float64(k*ln2Low)
	power := math.Float64frombits((math.Float64bits(shifted) + 1023) << 52)
	return power + float64(power*smallExpm1(r))
}

func portableExpm1(x float64) float64 {
	if x > -0.35 && x < 0.35 {
		return smallExpm1(x)
	}
	return portableExp(x) - 1
}

// log1pOverX is log(1 + x) / x, at 0 too.
func log1pOverX(x float64) float64 {
	if x > -1e-8 && x < 1e-8 {
		return 1 - float64(x*0.5)
	}
	return portableLog1p(x) / x
}

// expm1OverX is (exp x - 1) / x, at 0 too.
func expm1OverX(x float64) float64 {
	if x > -1e-8 && x < 1e-8 {
		return 1 + float64(x*0.5)
	}
	return portableExpm1(x) / x
}
