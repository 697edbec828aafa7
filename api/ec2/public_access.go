package ec2

import (
	"context"
	"time"

	model "causeway.dev/api/model/ec2"
	"causeway.dev/api/server"
	"causeway.dev/control/publicaccess"
	"causeway.dev/resource"
	"causeway.dev/store"
)

func (s *Service) publicAccessActions() actions {
	return actions{
		"CreateVpcBlockPublicAccessExclusion":    server.Operation(s.CreateVpcBlockPublicAccessExclusion),
		"DeleteVpcBlockPublicAccessExclusion":    server.Operation(s.DeleteVpcBlockPublicAccessExclusion),
		"DescribeVpcBlockPublicAccessExclusions": server.Operation(s.DescribeVpcBlockPublicAccessExclusions),
		"DescribeVpcBlockPublicAccessOptions":    server.Operation(s.DescribeVpcBlockPublicAccessOptions),
		"ModifyVpcBlockPublicAccessExclusion":    server.Operation(s.ModifyVpcBlockPublicAccessExclusion),
		"ModifyVpcBlockPublicAccessOptions":      server.Operation(s.ModifyVpcBlockPublicAccessOptions),
	}
}

// publicAccessExclusionsMax is AWS's quota of exclusions in an account's region.
const publicAccessExclusionsMax = 50

// DescribeVpcBlockPublicAccessOptions tells what passes internet gateways.
func (s *Service) DescribeVpcBlockPublicAccessOptions(_ context.Context, c server.Caller, in *model.DescribeVpcBlockPublicAccessOptionsInput) (*model.DescribeVpcBlockPublicAccessOptionsOutput, error) {
	if err := checkDryRun(in.DryRun); err != nil {
		return nil, err
	}
	r := s.read(c)
	v, _ := store.PublicAccessOptions.Get(r.Reader, r.scope, resource.PublicAccessOptionsID)
	return &model.DescribeVpcBlockPublicAccessOptionsOutput{VpcBlockPublicAccessOptions: publicAccessOptionsAnswer(c, v)}, nil
}

func publicAccessOptionsAnswer(c server.Caller, v resource.PublicAccessOptions) *model.VpcBlockPublicAccessOptions {
	shown := &model.VpcBlockPublicAccessOptions{
		AwsAccountId: &c.Account, AwsRegion: &c.Region, State: new(model.VpcBlockPublicAccessStateDefaultState),
		InternetGatewayBlockMode: new(resource.PublicAccessOpen), ExclusionsAllowed: new(model.VpcBlockPublicAccessExclusionsAllowedAllowed), ManagedBy: new(model.ManagedByAccount),
	}
	if v.ID != "" {
		shown.State, shown.InternetGatewayBlockMode, shown.LastUpdateTimestamp = new(model.VpcBlockPublicAccessStateUpdateComplete), &v.Mode, &v.Updated
	}
	return shown
}

// ModifyVpcBlockPublicAccessOptions sets what passes the internet gateways of the
// account's region, at once and also for what flows already.
func (s *Service) ModifyVpcBlockPublicAccessOptions(ctx context.Context, c server.Caller, in *model.ModifyVpcBlockPublicAccessOptionsInput) (*model.ModifyVpcBlockPublicAccessOptionsOutput, error) {
	var out model.ModifyVpcBlockPublicAccessOptionsOutput
	err := s.update(ctx, c, in.DryRun, func(w writer) error {
		v, ok := store.PublicAccessOptions.Get(w.Reader, w.scope, resource.PublicAccessOptionsID)
		if !ok {
			v.Meta = w.newMeta(resource.PublicAccessOptionsID, nil)
		}
		v.Mode, v.Updated = *in.InternetGatewayBlockMode, shownTime(c)
		store.PublicAccessOptions.Put(w.tx, v)
		out.VpcBlockPublicAccessOptions = publicAccessOptionsAnswer(c, v)
		return nil
	})
	return &out, err
}

