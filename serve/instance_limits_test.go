package serve

import (
	"errors"
	"testing"

	"causeway.dev/instance/cgroup"
)

// What the doctor says of the instances follows the configuration and the host.
func TestLimitsAreTold(t *testing.T) {
	missing := map[string]error{"memory": errors.New("no hierarchy with it is mounted"), "cpu": errors.New("no such file")}
	for _, told := range []struct {
		text    string
		missing map[string]error
		want    string
	}{
		{"", nil, "instances are held to their types by control groups"},
		{"", missing, "instances are NOT limited by cpu (no such file), memory (no hierarchy with it is mounted)"},
		{"instance_limits: { enforce: false }", missing, "instances are not limited: instance_limits in the configuration says so"},
	} {
		c, err := ParseConfig([]byte(told.text))
		if err != nil {
			t.Fatal(err)
		}
		if got := limitsOf(c, told.missing).String(); got != told.want {
			t.Errorf("%q: %q, want %q", told.text, got, told.want)
		}
	}
}

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
