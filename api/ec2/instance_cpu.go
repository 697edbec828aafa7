package ec2

import (
	"context"

	model "causeway.dev/api/model/ec2"
	"causeway.dev/api/server"
	"causeway.dev/resource"
)

// setCPU sets how many processors of its type an instance uses. The two numbers go
// together, as at AWS.
func setCPU(v *resource.Instance, cores, threads *int32) error {
	switch {
	case cores == nil:
		return resource.Missing("CoreCount")
	case threads == nil:
		return resource.Missing("ThreadsPerCore")
	}
	return v.SetCPU(resource.CPUOptions{Cores: *cores, ThreadsPerCore: *threads})
}

// ModifyInstanceCpuOptions sets how many processors of its type an instance uses from
// its next start on. It has to be stopped.
func (s *Service) ModifyInstanceCpuOptions(ctx context.Context, c server.Caller, in *model.ModifyInstanceCpuOptionsInput) (*model.ModifyInstanceCpuOptionsOutput, error) {
	if err := refuseUnbuilt(member{"NestedVirtualization", isOther(in.NestedVirtualization, model.NestedVirtualizationSpecificationDisabled)}); err != nil {
		return nil, err
	}
	var out model.ModifyInstanceCpuOptionsOutput
	err := s.update(ctx, c, in.DryRun, func(w writer) error {
		v, err := instances.get(w.reader, *in.InstanceId)
		if err != nil {
			return err
		}
		if err := checkStopped(w.reader, &v); err != nil {
			return err
		}
		if err := setCPU(&v, in.CoreCount, in.ThreadsPerCore); err != nil {
			return err
		}
		instances.put(w, v)
		out = model.ModifyInstanceCpuOptionsOutput{CoreCount: &v.CPU.Cores, InstanceId: &v.ID, ThreadsPerCore: &v.CPU.ThreadsPerCore}
		return nil
	})
	return &out, err
}
