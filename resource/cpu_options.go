package resource

import "cmp"

// CPUOptions are how many processors an instance uses of those of its type; zero
// values are the type's.
type CPUOptions struct {
	Cores          int32 `json:"cores,omitempty"`
	ThreadsPerCore int32 `json:"threadsPerCore,omitempty"`
}

// Processors returns how many cores an instance uses, and how many threads of each: the
// product is the number of processors that it may use at a time. Both are 0 for a type
// that is not known any more.
func (v *Instance) Processors() (cores, threads int) {
	t, ok := InstanceTypeOf(v.InstanceType)
	if !ok {
		return 0, 0
	}
	return cmp.Or(int(v.CPU.Cores), t.VCPUs/t.Threads), cmp.Or(int(v.CPU.ThreadsPerCore), t.Threads)
}

// SetCPU says how many processors of its type an instance shall use, each of 1 or more.
func (v *Instance) SetCPU(o CPUOptions) error {
	t, _ := InstanceTypeOf(v.InstanceType)
	switch {
	case o.Cores < 1 || int(o.Cores) > t.VCPUs/t.Threads:
		return Errorf(CodeInvalidParameterCombination, "CoreCount %d is not valid for %s, which has %d", o.Cores, v.InstanceType, t.VCPUs/t.Threads)
	case o.ThreadsPerCore < 1 || int(o.ThreadsPerCore) > t.Threads:
		return Errorf(CodeInvalidParameterCombination, "ThreadsPerCore %d is not valid for %s, which has %d", o.ThreadsPerCore, v.InstanceType, t.Threads)
	}
	v.CPU = o
	return nil
}
