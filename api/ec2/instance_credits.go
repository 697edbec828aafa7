package ec2

import (
	"context"
	"errors"

	model "causeway.dev/api/model/ec2"
	"causeway.dev/api/server"
	"causeway.dev/resource"
)

const codeNoCredits resource.Code = "InstanceCreditSpecification.NotSupported"

// setCredits sets what an instance does when its credits are used up; nil leaves it.
func setCredits(v *resource.Instance, credits *string) error {
	if credits == nil {
		return nil
	}
	if *credits != resource.CreditsStandard && *credits != resource.CreditsUnlimited {
		return resource.InvalidValue("CpuCredits", *credits, "It is standard or unlimited.")
	}
	if v.Credits() == "" {
		return resource.Errorf(codeNoCredits, "The specified instance does not use CPU credits for CPU usage; %s is not burstable", v.InstanceType)
	}
	v.CPUCredits = *credits
	return nil
}

// DescribeInstanceCreditSpecifications tells what burstable instances do when their
// credits for processors are used up: of those that are named, or else of all that are
// unlimited. Here credits are not counted, and nothing ends them.
func (s *Service) DescribeInstanceCreditSpecifications(_ context.Context, c server.Caller, in *model.DescribeInstanceCreditSpecificationsInput) (*model.DescribeInstanceCreditSpecificationsOutput, error) {
	const action = "DescribeInstanceCreditSpecifications"
	type instance = resource.Instance
	r := s.read(c)
	chosen, err := fields[instance]{"instance-id": func(_ reader, v *instance) []string { return one(v.ID) }}.compile(action, in.Filters)
	if err != nil {
		return nil, err
	}
	p, err := newPage(action, in.MaxResults, in.NextToken, in.InstanceIds)
	if err != nil {
		return nil, err
	}
	if len(in.InstanceIds) == 0 {
		credits := func(_ reader, v *instance) []string { return one(v.Credits()) }
		chosen = append(chosen, criterion[instance]{name: "credits", values: credits, patterns: []pattern{parsePattern(resource.CreditsUnlimited)}})
	}
	all, err := instances.selected(r, in.InstanceIds, chosen)
	if err != nil {
		return nil, err
	}
	if err := checkDryRun(in.DryRun); err != nil {
		return nil, err
	}
	found, next := take(p, all, func(v *instance) string { return v.ID })
	out := &model.DescribeInstanceCreditSpecificationsOutput{NextToken: next}
	for i := range found {
		v := &found[i]
		if v.Credits() == "" {
			return nil, resource.Errorf(codeNoCredits, "The instance '%s' does not use CPU credits for CPU usage: %s is not burstable", v.ID, v.InstanceType)
		}
		out.InstanceCreditSpecifications = append(out.InstanceCreditSpecifications, model.InstanceCreditSpecification{CpuCredits: new(v.Credits()), InstanceId: &v.ID})
	}
	return out, nil
}

// ModifyInstanceCreditSpecification sets what burstable instances do when their credits
// are used up, and tells of each whether it has been set.
func (s *Service) ModifyInstanceCreditSpecification(ctx context.Context, c server.Caller, in *model.ModifyInstanceCreditSpecificationInput) (*model.ModifyInstanceCreditSpecificationOutput, error) {
	if len(in.InstanceCreditSpecifications) == 0 {
		return nil, resource.Missing("InstanceCreditSpecification")
	}
	var out model.ModifyInstanceCreditSpecificationOutput
	err := s.update(ctx, c, in.DryRun, func(w writer) error {
		out = model.ModifyInstanceCreditSpecificationOutput{}
		for _, wanted := range in.InstanceCreditSpecifications {
			err := modifyCredits(w, val(wanted.InstanceId), wanted.CpuCredits)
			var refused *resource.Error
			switch {
			case err == nil:
				out.SuccessfulInstanceCreditSpecifications = append(out.SuccessfulInstanceCreditSpecifications, model.SuccessfulInstanceCreditSpecificationItem{InstanceId: wanted.InstanceId})
			case errors.As(err, &refused) && refused.Code != resource.CodeInvalidParameterValue:
				out.UnsuccessfulInstanceCreditSpecifications = append(out.UnsuccessfulInstanceCreditSpecifications, model.UnsuccessfulInstanceCreditSpecificationItem{
					InstanceId: wanted.InstanceId,
					Error:      &model.UnsuccessfulInstanceCreditSpecificationItemError{Code: new(string(refused.Code)), Message: &refused.Message},
				})
			default:
				return err
			}
		}
		return nil
	})
	return &out, err
}

func modifyCredits(w writer, id string, credits *string) error {
	v, err := instances.get(w.reader, id)
	if err != nil {
		return err
	}
	if v.Wanted == resource.InstanceTerminated {
		return resource.Errorf(codeIncorrectInstanceState, "The instance '%s' is being terminated", v.ID)
	}
	if err := setCredits(&v, credits); err != nil {
		return err
	}
	instances.put(w, v)
	return nil
}
