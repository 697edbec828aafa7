package ec2

import (
	"context"
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
	address := func(_ reader, v *nic) []string { return one(v.Address.String()) }
	association := func(f func(a *resource.Address) string) func(reader, *nic) []string {
		return func(r reader, v *nic) []string {
			if a, ok := r.public(v.ID); ok {
				return one(f(&a))
			}
			return nil
		}
	}
	publicIP := association(func(a *resource.Address) string { return a.PublicIP.String() })
	allocation := association(allocationOf)
	publicDNS := func(r reader, v *nic) []string {
		a, _ := r.public(v.ID)
		return one(publicName(r, v.VPC, a.PublicIP))
	}
	associationID := association(func(a *resource.Address) string { return a.Association })
	owner := association(addressOwner)
	groupNames := func(r reader, v *nic) []string {
		return mapped(groupIdentifiers(r, v.Groups), func(g *model.GroupIdentifier) string { return val(g.GroupName) })
	}
	attached := func(f func(v *nic) []string) func(reader, *nic) []string {
		return func(_ reader, v *nic) []string {
			if v.AttachmentID == "" {
				return nil
			}
			return f(v)
		}
	}
	return fields[nic]{
		"addresses.association.owner-id":  owner,
		"addresses.association.public-ip": publicIP,
		"association.allocation-id":       allocation,
		"association.association-id":      associationID,
		"association.ip-owner-id":         owner,
		"association.public-ip":           publicIP,
		"association.public-dns-name":     publicDNS,

		"addresses.primary":                func(reader, *nic) []string { return truth(true) },
		"addresses.private-ip-address":     address,
		"attachment.attach-time":           attached(func(v *nic) []string { return one(timeText(v.Created)) }),
		"attachment.attachment-id":         attached(func(v *nic) []string { return one(v.AttachmentID) }),
		"attachment.delete-on-termination": attached(func(v *nic) []string { return truth(v.DeleteOnTermination) }),
		"attachment.device-index":          attached(func(v *nic) []string { return one(strconv.Itoa(int(*attachmentAnswer(v).DeviceIndex))) }),
		"attachment.instance-id":           attached(func(v *nic) []string { return one(v.Instance) }),
		"attachment.instance-owner-id":     attached(func(v *nic) []string { return one(*attachmentAnswer(v).InstanceOwnerId) }),
		"attachment.status":                attached(func(*nic) []string { return one(model.AttachmentStatusAttached) }),
		"availability-zone":                func(_ reader, v *nic) []string { return one(v.Zone) },
		"availability-zone-id":             func(_ reader, v *nic) []string { return one(s.zoneIDOf(v.Region, v.Zone)) },
		"description":                      func(_ reader, v *nic) []string { return one(v.Description) },
		"group-id":                         func(_ reader, v *nic) []string { return v.Groups },
		"group-name":                       groupNames,
		"interface-type":                   func(_ reader, v *nic) []string { return one(typeOf(v)) },
		"mac-address":                      func(_ reader, v *nic) []string { return one(v.MAC) },
		"network-interface-id":             func(_ reader, v *nic) []string { return one(v.ID) },
		"owner-id":                         func(_ reader, v *nic) []string { return one(v.Account) },
		"private-dns-name":                 func(r reader, v *nic) []string { return one(interfaceName(r, v.VPC, v.Address)) },
		"private-ip-address":               address,
		"requester-managed":                func(_ reader, v *nic) []string { return truth(v.NATGateway != "") },
		"source-dest-check":                func(_ reader, v *nic) []string { return truth(v.SourceDestCheck) },
		"status":                           func(_ reader, v *nic) []string { return one(v.Status) },
		"subnet-id":                        func(_ reader, v *nic) []string { return one(v.Subnet) },
		"vpc-id":                           func(_ reader, v *nic) []string { return one(v.VPC) },
	}
}

// DescribeNetworkInterfaces lists network interfaces.
func (s *Service) DescribeNetworkInterfaces(_ context.Context, c server.Caller, in *model.DescribeNetworkInterfacesInput) (*model.DescribeNetworkInterfacesOutput, error) {
	r := s.read(c)
	found, next, err := describe(r, networkInterfaces, s.networkInterfaceFields(), query{"DescribeNetworkInterfaces", in.DryRun, in.NetworkInterfaceIds, in.Filters, in.MaxResults, in.NextToken})
	if err != nil {
		return nil, err
	}
	answer := func(v *resource.NetworkInterface) *model.NetworkInterface { return s.networkInterfaceAnswer(r, v) }
	return &model.DescribeNetworkInterfacesOutput{NetworkInterfaces: answers(found, answer), NextToken: next}, nil
}

