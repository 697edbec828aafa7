package billing

import (
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
)

// An Amount is a sum of money, a price or a percentage, exact to a millionth.
type Amount int64

const (
	one  Amount = 1_000_000
	cent        = one / 100

	// amountMax bounds prices, so that a year of hours of all connections that
	// an installation can hold is far from overflowing.
	amountMax = 1_000_000 * one
)

// ParseAmount reads a decimal number: "0.05", at most six digits after the
// point, from 0 to a million.
func ParseAmount(s string) (Amount, error) { return parse(s, amountMax) }

func parse(s string, atMost Amount) (Amount, error) {
	whole, fraction, point := strings.Cut(s, ".")
	if len(whole) == 0 || len(fraction) > 6 || point && fraction == "" || strings.Trim(whole+fraction, "0123456789") != "" {
		return 0, fmt.Errorf("%q is not an amount: write it as 0.05, with at most six digits after the point", s)
	}
	n, err := strconv.ParseInt(whole+fraction+strings.Repeat("0", 6-len(fraction)), 10, 64)
	if err != nil || Amount(n) > atMost {
		return 0, fmt.Errorf("%q is more than %v", s, atMost)
	}
	return Amount(n), nil
}

// String has two digits after the point, and more where they matter.
func (a Amount) String() string {
	sign := ""
	if a < 0 {
		sign, a = "-", -a
	}
	text := fmt.Sprintf("%s%d.%06d", sign, a/one, a%one)
	for strings.HasSuffix(text, "0") && len(text)-strings.IndexByte(text, '.') > 3 {
		text = text[:len(text)-1]
	}
	return text
}

// cents rounds to the nearest cent, half a cent upwards.
func (a Amount) cents() Amount { return (a + cent/2) / cent * cent }

// percent is so many percent of a in whole cents.
func (a Amount) percent(p Amount) Amount {
	product := new(big.Int).Mul(big.NewInt(int64(a)), big.NewInt(int64(p)))
	return Amount(product.Div(product, big.NewInt(int64(100*one))).Int64()).cents()
}

// MarshalText is String.
func (a Amount) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// UnmarshalText reads what MarshalText has written.
func (a *Amount) UnmarshalText(text []byte) (err error) {
	*a, err = parse(string(text), math.MaxInt64)
	return err
}
