package resource

import (
	"cmp"
	"slices"
)

// An InstanceType is a size of instances. Its numbers are bounds of what an instance
// takes of its host; nothing is set aside for it.
type InstanceType struct {
	Name      string // "t3.nano"
	VCPUs     int    // processors that it may use at a time
	MemoryMiB int64
	Threads   int // vCPUs of each core

	Interfaces int // network interfaces, the primary one included
	Addresses  int // private IPv4 ones of each interface, the primary one included

	// Credits is what it does, unless it is told otherwise, when its credits for
	// processors are used up: CreditsStandard or CreditsUnlimited; "": it has none,
	// as its performance is not burstable.
	Credits string

	Former bool // of a generation before the current one
}

// Values of CreditSpecification.CpuCredits.
const (
	CreditsStandard  = "standard"
	CreditsUnlimited = "unlimited"
)

// Bounds of an instance's processes and threads: those that a host of its memory
// would begin with, roughly, and what numbers of processes usually end at.
const (
	processesPerMiB = 4
	processesMax    = 32768
)

// Processes is how many processes and threads an instance may have. AWS has no such
// number: its instances have kernels of their own.
func (t InstanceType) Processes() int { return int(min(t.MemoryMiB*processesPerMiB, processesMax)) }

// InstanceTypes are those that can be asked for, by name. Of the families' sizes they
// are the smaller ones; architectures and storage are not told apart, as all run on
// the host.
var InstanceTypes = instanceTypes()

// InstanceTypeOf looks a type up by its name.
func InstanceTypeOf(name string) (InstanceType, bool) {
	at, ok := slices.BinarySearchFunc(InstanceTypes, name, func(t InstanceType, name string) int { return cmp.Compare(t.Name, name) })
	if !ok {
		return InstanceType{}, false
	}
	return InstanceTypes[at], true
}

// A size is a row of several families: its name, vCPUs and network ("Maximum IP
// addresses per network interface" in the EC2 user guide).
type size struct {
	name                         string
	vcpus, interfaces, addresses int
}

var (
	// fixedSizes are those of families with a fixed performance.
	fixedSizes = []size{{"large", 2, 3, 10}, {"xlarge", 4, 4, 15}, {"2xlarge", 8, 4, 15}, {"4xlarge", 16, 8, 30}}

	// gravitonSizes are those of families with AWS's own processors, whose vCPUs are cores.
	gravitonSizes = append([]size{{"medium", 1, 2, 4}}, fixedSizes...)

	// burstableMiB is the memory of the sizes of all burstable families.
	burstableMiB = map[string]int64{"nano": 512, "micro": 1 << 10, "small": 2 << 10, "medium": 4 << 10, "large": 8 << 10, "xlarge": 16 << 10, "2xlarge": 32 << 10}
)

func instanceTypes() []InstanceType {
	all := []InstanceType{
		{Name: "m1.small", VCPUs: 1, MemoryMiB: 1740, Threads: 1, Interfaces: 2, Addresses: 4, Former: true},
		{Name: "t1.micro", VCPUs: 1, MemoryMiB: 627, Threads: 1, Interfaces: 2, Addresses: 2, Former: true},
	}
	burstable := func(family, credits string, threads int, sizes ...size) {
		for _, s := range sizes {
			all = append(all, InstanceType{
				Name: family + "." + s.name, VCPUs: s.vcpus, MemoryMiB: burstableMiB[s.name], Threads: min(threads, s.vcpus),
				Interfaces: s.interfaces, Addresses: s.addresses, Credits: credits,
			})
		}
	}
	burstable("t2", CreditsStandard, 1, size{"nano", 1, 2, 2}, size{"micro", 1, 2, 2}, size{"small", 1, 3, 4}, size{"medium", 2, 3, 6},
		size{"large", 2, 3, 12}, size{"xlarge", 4, 3, 15}, size{"2xlarge", 8, 3, 15})
	upper := []size{{"medium", 2, 3, 6}, {"large", 2, 3, 12}, {"xlarge", 4, 4, 15}, {"2xlarge", 8, 4, 15}}
	burstable("t3", CreditsUnlimited, 2, append([]size{{"nano", 2, 2, 2}, {"micro", 2, 2, 2}, {"small", 2, 3, 4}}, upper...)...)
	burstable("t3a", CreditsUnlimited, 2, append([]size{{"nano", 2, 2, 2}, {"micro", 2, 2, 2}, {"small", 2, 2, 4}}, upper...)...)
	burstable("t4g", CreditsUnlimited, 1, append([]size{{"nano", 2, 2, 2}, {"micro", 2, 2, 2}, {"small", 2, 3, 4}}, upper...)...)
	fixed := func(gibPerVCPU int64, threads int, sizes []size, families ...string) {
		for _, family := range families {
			for _, s := range sizes {
				all = append(all, InstanceType{
					Name: family + "." + s.name, VCPUs: s.vcpus, MemoryMiB: gibPerVCPU << 10 * int64(s.vcpus), Threads: threads,
					Interfaces: s.interfaces, Addresses: s.addresses,
				})
			}
		}
	}
	fixed(2, 2, fixedSizes, "c5", "c5a", "c6a", "c6i", "c7i")
	fixed(4, 2, fixedSizes, "m5", "m5a", "m6a", "m6i", "m7i")
	fixed(8, 2, fixedSizes, "r5", "r5a", "r6a", "r6i", "r7i")
	fixed(2, 1, gravitonSizes, "c6g", "c7g")
	fixed(4, 1, gravitonSizes, "m6g", "m7g")
	fixed(8, 1, gravitonSizes, "r6g", "r7g")
	slices.SortFunc(all, func(a, b InstanceType) int { return cmp.Compare(a.Name, b.Name) })
	return all
}
