package ec2

import (
	"context"
	"net/netip"
	"slices"
	"strconv"

	model "causeway.dev/api/model/ec2"
	"causeway.dev/api/server"
	"causeway.dev/resource"
)

func (s *Service) networkInterfaceActions() actions {
	return actions{
		"DescribeNetworkInterfaces":         server.Operation(s.DescribeNetworkInterfaces),
		"DescribeNetworkInterfaceAttribute": server.Operation(s.DescribeNetworkInterfaceAttribute),
		"ModifyNetworkInterfaceAttribute":   server.Operation(s.ModifyNetworkInterfaceAttribute),
		"ResetNetworkInterfaceAttribute":    server.Operation(s.ResetNetworkInterfaceAttribute),
		"CreateNetworkInterface":            server.Operation(s.CreateNetworkInterface),
		"AttachNetworkInterface":            server.Operation(s.AttachNetworkInterface),
		"DetachNetworkInterface":            server.Operation(s.DetachNetworkInterface),
		"AssignIpv6Addresses":               server.Operation(s.AssignIpv6Addresses),
		"UnassignIpv6Addresses":             server.Operation(s.UnassignIpv6Addresses),
		"AssignPrivateIpAddresses":          server.Operation(s.AssignPrivateIpAddresses),
		"UnassignPrivateIpAddresses":        server.Operation(s.UnassignPrivateIpAddresses),
		"DeleteNetworkInterface":            server.Operation(s.DeleteNetworkInterface),
	}
}

// What network interfaces are for: nobody's own, or a NAT gateway's.
const (
	interfaceType    = "interface"
	natInterfaceType = "nat_gateway"
)

// networkInterfaceFields are also the filters "network-interface.…" of instances.
func (s *Service) networkInterfaceFields() fields[resource.NetworkInterface] {
	type nic = resource.NetworkInterface
	publicIP := func(a *resource.Address) string { return a.PublicIP.String() }
	groupNames := func(r reader, v *nic) []string {
		return mapped(groupIdentifiers(r, v.Groups), func(g *model.GroupIdentifier) string { return val(g.GroupName) })
	}
	return fields[nic]{
		"addresses.association.owner-id":  associations(addressOwner),
		"addresses.association.public-ip": associations(publicIP),
		"association.allocation-id":       association(allocationOf),
		"association.association-id":      association(associationOf),
		"association.ip-owner-id":         association(addressOwner),
		"association.public-ip":           association(publicIP),
		"association.public-dns-name": func(r reader, v *nic) []string {
			a, _ := r.public(v.ID, v.Address)
			return one(publicName(r, v.VPC, a.PublicIP))
		},

		"addresses.primary": func(_ reader, v *nic) []string {
			return mapped(v.PrivateAddresses(), func(a *netip.Addr) string { return strconv.FormatBool(*a == v.Address) })
		},
		"addresses.private-ip-address": func(_ reader, v *nic) []string { return mapped(v.PrivateAddresses(), (*netip.Addr).String) },
		"attachment.attach-time":       attached(func(a *model.NetworkInterfaceAttachment) []string { return one(timeText(*a.AttachTime)) }),
		attachmentIDFilter: func(r reader, v *nic) []string {
			if a := endedAttachment(r, v); a != nil {
				return one(*a.AttachmentId)
			}
			return one(v.AttachmentID)
		},
		"attachment.delete-on-termination": attached(func(a *model.NetworkInterfaceAttachment) []string { return truth(*a.DeleteOnTermination) }),
		"attachment.device-index":          attached(func(a *model.NetworkInterfaceAttachment) []string { return one(strconv.Itoa(int(*a.DeviceIndex))) }),
		"attachment.instance-id":           attached(func(a *model.NetworkInterfaceAttachment) []string { return one(val(a.InstanceId)) }),
		"attachment.instance-owner-id":     attached(func(a *model.NetworkInterfaceAttachment) []string { return one(*a.InstanceOwnerId) }),
		"attachment.status":                attached(func(a *model.NetworkInterfaceAttachment) []string { return one(*a.Status) }),
		"availability-zone":                func(_ reader, v *nic) []string { return one(v.Zone) },
		"availability-zone-id":             func(_ reader, v *nic) []string { return one(s.zoneIDOf(v.Region, v.Zone)) },
		"description":                      func(_ reader, v *nic) []string { return one(v.Description) },
		"group-id":                         func(_ reader, v *nic) []string { return v.Groups },
		"group-name":                       groupNames,
		"interface-type":                   func(_ reader, v *nic) []string { return one(typeOf(v)) },
		"ipv6-addresses.ipv6-address":      func(_ reader, v *nic) []string { return mapped(v.IPv6, (*netip.Addr).String) },
		"mac-address":                      func(_ reader, v *nic) []string { return one(v.MAC) },
		"network-interface-id":             func(_ reader, v *nic) []string { return one(v.ID) },
		"owner-id":                         func(_ reader, v *nic) []string { return one(v.Account) },
		"private-dns-name":                 func(r reader, v *nic) []string { return one(interfaceName(r, v.VPC, v.Address)) },
		"private-ip-address":               func(_ reader, v *nic) []string { return one(val(addressText(v.Address))) },
		"requester-managed":                func(_ reader, v *nic) []string { return truth(v.NATGateway != "") },
		"source-dest-check":                func(_ reader, v *nic) []string { return truth(v.SourceDestCheck) },
		"status":                           func(_ reader, v *nic) []string { return one(v.Status) },
		"subnet-id":                        func(_ reader, v *nic) []string { return one(v.Subnet) },
		"vpc-id":                           func(_ reader, v *nic) []string { return one(v.VPC) },
	}
}