func (s *Service) networkInterfaceAnswer(r reader, v *resource.NetworkInterface) *model.NetworkInterface {
	name := str(interfaceName(r, v.VPC, v.Address))
	var association *model.NetworkInterfaceAssociation
	if a, ok := r.public(v.ID); ok {
		association = &model.NetworkInterfaceAssociation{
			AllocationId: str(allocationOf(&a)), AssociationId: str(a.Association), IpOwnerId: str(addressOwner(&a)), PublicIp: addressText(a.PublicIP),
			PublicDnsName: str(publicName(r, v.VPC, a.PublicIP)),
		}
	}
	return &model.NetworkInterface{
		Association:        association,
		Attachment:         attachmentAnswer(v),
		AvailabilityZone:   &v.Zone,
		AvailabilityZoneId: str(s.zoneIDOf(v.Region, v.Zone)),
		Description:        &v.Description,
		Groups:             groupIdentifiers(r, v.Groups),
		InterfaceType:      new(typeOf(v)),
		MacAddress:         &v.MAC,
		NetworkInterfaceId: &v.ID,
		OwnerId:            &v.Account,
		PrivateDnsName:     name,
		PrivateIpAddress:   addressText(v.Address),
		PrivateIpAddresses: []model.NetworkInterfacePrivateIpAddress{{Association: association, Primary: new(true), PrivateDnsName: name, PrivateIpAddress: addressText(v.Address)}},
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

func attachmentAnswer(v *resource.NetworkInterface) *model.NetworkInterfaceAttachment {
	if v.NATGateway != "" {
		return &model.NetworkInterfaceAttachment{
			AttachTime: timestamp(v.Created), AttachmentId: &v.AttachmentID, DeleteOnTermination: new(false), DeviceIndex: new(int32(1)),
			InstanceOwnerId: new("amazon-aws"), NetworkCardIndex: new(int32(0)), Status: new(model.AttachmentStatusAttached),
		}
	}
	if v.Instance == "" {
		return nil
	}
	return &model.NetworkInterfaceAttachment{
		AttachTime: timestamp(v.Created), AttachmentId: &v.AttachmentID, DeleteOnTermination: &v.DeleteOnTermination,
		DeviceIndex: &v.DeviceIndex, InstanceId: &v.Instance, InstanceOwnerId: &v.Account, NetworkCardIndex: new(int32(0)),
		Status: new(model.AttachmentStatusAttached),
	}
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
		out.Attachment = attachmentAnswer(&v)
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
	if err := refuseUnbuilt(
		member{"AssociatePublicIpAddress", val(in.AssociatePublicIpAddress)},
		member{"AssociatedSubnetId", in.AssociatedSubnetIds != nil},
		member{"Attachment", in.Attachment != nil},
		member{"ConnectionTrackingSpecification", in.ConnectionTrackingSpecification != nil},
		member{"EnaSrdSpecification", in.EnaSrdSpecification != nil},
		member{"EnablePrimaryIpv6", val(in.EnablePrimaryIpv6)},
	); err != nil {
		return nil, err
	}
	if err := oneAttribute(in.SourceDestCheck != nil, in.Groups != nil, in.Description != nil, in.AssociatePublicIpAddress != nil, in.EnablePrimaryIpv6 != nil); err != nil {
		return nil, err
	}
	return nil, s.update(ctx, c, in.DryRun, func(w writer) error {
		return s.modifyInterface(w, val(in.NetworkInterfaceId), in.SourceDestCheck, in.Groups, in.Description)
	})
}

// modifyInterface sets what is given of a network interface.
func (s *Service) modifyInterface(w writer, id string, sourceDestCheck *model.AttributeBooleanValue, groups []string, description *model.AttributeValue) error {
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

// DeleteNetworkInterface removes an interface that has outlived its instance.
func (s *Service) DeleteNetworkInterface(ctx context.Context, c server.Caller, in *model.DeleteNetworkInterfaceInput) (*model.DeleteNetworkInterfaceOutput, error) {
	return nil, s.update(ctx, c, in.DryRun, func(w writer) error {
		v, err := networkInterfaces.get(w.reader, val(in.NetworkInterfaceId))
		if err != nil {
			return err
		}
		if user := v.Instance + v.NATGateway; user != "" {
			return resource.Errorf(resource.CodeInvalidParameterValue, "Network interface '%s' is currently in use: it is attached to %s", v.ID, user)
		}
		freeAddressesOf(w, v.ID)
		networkInterfaces.delete(w, v.ID)
		return nil
	})
}
