package serve

import (
	"cmp"
	"fmt"
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"

	"causeway.dev/doctor"
	"causeway.dev/instance"
	"causeway.dev/instance/cgroup"
)

// InstanceLimits says how far instances are held to the sizes of their types.
type InstanceLimits struct {
	// Enforce is whether they are. Default true: the sizes are upper bounds, of which
	// nothing is set aside.
	Enforce *bool `yaml:"enforce"`

	// CPU and Memory are what the types' sizes are multiplied by, from 0.01 to 100.
	// Default 1.
	CPU    float64 `yaml:"cpu"`
	Memory float64 `yaml:"memory"`
}

const (
	limitFactorMin = 0.01
	limitFactorMax = 100
)

func (c *InstanceLimits) setDefaults() {
	c.CPU, c.Memory = cmp.Or(c.CPU, 1), cmp.Or(c.Memory, 1)
	if c.Enforce == nil {
		c.Enforce = new(true)
	}
}

func (c InstanceLimits) validate() error {
	for name, factor := range map[string]float64{"cpu": c.CPU, "memory": c.Memory} {
		if !(factor >= limitFactorMin && factor <= limitFactorMax) {
			return fmt.Errorf("instance_limits: %s %v is not from %v to %v", name, factor, limitFactorMin, limitFactorMax)
		}
	}
	return nil
}

// of is what becomes of the limits that an instance's type sets.
func (c InstanceLimits) of(l cgroup.Limits) cgroup.Limits {
	if !*c.Enforce {
		return cgroup.Limits{}
	}
	const page = 1 << 20 // a multiple of all pages, as the kernel rounds to
	l.CPUs *= c.CPU
	if l.MemoryBytes > 0 {
		l.MemoryBytes = max(page, int64(float64(l.MemoryBytes)*c.Memory)/page*page)
	}
	return l
}

// groups is the name of the control group that has those of the instances in it.
func (c Config) groups() string { return "causeway-" + c.Prefix() }

// limitsOf is what the doctor says of the instances, of which the host cannot limit
// some things.
func limitsOf(cfg Config, missing map[string]error) doctor.InstanceLimits {
	limits := doctor.InstanceLimits{Enforced: *cfg.InstanceLimits.Enforce, Missing: map[string]string{}}
	for controller, err := range missing {
		limits.Missing[controller] = err.Error()
	}
	return limits
}

// warnAboutLimits says what of instances this host cannot limit.
func warnAboutLimits(cfg Config, driver *instance.Namespaces, log *slog.Logger) {
	if !*cfg.InstanceLimits.Enforce {
		log.Info("instances are not limited", "config", "instance_limits")
		return
	}
	for controller, err := range driver.Unlimited() {
		log.Warn("instances are not limited by a controller of control groups", "controller", controller, "err", err)
	}
}

// instanceMetrics shows Prometheus what instances are bound by, and what became of it.
type instanceMetrics struct {
	driver   *instance.Namespaces
	enforced bool
}

var (
	instanceLimits = prometheus.NewDesc("causeway_instance_limits_enforced", "1 if the controller of control groups limits instances, else 0.", []string{"controller"}, nil)
	instanceKills  = prometheus.NewDesc("causeway_instance_out_of_memory_kills_total", "Processes of the instance that the kernel has killed for want of memory since the instance's start.", []string{"instance"}, nil)
)

// Describe implements prometheus.Collector.
func (instanceMetrics) Describe(to chan<- *prometheus.Desc) {
	to <- instanceLimits
	to <- instanceKills
}

// Collect implements prometheus.Collector.
func (m instanceMetrics) Collect(to chan<- prometheus.Metric) {
	missing := m.driver.Unlimited()
	for _, controller := range cgroup.Controllers {
		limits := 0.0
		if m.enforced && missing[controller] == nil {
			limits = 1
		}
		to <- prometheus.MustNewConstMetric(instanceLimits, prometheus.GaugeValue, limits, controller)
	}
	for id, n := range m.driver.OutOfMemory() {
		to <- prometheus.MustNewConstMetric(instanceKills, prometheus.CounterValue, float64(n), id)
	}
}
