package billing

import "testing"

// FuzzParse: months and amounts read back as what they are shown as.
func FuzzParse(f *testing.F) {
	for _, text := range []string{"2026-11", "0000-01", "0.05", "1000000", "1000000.000001", "9223372036854.775807"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if m, err := ParseMonth(text); err == nil {
			if again, err := ParseMonth(m.String()); err != nil || again != m || !m.End().After(m.Start()) {
				t.Errorf("%q is %v, and that %v, %v", text, m, again, err)
			}
		}
		if a, err := ParseAmount(text); err == nil {
			if again, err := ParseAmount(a.String()); err != nil || again != a || a < 0 || a > amountMax {
				t.Errorf("%q is %v, and that %v, %v", text, a, again, err)
			}
		}
	})
}
