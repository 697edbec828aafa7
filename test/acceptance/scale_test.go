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
	scaleRest    = 30 * time.Second // that all instances are watched without anything to do
)

// A footprint is what an installation takes of its host. What the kernel takes
// counts for the whole host, so that what else runs there disturbs it.
type footprint struct {
	daemonMiB float64 // resident
	initsMiB  float64 // of all instances' first processes, proportionally shared
	kernelMiB float64 // slab, per-processor, stacks, page tables
	cpu       float64 // seconds of the daemon and of what it has waited for
}

// A pace is how fast a step came up.
type pace struct {
	vpcs time.Duration // that it took to make the VPCs, an instance in each
	all  time.Duration // and with all instances
	busy float64       // seconds of the host's processors in that time
}

func (p pace) plus(other pace) pace {
	return pace{p.vpcs + other.vpcs, p.all + other.all, p.busy + other.busy}
}

func (p pace) times(n float64) pace {
	return pace{time.Duration(float64(p.vpcs) * n), time.Duration(float64(p.all) * n), p.busy * n}
}

// during adds what f takes.
func (p *pace) during(t testing.TB, f func()) {
	busy, start := busySeconds(t), time.Now()
	f()
	p.all += time.Since(start)
	p.busy += busySeconds(t) - busy
}

const (
	scaleVPCs  = scaleStep / scalePerVPC // of a step
	scaleAlone = 5                       // VPCs that the kernel makes by itself before and after each step
)

// TestScale runs instances, five to a VPC, a hundred at a time, and says how fast each
// hundred comes up, and what VPCs and instances cost. Before the first hundred and after
// each, beside all that stands, the kernel's part of some is made without the daemon:
// what a machine is capable of changes by the minute and with what it holds, so that a
// step is compared with the two around it. Nothing is removed before the end, since that
// costs those who come next (a file system looks longer for what to use again). It fails
// on errors, never on a figure.
func TestScale(t *testing.T) {
	if *scaleInstances == 0 {
		t.Skip("give -scale 1000 to run so many instances")
	}
	touchMemory(t)
	lab := netlab.New(t, "nft")
	i := install(t, lab, lab.Host("internet"), testAddresses,
		"limits: { vpcs: 100000, subnets_per_vpc: 10, security_groups: 100000, network_interfaces: 100000, instances: 100000 }")
	bare := newBareKernel(t, netlab.New(t, "nft"))
	bare.scale()                // the first one finds nothing in memory
	var first, others footprint // what the first instances of all VPCs have brought, and the others
	fmt.Printf("%9s | %27s | %27s | %5s %5s | %8s %8s %8s %8s\n", "", "the kernel alone", "", "ratio", "ratio", "daemon", "daemon", "inits", "kernel")
	fmt.Printf("%9s | %9s %9s %7s | %9s %9s %7s | %5s %5s | %8s %8s %8s %8s\n", "instances", "VPCs/s", "all/s", "busy s", "VPCs/s", "all/s", "busy s", "all", "busy", "CPU s", "MiB", "MiB", "MiB")
	alone := bare.scale()
	var steps int
	for steps = range *scaleInstances / scaleStep {
		var p pace
		var subnets []string
		before := i.footprint()
		p.during(t, func() {
			for n := range scaleVPCs {
				vpc := i.createVPC("10.0.0.0/16")
				subnets = append(subnets, i.createSubnet(vpc, fmt.Sprintf("10.0.%d.0/24", n)))
			}
			i.runMany(subnets, 1)
		})
		p.vpcs = p.all
		middle := i.footprint()
		p.during(t, func() { i.runMany(subnets, scalePerVPC-1) })
		after := i.footprint()
		first, others = first.plus(middle.minus(before)), others.plus(after.minus(middle))
		next := bare.scale()
		around := alone.plus(next).times(float64(scaleVPCs) / (2 * scaleAlone))
		alone = next
		now := first.plus(others)
		fmt.Printf("%9d | %9.1f %9.1f %7.2f | %9.1f %9.1f %7.2f | %5.2f %5.2f | %8.2f %8.1f %8.1f %8.1f\n", (steps+1)*scaleStep,
			scaleVPCs/around.vpcs.Seconds(), scaleStep/around.all.Seconds(), around.busy,
			scaleVPCs/p.vpcs.Seconds(), scaleStep/p.all.Seconds(), p.busy, p.all.Seconds()/around.all.Seconds(), p.busy/around.busy,
			after.cpu-before.cpu, now.daemonMiB, now.initsMiB, now.kernelMiB)
	}
	i.rest()
	vpcs := float64((steps + 1) * scaleVPCs)
	instance := others.over(vpcs * (scalePerVPC - 1))
	vpc := first.over(vpcs).minus(instance)
	for _, of := range []struct {
		name string
		footprint
	}{{"an instance with its interface", instance}, {"a VPC with its subnet", vpc}} {
		fmt.Printf("%s: daemon %.0f KiB, process %.0f KiB, kernel %.0f KiB\n", of.name, of.daemonMiB*1024, of.initsMiB*1024, of.kernelMiB*1024)
	}
}