// association is about the outside address of an interface's primary private one.
func association(f func(a *resource.Address) string) func(reader, *resource.NetworkInterface) []string {
	return func(r reader, v *resource.NetworkInterface) []string {
		if a, ok := r.public(v.ID, v.Address); ok {
			return one(f(&a))
		}
		return nil
	}
}

// associations is about the outside addresses of all of an interface's private ones.
func associations(f func(a *resource.Address) string) func(reader, *resource.NetworkInterface) []string {
	return func(r reader, v *resource.NetworkInterface) []string {
		var found []string
		for _, private := range v.PrivateAddresses() {
			if a, ok := r.public(v.ID, private); ok {
				found = append(found, f(&a))
			}
		}
		return found
	}
}

// attached is about what an interface is attached to.
func attached(f func(a *model.NetworkInterfaceAttachment) []string) func(reader, *resource.NetworkInterface) []string {
	return func(r reader, v *resource.NetworkInterface) []string {
		if a := attachmentAnswer(r, v); a != nil {
			return f(a)
		}
		return nil
	}
}

func associationOf(a *resource.Address) string { return a.Association }

// instanceInterfaceFields are those that only instances have of their interfaces.
var instanceInterfaceFields = fields[resource.NetworkInterface]{
	"addresses.association.allocation-id":  associations(allocationOf),
	"addresses.association.association-id": associations(associationOf),
	"addresses.association.ip-owner-id":    associations(addressOwner),
	"addresses.association.public-dns-name": func(r reader, v *resource.NetworkInterface) []string {
		return associations(func(a *resource.Address) string { return publicName(r, v.VPC, a.PublicIP) })(r, v)
	},
	"addresses.private-dns-name": func(r reader, v *resource.NetworkInterface) []string {
		return mapped(v.PrivateAddresses(), func(a *netip.Addr) string { return interfaceName(r, v.VPC, *a) })
	},
	"ipv6-address": func(_ reader, v *resource.NetworkInterface) []string { return mapped(v.IPv6, (*netip.Addr).String) },
	"ipv6-addresses.is-primary-ipv6": func(_ reader, v *resource.NetworkInterface) []string {
		return mapped(v.IPv6, func(a *netip.Addr) string { return strconv.FormatBool(*a == v.PrimaryIPv6) })
	},
	"ipv6-native": func(_ reader, v *resource.NetworkInterface) []string { return truth(!v.Address.IsValid()) },
	"tag-key":     tagKeys[resource.NetworkInterface],
	"tag-value": func(_ reader, v *resource.NetworkInterface) []string {
		return mapped(v.Tags, func(tag *resource.Tag) string { return tag.Value })
	},
	"attachment.network-card-index": attached(func(*model.NetworkInterfaceAttachment) []string { return one("0") }),
}

