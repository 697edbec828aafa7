package serve

import (
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

func TestMissingRights(t *testing.T) {
	const all = 1<<unix.CAP_NET_ADMIN | 1<<unix.CAP_SYS_ADMIN
	for _, test := range []struct {
		effective [2]uint32
		want      []string
	}{
		{[2]uint32{all, 0}, nil},
		{[2]uint32{1<<32 - 1, 1<<32 - 1}, nil},
		{[2]uint32{all &^ (1 << unix.CAP_SYS_ADMIN), 0}, []string{"CAP_SYS_ADMIN"}},
		{[2]uint32{0, all}, []string{"CAP_NET_ADMIN", "CAP_SYS_ADMIN"}},
	} {
		if got := missingRights(test.effective); !slices.Equal(got, test.want) {
			t.Errorf("of %x are missing %q, want %q", test.effective, got, test.want)
		}
	}
}
