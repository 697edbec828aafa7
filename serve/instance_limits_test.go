package serve

import (
	"testing"

	"causeway.dev/instance/cgroup"
)

func TestInstanceLimits(t *testing.T) {
	of := cgroup.Limits{CPUs: 2, MemoryBytes: 512 << 20, Processes: 2048}
	for text, want := range map[string]cgroup.Limits{
		"":                                       of,
		"instance_limits: { enforce: true }":     of,
		"instance_limits: { enforce: false }":    {},
		"instance_limits: { cpu: 0.25 }":         {CPUs: 0.5, MemoryBytes: 512 << 20, Processes: 2048},
		"instance_limits: { memory: 0.3 }":       {CPUs: 2, MemoryBytes: 153 << 20, Processes: 2048},
		"instance_limits: { cpu: 2, memory: 2 }": {CPUs: 4, MemoryBytes: 1 << 30, Processes: 2048},
	} {
		c, err := ParseConfig([]byte(text))
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got := c.InstanceLimits.of(of); got != want {
			t.Errorf("%s: %+v, want %+v", text, got, want)
		}
		if got := c.InstanceLimits.of(cgroup.Limits{}); got != (cgroup.Limits{}) {
			t.Errorf("%s: of no limits %+v", text, got)
		}
	}
	for _, text := range []string{"{ cpu: -1 }", "{ memory: 0.001 }", "{ cpu: 101 }", "{ memory: .nan }", "{ swap: 1 }"} {
		if _, err := ParseConfig([]byte("instance_limits: " + text)); err == nil {
			t.Errorf("%s is taken", text)
		}
	}
}
