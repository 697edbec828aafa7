package acceptance

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"causeway.dev/internal/netlab"
)

var scaleInstances = flag.Int("scale", 0, "let TestScale run that many instances, a fifth as many VPCs; without it, the test is skipped")

const (
	scaleStep    = 100 // instances of a step
	scalePerVPC  = 5
	scaleStepMax = 3 * time.Minute
)

// A footprint is what an installation takes of its host. What the kernel takes
// counts for the whole host, so that what else runs there disturbs it.
type footprint struct {
	daemonMiB float64 // resident
	initsMiB  float64 // of all instances' first processes, proportionally shared
	kernelMiB float64 // slab, per-processor, stacks, page tables
	cpu       float64 // seconds of the daemon and of what it has waited for
}

// TestScale runs instances, five to a VPC, a hundred at a time, and says how fast
// each hundred comes up, and what VPCs and instances cost. It fails on errors,
// never on a figure.
func TestScale(t *testing.T) {
	if *scaleInstances == 0 {
		t.Skip("give -scale 1000 to run so many instances")
	}
	lab := netlab.New(t)
	i := install(t, lab, lab.Host("internet"), testAddresses,
		"limits: { vpcs: 100000, subnets_per_vpc: 10, security_groups: 100000, network_interfaces: 100000, instances: 100000 }")
	var vpcMiB, instanceMiB []footprint // what the first instance of each VPC of a step brought, and the others
	begin := i.footprint()
	fmt.Printf("%10s %12s %12s %10s %10s %10s\n", "instances", "a second", "CPU s", "daemon MiB", "inits MiB", "kernel MiB")
	for count := 0; count < *scaleInstances; count += scaleStep {
		start, before := time.Now(), i.footprint()
		var subnets []string
		for n := range scaleStep / scalePerVPC {
			vpc := i.createVPC("10.0.0.0/16")
			subnets = append(subnets, i.createSubnet(vpc, fmt.Sprintf("10.0.%d.0/24", n)))
		}
		i.runMany(subnets, 1)
		took, middle := time.Since(start), i.footprint()
		start = time.Now()
		i.runMany(subnets, scalePerVPC-1)
		took += time.Since(start)
		after := i.footprint()
		vpcMiB, instanceMiB = append(vpcMiB, middle.minus(before)), append(instanceMiB, after.minus(middle))
		now := after.minus(begin)
		fmt.Printf("%10d %12.1f %12.2f %10.1f %10.1f %10.1f\n", count+scaleStep, scaleStep/took.Seconds(), after.cpu-before.cpu, now.daemonMiB, now.initsMiB, now.kernelMiB)
	}
	const ofStep = scaleStep / scalePerVPC
	with, without := sum(vpcMiB), sum(instanceMiB)
	steps := float64(len(vpcMiB))
	perInstance := without.over(steps * (scaleStep - ofStep))
	perVPC := with.over(steps * ofStep).minus(perInstance)
	for _, of := range []struct {
		name string
		footprint
	}{{"an instance with its interface", perInstance}, {"a VPC with its subnet", perVPC}} {
		fmt.Printf("%s: daemon %.0f KiB, process %.0f KiB, kernel %.0f KiB\n", of.name, of.daemonMiB*1024, of.initsMiB*1024, of.kernelMiB*1024)
	}
}

// runMany launches instances in each subnet and waits until all run.
func (i *installation) runMany(subnets []string, each int) {
	i.t.Helper()
	for _, subnet := range subnets {
		i.call("RunInstances", "ImageId="+hostImage, fmt.Sprintf("MinCount=%d", each), fmt.Sprintf("MaxCount=%d", each), "SubnetId="+subnet)
	}
	i.lab.Eventually(scaleStepMax, "all instances run", func() error {
		answer, err := i.try("DescribeInstances", "Filter.1.Name=instance-state-name", "Filter.1.Value.1=pending", "MaxResults=5")
		if err != nil {
			return err
		}
		if waiting := len(answer.all("reservationSet/item")); waiting > 0 {
			return fmt.Errorf("some are pending\n%s", i.server.Log())
		}
		return nil
	})
}

func (f footprint) minus(other footprint) footprint {
	return footprint{f.daemonMiB - other.daemonMiB, f.initsMiB - other.initsMiB, f.kernelMiB - other.kernelMiB, f.cpu - other.cpu}
}

func (f footprint) over(n float64) footprint {
	return footprint{f.daemonMiB / n, f.initsMiB / n, f.kernelMiB / n, f.cpu / n}
}

func sum(all []footprint) (total footprint) {
	for _, f := range all {
		total = total.minus(footprint{}.minus(f))
	}
	return total
}

func (i *installation) footprint() footprint {
	i.t.Helper()
	own := fmt.Sprintf("/proc/%d/", i.server.Pid())
	f := footprint{daemonMiB: i.kibibytes(own+"status", "VmRSS") / 1024}
	f.kernelMiB = i.kibibytes("/proc/meminfo", "Slab", "Percpu", "KernelStack", "PageTables") / 1024
	for _, file := range glob(i.t, filepath.Join(i.data, "instances", "*", "init")) {
		text, err := os.ReadFile(file)
		if err != nil {
			i.t.Fatal(err)
		}
		pid, _, _ := strings.Cut(string(text), " ")
		f.initsMiB += i.kibibytes("/proc/"+pid+"/smaps_rollup", "Pss") / 1024
	}
	stat, err := os.ReadFile(own + "stat")
	if err != nil {
		i.t.Fatal(err)
	}
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	for _, ticks := range fields[14-3 : 17-2] { // user and system time, of it and of its children
		n, err := strconv.ParseFloat(ticks, 64)
		if err != nil {
			i.t.Fatal(err)
		}
		f.cpu += n / 100
	}
	return f
}

// kibibytes adds up lines like "VmRSS:  123 kB" of a file.
func (i *installation) kibibytes(file string, names ...string) (total float64) {
	i.t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		i.t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		name, rest, _ := strings.Cut(line, ":")
		for _, wanted := range names {
			if name != wanted {
				continue
			}
			n, err := strconv.ParseFloat(strings.Fields(rest)[0], 64)
			if err != nil {
				i.t.Fatal(err)
			}
			total += n
		}
	}
	return total
}