// shownTime is when the request came in, as exactly as answers show it.
func shownTime(c server.Caller) time.Time { return c.Now.UTC().Truncate(time.Millisecond) }

// CreateVpcBlockPublicAccessExclusion excepts a VPC or a subnet, also before anything
// is blocked.
func (s *Service) CreateVpcBlockPublicAccessExclusion(ctx context.Context, c server.Caller, in *model.CreateVpcBlockPublicAccessExclusionInput) (*model.CreateVpcBlockPublicAccessExclusionOutput, error) {
	switch {
	case in.VpcId == nil && in.SubnetId == nil:
		return nil, resource.Missing("VpcId")
	case in.VpcId != nil && in.SubnetId != nil:
		return nil, resource.Errorf(resource.CodeInvalidParameterCombination, "An exclusion is of a VPC or of a subnet: give VpcId or SubnetId")
	}
	tags, err := tagsFor(in.TagSpecifications, publicAccessExclusions.kind)
	if err != nil {
		return nil, err
	}
	id := s.newID(publicAccessExclusions.prefix)
	var out model.CreateVpcBlockPublicAccessExclusionOutput
	err = s.update(ctx, c, in.DryRun, func(w writer) error {
		v := resource.PublicAccessExclusion{Meta: w.newMeta(id, tags[publicAccessExclusions.kind]), Mode: *in.InternetGatewayExclusionMode}
		if in.SubnetId != nil {
			subnet, err := subnets.get(w.reader, *in.SubnetId)
			if err != nil {
				return err
			}
			v.VPC, v.Subnet = subnet.VPC, subnet.ID
		} else {
			vpc, err := vpcs.get(w.reader, *in.VpcId)
			if err != nil {
				return err
			}
			v.VPC = vpc.ID
		}
		for other := range publicAccessExclusions.of(w.reader, v.VPC) {
			if other.Subnet == v.Subnet {
				return resource.Errorf(resource.CodeInvalidParameterValue, "There is an exclusion of the resource already: %s", other.ID)
			}
		}
		if publicAccessExclusions.total(w.reader) >= publicAccessExclusionsMax {
			return resource.Errorf("VpcBlockPublicAccessExclusionLimitExceeded", "The maximum number of exclusions from VPC Block Public Access has been reached: %d", publicAccessExclusionsMax)
		}
		publicAccessExclusions.put(w, v)
		out.VpcBlockPublicAccessExclusion = w.publicAccessExclusion(&v)
		return nil
	})
	return &out, err
}

// ModifyVpcBlockPublicAccessExclusion sets what an exclusion lets pass.
func (s *Service) ModifyVpcBlockPublicAccessExclusion(ctx context.Context, c server.Caller, in *model.ModifyVpcBlockPublicAccessExclusionInput) (*model.ModifyVpcBlockPublicAccessExclusionOutput, error) {
	var out model.ModifyVpcBlockPublicAccessExclusionOutput
	err := s.update(ctx, c, in.DryRun, func(w writer) error {
		v, err := publicAccessExclusions.get(w.reader, *in.ExclusionId)
		if err != nil {
			return err
		}
		v.Mode, v.Updated = *in.InternetGatewayExclusionMode, new(shownTime(c))
		publicAccessExclusions.put(w, v)
		out.VpcBlockPublicAccessExclusion = w.publicAccessExclusion(&v)
		return nil
	})
	return &out, err
}