// scale makes the kernel's part of some VPCs and their instances.
func (k *bareKernel) scale() (p pace) {
	awaitQuiet(k.t)
	must := func(err error) {
		if err != nil {
			k.t.Fatal(err)
		}
	}
	p.during(k.t, func() { must(k.begin(scaleAlone)) })
	p.vpcs = p.all
	p.during(k.t, func() { must(k.fill(1, scalePerVPC)) })
	awaitQuiet(k.t)
	return p
}

// rest says what all instances cost while nothing is to do.
func (i *installation) rest() {
	rested, busy := i.footprint(), busySeconds(i.t)
	time.Sleep(scaleRest)
	busy = busySeconds(i.t) - busy
	fmt.Printf("at rest: the host is busy for %.1f ms a second, of which the daemon %.1f\n", 1000*busy/scaleRest.Seconds(), 1000*(i.footprint().minus(rested)).cpu/scaleRest.Seconds())
}

// busySeconds is how long the host's processors have been at work, since its start.
func busySeconds(t testing.TB) (busy float64) {
	t.Helper()
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		t.Fatal(err)
	}
	line, _, _ := strings.Cut(string(text), "\n") // cpu user nice system idle iowait irq softirq …
	for at, ticks := range strings.Fields(line)[1:8] {
		n, err := strconv.ParseFloat(ticks, 64)
		if err != nil {
			t.Fatal(err)
		}
		if at != 3 && at != 4 { // idle, waiting for a disk
			busy += n / 100
		}
	}
	return busy
}

// awaitQuiet waits until the kernel has removed what it was told to remove, which it
// does in the background: until a second is as busy as the one before, or half a minute
// has passed.
func awaitQuiet(t testing.TB) {
	last := 1e9
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); {
		before := busySeconds(t)
		time.Sleep(time.Second)
		busy := busySeconds(t) - before
		if busy < 0.1 || busy > 0.9*last && busy < 0.5 {
			return
		}
		last = busy
	}
}

// runMany launches instances in each subnet and waits until they run.
func (i *installation) runMany(subnets []string, each int) {
	i.t.Helper()
	which := []string{"Filter.1.Name=instance-state-name", "Filter.1.Value.1=pending"}
	for _, subnet := range subnets {
		answer := i.call("RunInstances", "ImageId="+hostImage, fmt.Sprintf("MinCount=%d", each), fmt.Sprintf("MaxCount=%d", each), "SubnetId="+subnet)
		for _, instance := range answer.all("instancesSet/item") {
			which = append(which, fmt.Sprintf("InstanceId.%d=%s", len(which)-1, instance.get("instanceId")))
		}
	}
	i.lab.Eventually(scaleStepMax, "all instances run", func() error {
		answer, err := i.try("DescribeInstances", which...)
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

func (f footprint) plus(other footprint) footprint { return f.minus(footprint{}.minus(other)) }

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
