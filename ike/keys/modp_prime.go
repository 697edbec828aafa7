package keys

import "math/big"

// modpPrime is the prime of a MODP group. RFC 2409 section 6.2, RFC 3526: all of
// them are 2^n - 2^(n-64) - 1 + 2^64 * (floor(2^(n-130) * pi) + c), with c the
// least that makes the prime safe. Computing it is shorter than the digits, and
// can't be mistyped.
func modpPrime(bits int, c int64) *big.Int {
	middle := scaledPi(uint(bits - 130))
	middle.Add(middle, big.NewInt(c)).Lsh(middle, 64)
	p := new(big.Int).Lsh(big.NewInt(1), uint(bits))
	p.Sub(p, new(big.Int).Lsh(big.NewInt(1), uint(bits-64)))
	return p.Sub(p.Add(p, middle), big.NewInt(1))
}

// scaledPi is floor(2^bits * pi), by Machin's formula: pi = 16 arctan(1/5) - 4
// arctan(1/239). The guard bits absorb the rounding of a few thousand terms.
func scaledPi(bits uint) *big.Int {
	const guard = 64
	one := new(big.Int).Lsh(big.NewInt(1), bits+guard)
	a, b := scaledArctan(one, 5), scaledArctan(one, 239)
	return a.Sub(a.Lsh(a, 4), b.Lsh(b, 2)).Rsh(a, guard)
}

// scaledArctan is one * arctan(1/x) = one * (1/x - 1/3x^3 + 1/5x^5 - …).
func scaledArctan(one *big.Int, x int64) *big.Int {
	square := big.NewInt(x * x)
	power := new(big.Int).Quo(one, big.NewInt(x))
	sum, term := new(big.Int), new(big.Int)
	for n := int64(1); power.Sign() != 0; n += 2 {
		term.Quo(power, big.NewInt(n))
		if n%4 == 1 {
			sum.Add(sum, term)
		} else {
			sum.Sub(sum, term)
		}
		power.Quo(power, square)
	}
	return sum
}