// DescribeNetworkInterfaces lists network interfaces.
func (s *Service) DescribeNetworkInterfaces(_ context.Context, c server.Caller, in *model.DescribeNetworkInterfacesInput) (*model.DescribeNetworkInterfacesOutput, error) {
	r := s.read(c)
	found, next, err := describe(r, networkInterfaces, s.networkInterfaceFields(), query{"DescribeNetworkInterfaces", in.DryRun, in.NetworkInterfaceIds, in.Filters, in.MaxResults, in.NextToken})
	if err != nil {
		return nil, err
	}
	byAttachment := slices.ContainsFunc(in.Filters, func(f model.Filter) bool { return val(f.Name) == attachmentIDFilter })
	answer := func(v *resource.NetworkInterface) *model.NetworkInterface {
		shown := s.networkInterfaceAnswer(r, v)
		if shown.Attachment == nil && byAttachment {
			shown.Attachment = endedAttachment(r, v)
		}
		return shown
	}
	return &model.DescribeNetworkInterfacesOutput{NetworkInterfaces: answers(found, answer), NextToken: next}, nil
}

// attachmentIDFilter asks for what an attachment is of. The answer shows one that
// has just ended as detached: Terraform waits until it sees that, and takes nothing
// at all for a failure after some minutes.
const attachmentIDFilter = "attachment.attachment-id"

func (s *Service) networkInterfaceAnswer(r reader, v *resource.NetworkInterface) *model.NetworkInterface {
	private := mapped(v.PrivateAddresses(), func(a *netip.Addr) model.NetworkInterfacePrivateIpAddress {
		shown := model.NetworkInterfacePrivateIpAddress{
			Primary: new(*a == v.Address), PrivateDnsName: str(interfaceName(r, v.VPC, *a)), PrivateIpAddress: addressText(*a),
		}
		if public, ok := r.public(v.ID, *a); ok {
			shown.Association = &model.NetworkInterfaceAssociation{
				AllocationId: str(allocationOf(&public)), AssociationId: str(public.Association), IpOwnerId: str(addressOwner(&public)), PublicIp: addressText(public.PublicIP),
				PublicDnsName: str(publicName(r, v.VPC, public.PublicIP)),
			}
		}
		return shown
	})
	var primary model.NetworkInterfacePrivateIpAddress
	if len(private) > 0 {
		primary = private[0]
	}
	return &model.NetworkInterface{
		Association:        primary.Association,
		Attachment:         attachmentAnswer(r, v),
		AvailabilityZone:   &v.Zone,
		AvailabilityZoneId: str(s.zoneIDOf(v.Region, v.Zone)),
		Description:        &v.Description,
		Groups:             groupIdentifiers(r, v.Groups),
		InterfaceType:      new(typeOf(v)),
		Ipv6Address:        addressText(v.FirstIPv6()),
		Ipv6Addresses: mapped(v.IPv6, func(a *netip.Addr) model.NetworkInterfaceIpv6Address {
			return model.NetworkInterfaceIpv6Address{Ipv6Address: addressText(*a), IsPrimaryIpv6: new(*a == v.PrimaryIPv6)}
		}),
		MacAddress:         &v.MAC,
		NetworkInterfaceId: &v.ID,
		OwnerId:            &v.Account,
		PrivateDnsName:     primary.PrivateDnsName,
		PrivateIpAddress:   primary.PrivateIpAddress,
		PrivateIpAddresses: private,
		RequesterManaged:   new(v.NATGateway != ""),
		SourceDestCheck:    &v.SourceDestCheck,
		Status:             &v.Status,
		SubnetId:           &v.Subnet,
		TagSet:             tagSet(v.Tags),
		VpcId:              &v.VPC,
	}
}

// allocationOf is the id of an address that somebody has allocated.
func allocationOf(a *resource.Address) string {
	if a.Auto {
		return ""
	}
	return a.ID
}

