package access

import (
	"fmt"
	"strings"
	"testing"

	"causeway.dev/iam/policy"
)

// What is kept ready is bounded, whatever many callers with long policies do.
func TestCompiledIsBounded(t *testing.T) {
	g := New(Config{})
	document := `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"ec2:*","Resource":"*"}}` + strings.Repeat(" ", 100_000)
	for i := range 100 {
		c := collector{Guard: g}
		for revision := range int64(3) {
			c.ready(place{id: fmt.Sprint(i % 60)}, revision+int64(i), func() []*policy.Document {
				return []*policy.Document{c.parse("p", document, policy.Inline)}
			})
		}
		sum := 0
		for _, found := range g.compiled {
			sum += found.weight
		}
		if c.err != nil || sum != g.weight || sum > compiledMax || sum == 0 {
			t.Fatalf("after %d: %d kept of %d, noted %d, %v", i, sum, compiledMax, g.weight, c.err)
		}
	}
}
