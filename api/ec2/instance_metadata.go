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
	if in.HttpEndpoint != nil {
		o.Disabled = *in.HttpEndpoint == model.InstanceMetadataEndpointStateDisabled
	}
	if in.HttpTokens != nil {
		o.TokensOptional = *in.HttpTokens == model.HttpTokensStateOptional
	}
	if in.HttpProtocolIpv6 != nil {
		o.IPv6 = *in.HttpProtocolIpv6 == model.InstanceMetadataProtocolStateEnabled
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
		HttpProtocolIpv6:        choose(o.IPv6, model.InstanceMetadataProtocolStateEnabled, model.InstanceMetadataProtocolStateDisabled),
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
		if err := checkTokens(metadataDefaults(w.reader), v.MetadataOptions); err != nil {
			return err
		}
		instances.put(w, v)
		out = model.ModifyInstanceMetadataOptionsOutput{InstanceId: &v.ID, InstanceMetadataOptions: metadataOptionsAnswer(v.MetadataOptions)}
		return nil
	})
	return &out, err
}