// typeOf is what an interface is for.
func typeOf(v *resource.NetworkInterface) string {
	if v.NATGateway != "" {
		return natInterfaceType
	}
	return interfaceType
}

// DescribeNetworkInterfaceAttribute tells one attribute of a network interface.
func (s *Service) DescribeNetworkInterfaceAttribute(_ context.Context, c server.Caller, in *model.DescribeNetworkInterfaceAttributeInput) (*model.DescribeNetworkInterfaceAttributeOutput, error) {
	r := s.read(c)
	v, err := networkInterfaces.get(r, val(in.NetworkInterfaceId))
	if err != nil {
		return nil, err
	}
	if err := checkDryRun(in.DryRun); err != nil {
		return nil, err
	}
	out := &model.DescribeNetworkInterfaceAttributeOutput{NetworkInterfaceId: &v.ID}
	switch val(in.Attribute) {
	case model.NetworkInterfaceAttributeAttachment:
		out.Attachment = attachmentAnswer(r, &v)
	case model.NetworkInterfaceAttributeAssociatePublicIpAddress:
		out.AssociatePublicIpAddress = &v.AutoPublicIP
	case model.NetworkInterfaceAttributeDescription:
		out.Description = &model.AttributeValue{Value: &v.Description}
	case model.NetworkInterfaceAttributeGroupSet:
		out.Groups = groupIdentifiers(r, v.Groups)
	case model.NetworkInterfaceAttributeSourceDestCheck:
		out.SourceDestCheck = &model.AttributeBooleanValue{Value: &v.SourceDestCheck}
	case "":
		return nil, resource.Missing("Attribute")
	default:
		return nil, resource.Unsupported("The network interface attribute " + *in.Attribute)
	}
	return out, nil
}

// ModifyNetworkInterfaceAttribute sets one attribute of a network interface.
func (s *Service) ModifyNetworkInterfaceAttribute(ctx context.Context, c server.Caller, in *model.ModifyNetworkInterfaceAttributeInput) (*model.ModifyNetworkInterfaceAttributeOutput, error) {
	attachment := val(in.Attachment)
	if err := refuseUnbuilt(
		member{"AssociatedSubnetId", in.AssociatedSubnetIds != nil},
		member{"Attachment.EnaQueueCount", attachment.EnaQueueCount != nil || attachment.DefaultEnaQueueCount != nil},
		member{"ConnectionTrackingSpecification", in.ConnectionTrackingSpecification != nil},
		member{"EnaSrdSpecification", in.EnaSrdSpecification != nil},
	); err != nil {
		return nil, err
	}
	if err := oneAttribute(in.SourceDestCheck != nil, in.Groups != nil, in.Description != nil, in.Attachment != nil, in.AssociatePublicIpAddress != nil, in.EnablePrimaryIpv6 != nil); err != nil {
		return nil, err
	}
	id := val(in.NetworkInterfaceId)
	return nil, s.update(ctx, c, in.DryRun, func(w writer) error {
		switch {
		case in.Attachment != nil:
			return modifyAttachment(w, id, in.Attachment)
		case in.AssociatePublicIpAddress != nil:
			return s.modifyAutoAddress(w, id, *in.AssociatePublicIpAddress)
		}
		return s.modifyInterface(w, id, in.SourceDestCheck, in.Groups, in.Description, in.EnablePrimaryIpv6)
	})
}

// modifyAttachment says whether an interface goes with its instance.
func modifyAttachment(w writer, id string, changes *model.NetworkInterfaceAttachmentChanges) error {
	v, err := networkInterfaces.get(w.reader, id)
	if err != nil {
		return err
	}
	if err := checkManaged(w.reader, v.ID); err != nil {
		return err
	}
	if changes.DeleteOnTermination == nil {
		return resource.Missing("Attachment.DeleteOnTermination")
	}
	if _, err := attachedInterface(w.reader, val(changes.AttachmentId)); err != nil {
		return err
	}
	if v.AttachmentID != *changes.AttachmentId || v.Instance == "" {
		return resource.InvalidValue("attachmentId", *changes.AttachmentId, "It is not "+v.ID+"'s attachment to an instance.")
	}
	v.DeleteOnTermination = *changes.DeleteOnTermination
	networkInterfaces.put(w, v)
	return nil
}

