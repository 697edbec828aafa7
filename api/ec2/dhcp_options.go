package ec2

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"slices"

	model "causeway.dev/api/model/ec2"
	"causeway.dev/api/server"
	"causeway.dev/resource"
)

func (s *Service) dhcpOptionsActions() actions {
	return actions{
		"CreateDhcpOptions":    server.Operation(s.CreateDhcpOptions),
		"AssociateDhcpOptions": server.Operation(s.AssociateDhcpOptions),
		"DeleteDhcpOptions":    server.Operation(s.DeleteDhcpOptions),
		"DescribeDhcpOptions":  server.Operation(s.DescribeDhcpOptions),
	}
}

// CreateDhcpOptions makes options that no VPC uses yet.
func (s *Service) CreateDhcpOptions(ctx context.Context, c server.Caller, in *model.CreateDhcpOptionsInput) (*model.CreateDhcpOptionsOutput, error) {
	configurations, err := readDHCPConfigurations(in.DhcpConfigurations)
	if err != nil {
		return nil, err
	}
	tags, err := tagsFor(in.TagSpecifications, dhcpOptions.kind)
	if err != nil {
		return nil, err
	}
	var out model.CreateDhcpOptionsOutput
	err = s.update(ctx, c, in.DryRun, func(w writer) error {
		if dhcpOptions.total(w.reader) >= w.limits.DHCPOptions {
			return resource.Errorf("ResourceLimitExceeded", "The maximum number of DHCP options sets has been reached: %d", w.limits.DHCPOptions)
		}
		v := resource.DHCPOptions{Meta: w.newMeta(s.newID(dhcpOptions.prefix), tags[dhcpOptions.kind]), Configurations: configurations}
		dhcpOptions.put(w, v)
		out.DhcpOptions = dhcpOptionsAnswer(&v)
		return nil
	})
	return &out, err
}

// readDHCPConfigurations reads options, sorted by key.
func readDHCPConfigurations(in []model.NewDhcpConfiguration) ([]resource.DHCPConfiguration, error) {
	if len(in) == 0 {
		return nil, resource.Missing("DhcpConfiguration")
	}
	var configurations []resource.DHCPConfiguration
	for i, given := range in {
		configuration := resource.DHCPConfiguration{Key: val(given.Key), Values: given.Values}
		if err := resource.ValidateDHCPConfiguration(configuration); err != nil {
			return nil, err
		}
		if slices.ContainsFunc(in[:i], func(o model.NewDhcpConfiguration) bool { return val(o.Key) == configuration.Key }) {
			return nil, resource.InvalidValue("DhcpConfiguration.Key", configuration.Key, "The option is given twice.")
		}
		configurations = append(configurations, configuration)
	}
	slices.SortFunc(configurations, func(a, b resource.DHCPConfiguration) int { return cmp.Compare(a.Key, b.Key) })
	return configurations, nil
}

// defaultDHCPOptions returns the id of the options that a region's VPCs begin with:
// its own domain and resolver. They are made when they are first needed.
func (s *Service) defaultDHCPOptions(w writer) string {
	digest := sha256.Sum256([]byte("default DHCP options of " + w.scope.Account + " in " + w.scope.Region))
	id := dhcpOptions.prefix + "-" + hex.EncodeToString(digest[:])[:idDigits]
	if _, made := dhcpOptions.table.Get(w.Reader, w.scope, id); !made {
		dhcpOptions.put(w, resource.DHCPOptions{Meta: w.newMeta(id, nil), Configurations: []resource.DHCPConfiguration{
			{Key: resource.DHCPDomainName, Values: []string{resource.PrivateZone(w.scope.Region)}},
			{Key: resource.DHCPDomainNameServers, Values: []string{resource.AmazonProvidedDNS}},
		}})
	}
	return id
}

// AssociateDhcpOptions lets a VPC use other options, or none by the id "default".
func (s *Service) AssociateDhcpOptions(ctx context.Context, c server.Caller, in *model.AssociateDhcpOptionsInput) (*model.AssociateDhcpOptionsOutput, error) {
	return nil, s.update(ctx, c, in.DryRun, func(w writer) error {
		v, err := vpcs.get(w.reader, val(in.VpcId))
		if err != nil {
			return err
		}
		v.DHCPOptionsID = val(in.DhcpOptionsId)
		if v.DHCPOptionsID != resource.NoDHCPOptions {
			if _, err := dhcpOptions.get(w.reader, v.DHCPOptionsID); err != nil {
				return err
			}
		}
		vpcs.put(w, v)
		return nil
	})
}

// DeleteDhcpOptions removes options that no VPC uses.
func (s *Service) DeleteDhcpOptions(ctx context.Context, c server.Caller, in *model.DeleteDhcpOptionsInput) (*model.DeleteDhcpOptionsOutput, error) {
	return nil, s.update(ctx, c, in.DryRun, func(w writer) error {
		v, err := dhcpOptions.get(w.reader, val(in.DhcpOptionsId))
		if err != nil {
			return err
		}
		for vpc := range vpcs.list(w.reader) {
			if vpc.DHCPOptionsID == v.ID {
				return resource.Errorf(resource.CodeDependencyViolation, "The dhcpOptions '%s' has dependencies and cannot be deleted: %s uses it", v.ID, vpc.ID)
			}
		}
		dhcpOptions.delete(w, v.ID)
		return nil
	})
}

// DescribeDhcpOptions lists DHCP options.
func (s *Service) DescribeDhcpOptions(_ context.Context, c server.Caller, in *model.DescribeDhcpOptionsInput) (*model.DescribeDhcpOptionsOutput, error) {
	found, next, err := describe(s.read(c), dhcpOptions, dhcpOptionsFields, query{"DescribeDhcpOptions", in.DryRun, in.DhcpOptionsIds, in.Filters, in.MaxResults, in.NextToken})
	if err != nil {
		return nil, err
	}
	return &model.DescribeDhcpOptionsOutput{DhcpOptions: answers(found, dhcpOptionsAnswer), NextToken: next}, nil
}

var dhcpOptionsFields = fields[resource.DHCPOptions]{
	"dhcp-options-id": func(_ reader, v *resource.DHCPOptions) []string { return one(v.ID) },
	"key": func(_ reader, v *resource.DHCPOptions) []string {
		return mapped(v.Configurations, func(c *resource.DHCPConfiguration) string { return c.Key })
	},
	"owner-id": func(_ reader, v *resource.DHCPOptions) []string { return one(v.Account) },
	"value": func(_ reader, v *resource.DHCPOptions) (values []string) {
		for _, c := range v.Configurations {
			values = append(values, c.Values...)
		}
		return values
	},
}

func dhcpOptionsAnswer(v *resource.DHCPOptions) *model.DhcpOptions {
	return &model.DhcpOptions{
		DhcpConfigurations: mapped(v.Configurations, func(c *resource.DHCPConfiguration) model.DhcpConfiguration {
			values := mapped(c.Values, func(value *string) model.AttributeValue { return model.AttributeValue{Value: value} })
			return model.DhcpConfiguration{Key: &c.Key, Values: values}
		}),
		DhcpOptionsId: &v.ID,
		OwnerId:       &v.Account,
		Tags:          tagSet(v.Tags),
	}
}
