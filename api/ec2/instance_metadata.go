package ec2

import (
	"context"
	"strconv"

	model "causeway.dev/api/model/ec2"
	"causeway.dev/api/server"
	"causeway.dev/resource"
)

// readMetadataOptions changes how an instance may ask about itself, as far as a
// request says.
func readMetadataOptions(o *resource.MetadataOptions, in *model.InstanceMetadataOptionsRequest) error {
	if err := refuseUnbuilt(member{"HttpProtocolIpv6", val(in.HttpProtocolIpv6) == model.InstanceMetadataProtocolStateEnabled}); err != nil {
		return err
	}
	if in.HttpEndpoint != nil {
		o.Disabled = *in.HttpEndpoint == model.InstanceMetadataEndpointStateDisabled
	}
	if in.HttpTokens != nil {
		o.TokensOptional = *in.HttpTokens == model.HttpTokensStateOptional
	}
	if in.InstanceMetadataTags != nil {
		o.Tags = *in.InstanceMetadataTags == model.InstanceMetadataTagsStateEnabled
	}
	if in.HttpPutResponseHopLimit == nil {
		return nil
	}
	if hops := *in.HttpPutResponseHopLimit; hops < 1 || hops > resource.MetadataHopsMax {
		return resource.InvalidValue("HttpPutResponseHopLimit", strconv.Itoa(int(hops)), "It is from 1 to 64.")
	}
	o.HopLimit = *in.HttpPutResponseHopLimit
	return nil
}

func metadataOptionsAnswer(o resource.MetadataOptions) *model.InstanceMetadataOptionsResponse {
	choose := func(yes bool, is, isNot string) *string {
		if yes {
			return &is
		}
		return &isNot
	}
	return &model.InstanceMetadataOptionsResponse{
		HttpEndpoint:            choose(o.Disabled, model.InstanceMetadataEndpointStateDisabled, model.InstanceMetadataEndpointStateEnabled),
		HttpProtocolIpv6:        new(model.InstanceMetadataProtocolStateDisabled),
		HttpPutResponseHopLimit: new(int32(o.Hops())),
		HttpTokens:              choose(o.TokensOptional, model.HttpTokensStateOptional, model.HttpTokensStateRequired),
		InstanceMetadataTags:    choose(o.Tags, model.InstanceMetadataTagsStateEnabled, model.InstanceMetadataTagsStateDisabled),
		State:                   new(model.InstanceMetadataOptionsStateApplied),
	}
}

// ModifyInstanceMetadataOptions changes how an instance may ask about itself, at
// once.
func (s *Service) ModifyInstanceMetadataOptions(ctx context.Context, c server.Caller, in *model.ModifyInstanceMetadataOptionsInput) (*model.ModifyInstanceMetadataOptionsOutput, error) {
	var out model.ModifyInstanceMetadataOptionsOutput
	err := s.update(ctx, c, in.DryRun, func(w writer) error {
		v, err := instances.get(w.reader, val(in.InstanceId))
		if err != nil {
			return err
		}
		if v.Wanted == resource.InstanceTerminated {
			return resource.Errorf(codeIncorrectInstanceState, "The instance '%s' is being terminated", v.ID)
		}
		if err := readMetadataOptions(&v.MetadataOptions, &model.InstanceMetadataOptionsRequest{
			HttpEndpoint: in.HttpEndpoint, HttpProtocolIpv6: in.HttpProtocolIpv6, HttpPutResponseHopLimit: in.HttpPutResponseHopLimit,
			HttpTokens: in.HttpTokens, InstanceMetadataTags: in.InstanceMetadataTags,
		}); err != nil {
			return err
		}
		instances.put(w, v)
		out = model.ModifyInstanceMetadataOptionsOutput{InstanceId: &v.ID, InstanceMetadataOptions: metadataOptionsAnswer(v.MetadataOptions)}
		return nil
	})
	return &out, err
}

// DescribeInstanceCreditSpecifications tells what instances do when their credit
// for processors is used up: none has a credit here, so that nothing ever ends it,
// which AWS calls unlimited.
func (s *Service) DescribeInstanceCreditSpecifications(_ context.Context, c server.Caller, in *model.DescribeInstanceCreditSpecificationsInput) (*model.DescribeInstanceCreditSpecificationsOutput, error) {
	view := s.newInstanceView(s.read(c))
	f := fields[resource.Instance]{"instance-id": func(_ reader, v *resource.Instance) []string { return one(v.ID) }}
	found, next, err := describe(view.reader, instances, f, query{"DescribeInstanceCreditSpecifications", in.DryRun, in.InstanceIds, in.Filters, in.MaxResults, in.NextToken})
	if err != nil {
		return nil, err
	}
	return &model.DescribeInstanceCreditSpecificationsOutput{NextToken: next, InstanceCreditSpecifications: answers(found, func(v *resource.Instance) *model.InstanceCreditSpecification {
		return &model.InstanceCreditSpecification{CpuCredits: new("unlimited"), InstanceId: &v.ID}
	})}, nil
}
