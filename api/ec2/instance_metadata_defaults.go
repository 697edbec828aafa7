package ec2

import (
	"context"
	"strconv"

	model "causeway.dev/api/model/ec2"
	"causeway.dev/api/server"
	"causeway.dev/resource"
	"causeway.dev/store"
)

// noPreference leaves a default open again; for the hop limit it is noHopPreference.
const (
	noPreference    = "no-preference"
	noHopPreference = -1
)

// metadataDefaults are those of the account in its region; the zero value leaves all
// open.
func metadataDefaults(r reader) resource.MetadataDefaults {
	d, _ := store.MetadataDefaults.Get(r.Reader, r.scope, resource.MetadataDefaultsID)
	return d
}

// launchMetadata decides how a new instance may ask about itself: as the request says,
// or else the account, or else the image, which wants tokens.
func launchMetadata(r reader, in *model.InstanceMetadataOptionsRequest) (resource.MetadataOptions, error) {
	d := metadataDefaults(r)
	o := d.Options()
	if in != nil {
		if err := readMetadataOptions(&o, in); err != nil {
			return o, err
		}
	}
	return o, checkTokens(d, o)
}

// checkTokens refuses instances that would answer without a token where the account
// wants none of these.
func checkTokens(d resource.MetadataDefaults, o resource.MetadataOptions) error {
	if d.TokensEnforced == model.HttpTokensEnforcedStateEnabled && o.TokensOptional {
		return resource.Errorf(resource.CodeUnsupportedOperation,
			"You can't launch instances with IMDSv1 because httpTokensEnforced is enabled for this account. Either launch the instance with httpTokens=required or change httpTokensEnforced by ModifyInstanceMetadataDefaults.")
	}
	return nil
}

// GetInstanceMetadataDefaults tells what new instances of the account get where a
// request leaves it open.
func (s *Service) GetInstanceMetadataDefaults(_ context.Context, c server.Caller, in *model.GetInstanceMetadataDefaultsInput) (*model.GetInstanceMetadataDefaultsOutput, error) {
	if err := checkDryRun(in.DryRun); err != nil {
		return nil, err
	}
	d := metadataDefaults(s.read(c))
	out := &model.InstanceMetadataDefaultsResponse{
		HttpEndpoint: str(d.Endpoint), HttpTokens: str(d.Tokens), HttpTokensEnforced: str(d.TokensEnforced), InstanceMetadataTags: str(d.Tags),
		ManagedBy: new(model.ManagedByAccount),
	}
	if d.HopLimit != 0 {
		out.HttpPutResponseHopLimit = &d.HopLimit
	}
	return &model.GetInstanceMetadataDefaultsOutput{AccountLevel: out}, nil
}

// ModifyInstanceMetadataDefaults changes what instances get that are launched from now
// on, as far as the request says.
func (s *Service) ModifyInstanceMetadataDefaults(ctx context.Context, c server.Caller, in *model.ModifyInstanceMetadataDefaultsInput) (*model.ModifyInstanceMetadataDefaultsOutput, error) {
	hops := val(in.HttpPutResponseHopLimit)
	if in.HttpPutResponseHopLimit != nil && hops != noHopPreference && (hops < 1 || hops > resource.MetadataHopsMax) {
		return nil, resource.InvalidValue("HttpPutResponseHopLimit", strconv.Itoa(int(hops)), "It is from 1 to 64, or -1 for no preference.")
	}
	err := s.update(ctx, c, in.DryRun, func(w writer) error {
		d := metadataDefaults(w.reader)
		if d.ID == "" {
			d.Meta = w.newMeta(resource.MetadataDefaultsID, nil)
		}
		prefer(&d.Endpoint, in.HttpEndpoint)
		prefer(&d.Tokens, in.HttpTokens)
		prefer(&d.TokensEnforced, in.HttpTokensEnforced)
		prefer(&d.Tags, in.InstanceMetadataTags)
		switch {
		case hops == noHopPreference:
			d.HopLimit = 0
		case hops != 0:
			d.HopLimit = hops
		}
		store.MetadataDefaults.Put(w.tx, d)
		return nil
	})
	return &model.ModifyInstanceMetadataDefaultsOutput{Return: new(true)}, err
}

// prefer sets a default to what is wanted; nil leaves it.
func prefer(to, wanted *string) {
	if wanted == nil {
		return
	}
	if *to = *wanted; *to == noPreference {
		*to = ""
	}
}