// DeleteVpcBlockPublicAccessExclusion ends an exclusion.
func (s *Service) DeleteVpcBlockPublicAccessExclusion(ctx context.Context, c server.Caller, in *model.DeleteVpcBlockPublicAccessExclusionInput) (*model.DeleteVpcBlockPublicAccessExclusionOutput, error) {
	var out model.DeleteVpcBlockPublicAccessExclusionOutput
	err := s.update(ctx, c, in.DryRun, func(w writer) error {
		v, err := publicAccessExclusions.get(w.reader, *in.ExclusionId)
		if err != nil {
			return err
		}
		publicAccessExclusions.delete(w, v.ID)
		out.VpcBlockPublicAccessExclusion = w.publicAccessExclusion(&v)
		out.VpcBlockPublicAccessExclusion.State = new(model.VpcBlockPublicAccessExclusionStateDeleteComplete)
		out.VpcBlockPublicAccessExclusion.DeletionTimestamp = new(shownTime(c))
		return nil
	})
	return &out, err
}

// unexclude ends the exclusions of what is deleted: those of a VPC, with its subnets',
// or of one subnet.
func unexclude(w writer, vpc, subnet string) {
	for v := range publicAccessExclusions.of(w.reader, vpc) {
		if subnet == "" || v.Subnet == subnet {
			publicAccessExclusions.delete(w, v.ID)
		}
	}
}

// excluded is the ARN of what an exclusion excepts.
func (r reader) excluded(v *resource.PublicAccessExclusion) string {
	if v.Subnet != "" {
		return *r.arn(subnets.kind, v.Subnet)
	}
	return *r.arn(vpcs.kind, v.VPC)
}

func publicAccessExclusionState(v *resource.PublicAccessExclusion) string {
	if v.Updated != nil {
		return model.VpcBlockPublicAccessExclusionStateUpdateComplete
	}
	return model.VpcBlockPublicAccessExclusionStateCreateComplete
}

func (r reader) publicAccessExclusion(v *resource.PublicAccessExclusion) *model.VpcBlockPublicAccessExclusion {
	return &model.VpcBlockPublicAccessExclusion{
		CreationTimestamp:            &v.Created,
		ExclusionId:                  &v.ID,
		InternetGatewayExclusionMode: &v.Mode,
		LastUpdateTimestamp:          v.Updated,
		ResourceArn:                  new(r.excluded(v)),
		State:                        new(publicAccessExclusionState(v)),
		Tags:                         tagSet(v.Tags),
	}
}

var publicAccessExclusionFields = fields[resource.PublicAccessExclusion]{
	"internet-gateway-exclusion-mode": func(_ reader, v *resource.PublicAccessExclusion) []string { return one(v.Mode) },
	"resource-arn":                    func(r reader, v *resource.PublicAccessExclusion) []string { return one(r.excluded(v)) },
	"state":                           func(_ reader, v *resource.PublicAccessExclusion) []string { return one(publicAccessExclusionState(v)) },
	"tag-value": func(_ reader, v *resource.PublicAccessExclusion) []string {
		return mapped(v.Tags, func(t *resource.Tag) string { return t.Value })
	},
}

// DescribeVpcBlockPublicAccessExclusions lists what is excepted from blocking.
func (s *Service) DescribeVpcBlockPublicAccessExclusions(_ context.Context, c server.Caller, in *model.DescribeVpcBlockPublicAccessExclusionsInput) (*model.DescribeVpcBlockPublicAccessExclusionsOutput, error) {
	r := s.read(c)
	found, next, err := describe(r, publicAccessExclusions, publicAccessExclusionFields, query{"DescribeVpcBlockPublicAccessExclusions", in.DryRun, in.ExclusionIds, in.Filters, in.MaxResults, in.NextToken})
	if err != nil {
		return nil, err
	}
	return &model.DescribeVpcBlockPublicAccessExclusionsOutput{VpcBlockPublicAccessExclusions: answers(found, r.publicAccessExclusion), NextToken: next}, nil
}

// publicAccess is what is blocked in a VPC, or in one of its subnets.
func (r reader) publicAccess(vpc, subnet string) *model.BlockPublicAccessStates {
	return &model.BlockPublicAccessStates{InternetGatewayBlockMode: new(publicaccess.Of(r.Reader, r.scope, vpc, subnet))}
}
