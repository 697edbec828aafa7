package packetio

import "testing"

func TestOffloadNames(t *testing.T) {
	for _, tt := range []struct {
		off  []string
		want string
	}{
		{nil, "tun-segmentation tun-udp-segmentation udp-coalescing udp-segmentation"},
		{[]string{"udp-coalescing", "tun-segmentation"}, "tun-udp-segmentation udp-segmentation"},
		{[]string{"all"}, "none"},
	} {
		o, err := Without(tt.off)
		if err != nil || o.String() != tt.want {
			t.Errorf("without %v: %v, %v, want %s", tt.off, o, err, tt.want)
		}
		if o.Or(AllOffloads) != AllOffloads || o.And(AllOffloads) != o {
			t.Errorf("%v with all: %v and %v", o, o.Or(AllOffloads), o.And(AllOffloads))
		}
	}
	if _, err := Without([]string{"gro"}); err == nil {
		t.Error("an offload that is none was taken")
	}
}