// modifyAutoAddress gives an instance's primary interface an outside address of its
// own while it has no other, or takes it away.
func (s *Service) modifyAutoAddress(w writer, id string, wanted bool) error {
	v, err := networkInterfaces.get(w.reader, id)
	if err != nil {
		return err
	}
	if err := checkManaged(w.reader, v.ID); err != nil {
		return err
	}
	if wanted && (v.Instance == "" || v.DeviceIndex != 0) {
		return resource.Errorf(resource.CodeInvalidParameterCombination, "Only the primary network interface of an instance can have a public IP address of its own; %s is none", v.ID)
	}
	if wanted && !v.Address.IsValid() {
		return noIPv4(v.ID)
	}
	_, has := w.public(v.ID, v.Address)
	if wanted && !v.AutoPublicIP && !has {
		found, err := s.takeElastic(w.reader, 1)
		if err != nil {
			return err
		}
		s.giveAutoAddress(w, &v, found[0])
	}
	if !wanted {
		freeAutoAddress(w, v.ID)
	}
	v.AutoPublicIP = wanted
	networkInterfaces.put(w, v)
	return nil
}

// ResetNetworkInterfaceAttribute sets an attribute to what it is of a new interface:
// the only one is whether sources and destinations are checked.
func (s *Service) ResetNetworkInterfaceAttribute(ctx context.Context, c server.Caller, in *model.ResetNetworkInterfaceAttributeInput) (*model.ResetNetworkInterfaceAttributeOutput, error) {
	if in.SourceDestCheck == nil {
		return nil, resource.Missing("SourceDestCheck")
	}
	return nil, s.update(ctx, c, in.DryRun, func(w writer) error {
		return s.modifyInterface(w, val(in.NetworkInterfaceId), &model.AttributeBooleanValue{Value: new(true)}, nil, nil, nil)
	})
}

// modifyInterface sets what is given of a network interface.
func (s *Service) modifyInterface(w writer, id string, sourceDestCheck *model.AttributeBooleanValue, groups []string, description *model.AttributeValue, primaryIPv6 *bool) error {
	v, err := networkInterfaces.get(w.reader, id)
	if err != nil {
		return err
	}
	if err := checkManaged(w.reader, v.ID); err != nil {
		return err
	}
	assign(&v.SourceDestCheck, sourceDestCheck)
	if len(groups) > 0 {
		if v.Groups, err = s.interfaceGroups(w.reader, v.VPC, slices.Compact(slices.Sorted(slices.Values(groups)))); err != nil {
			return err
		}
	}
	if description != nil {
		if err := setDescription(&v, val(description.Value)); err != nil {
			return err
		}
	}
	if primaryIPv6 != nil {
		if err := enablePrimaryIPv6(&v, *primaryIPv6); err != nil {
			return err
		}
	}
	networkInterfaces.put(w, v)
	return nil
}

// interfaceDescriptionMax is AWS's bound, in bytes.
const interfaceDescriptionMax = 255

func setDescription(nic *resource.NetworkInterface, description string) error {
	if len(description) > interfaceDescriptionMax {
		return resource.InvalidValue("description", description, "A description has at most "+strconv.Itoa(interfaceDescriptionMax)+" bytes.")
	}
	nic.Description = description
	return nil
}

// DeleteNetworkInterface removes an interface that is attached to nothing.
func (s *Service) DeleteNetworkInterface(ctx context.Context, c server.Caller, in *model.DeleteNetworkInterfaceInput) (*model.DeleteNetworkInterfaceOutput, error) {
	return nil, s.update(ctx, c, in.DryRun, func(w writer) error {
		v, err := networkInterfaces.get(w.reader, val(in.NetworkInterfaceId))
		if err != nil {
			return err
		}
		if v.AttachmentID != "" {
			return resource.Errorf(resource.CodeInvalidParameterValue, "Network interface '%s' is currently in use: it is attached by %s", v.ID, v.AttachmentID)
		}
		freeAddressesOf(w, v.ID)
		networkInterfaces.delete(w, v.ID)
		return nil
	})
}
