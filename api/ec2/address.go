package ec2

import (
	"cmp"
	"context"
	"net/netip"
	"slices"

	model "causeway.dev/api/model/ec2"
	"causeway.dev/api/server"
	"causeway.dev/resource"
	"causeway.dev/store"
)

func (s *Service) addressActions() actions {
	return actions{
		"AllocateAddress":            server.Operation(s.AllocateAddress),
		"AssociateAddress":           server.Operation(s.AssociateAddress),
		"DisassociateAddress":        server.Operation(s.DisassociateAddress),
		"ReleaseAddress":             server.Operation(s.ReleaseAddress),
		"DescribeAddresses":          server.Operation(s.DescribeAddresses),
		"DescribeAddressesAttribute": server.Operation(s.DescribeAddressesAttribute),
		"ModifyAddressAttribute":     server.Operation(s.ModifyAddressAttribute),
		"ResetAddressAttribute":      server.Operation(s.ResetAddressAttribute),
	}
}

const (
	// addressAssociationPrefix begins the ids of what ties an address to a
	// network interface.
	addressAssociationPrefix = "eipassoc"

	codeAddressNotFound     resource.Code = "InvalidAddress.NotFound"
	codeAddressInUse        resource.Code = "InvalidIPAddress.InUse"
	codeAddressLimit        resource.Code = "AddressLimitExceeded"
	codeAssociationNotFound resource.Code = "InvalidAssociationID.NotFound"
	codeAuthFailure         resource.Code = "AuthFailure"

	// addressPool is the name of the only pool.
	addressPool = "amazon"
)

// AllocateAddress gives the account an elastic address: any, or the one that it
// asks for, as one that it has released before.
func (s *Service) AllocateAddress(ctx context.Context, c server.Caller, in *model.AllocateAddressInput) (*model.AllocateAddressOutput, error) {
	if err := refuseUnbuilt(
		member{"Domain standard", val(in.Domain) == model.DomainTypeStandard},
		member{"CustomerOwnedIpv4Pool", in.CustomerOwnedIpv4Pool != nil},
		member{"IpamPoolId", in.IpamPoolId != nil},
	); err != nil {
		return nil, err
	}
	if pool := val(in.PublicIpv4Pool); pool != "" && pool != addressPool {
		return nil, noSuch(codePublicPoolNotFound, "public IPv4 pool")(pool)
	}
	if err := checkBorderGroup(c, in.NetworkBorderGroup); err != nil {
		return nil, err
	}
	tags, err := tagsFor(in.TagSpecifications, addresses.kind)
	if err != nil {
		return nil, err
	}
	var wanted netip.Addr
	if in.Address != nil {
		if wanted, err = resource.ParseIPv4Address("Address", *in.Address); err != nil {
			return nil, err
		}
	}
	var out model.AllocateAddressOutput
	err = s.update(ctx, c, in.DryRun, func(w writer) error {
		if addresses.count(w.reader, func(v *resource.Address) bool { return !v.Auto }) >= w.limits.ElasticAddresses {
			return resource.Errorf(codeAddressLimit, "The maximum number of addresses has been reached: %d", w.limits.ElasticAddresses)
		}
		public, err := s.chooseElastic(w.reader, wanted)
		if err != nil {
			return err
		}
		v := resource.Address{Meta: w.newMeta(s.newID(addresses.prefix), tags[addresses.kind]), PublicIP: public}
		addresses.put(w, v)
		out = model.AllocateAddressOutput{
			AllocationId: &v.ID, Domain: new(model.DomainTypeVpc), NetworkBorderGroup: &v.Region, PublicIp: addressText(v.PublicIP), PublicIpv4Pool: new(addressPool),
		}
		return nil
	})
	return &out, err
}

func checkBorderGroup(c server.Caller, group *string) error {
	if val(group) != "" && *group != c.Region {
		return resource.InvalidValue("NetworkBorderGroup", *group, "The only one is "+c.Region+".")
	}
	return nil
}

func (s *Service) chooseElastic(r reader, wanted netip.Addr) (netip.Addr, error) {
	if !wanted.IsValid() {
		found, err := s.takeElastic(r, 1)
		if err != nil {
			return wanted, err
		}
		return found[0], nil
	}
	ours := slices.ContainsFunc(s.config.ElasticAddresses, func(p netip.Prefix) bool { return p.Contains(wanted) && !isNetworks(p, wanted) })
	if !ours {
		return wanted, resource.Errorf(codeAddressNotFound, "Address '%s' is not in the ranges that there are here", wanted)
	}
	if usedAddresses(r)[wanted] {
		return wanted, resource.Errorf("InvalidAddress.Unavailable", "Address '%s' belongs to somebody", wanted)
	}
	return wanted, nil
}

// addressBy finds the address that a request names by the id of its allocation or
// by itself.
func addressBy(r reader, allocation, public *string) (resource.Address, error) {
	var none resource.Address
	switch {
	case val(allocation) != "" && val(public) != "":
		return none, resource.Errorf(resource.CodeInvalidParameterCombination, "Give AllocationId or PublicIp, not both")
	case val(allocation) != "":
		return addresses.get(r, *allocation)
	case val(public) == "":
		return none, resource.Missing("AllocationId")
	}
	wanted, err := resource.ParseIPv4Address("PublicIp", *public)
	if err != nil {
		return none, err
	}
	for v := range store.Addresses.All(r.Reader) {
		switch {
		case v.PublicIP != wanted:
		case v.Account != r.scope.Account || v.Region != r.scope.Region || v.Auto:
			return none, resource.Errorf(codeAuthFailure, "The address '%s' does not belong to you.", wanted)
		default:
			return v, nil
		}
	}
	return none, addressNotFound(wanted)
}

func addressNotFound(a netip.Addr) error {
	return resource.Errorf(codeAddressNotFound, "Address '%s' not found.", a)
}

// AssociateAddress lets an address stand for a private one of an interface. What
// it stood for before it stands for no more, unless the caller forbids that; and
// another address that stood for the private one is only kept from then on.
func (s *Service) AssociateAddress(ctx context.Context, c server.Caller, in *model.AssociateAddressInput) (*model.AssociateAddressOutput, error) {
	var private netip.Addr
	if in.PrivateIpAddress != nil {
		var err error
		if private, err = resource.ParseIPv4Address("PrivateIpAddress", *in.PrivateIpAddress); err != nil {
			return nil, err
		}
	}
	var out model.AssociateAddressOutput
	err := s.update(ctx, c, in.DryRun, func(w writer) error {
		v, err := addressBy(w.reader, in.AllocationId, in.PublicIp)
		if err != nil {
			return err
		}
		nic, err := addressTarget(w.reader, val(in.InstanceId), val(in.NetworkInterfaceId))
		if err != nil {
			return err
		}
		if !nic.Address.IsValid() {
			return noIPv4(nic.ID)
		}
		private := private
		if !private.IsValid() {
			private = nic.Address
		}
		if !nic.HasPrivateAddress(private) {
			return resource.InvalidValue("PrivateIpAddress", private.String(), "It is not an address of "+nic.ID+", whose primary one is "+nic.Address.String()+".")
		}
		if internetGatewayOf(w.of(&nic), nic.VPC) == "" {
			return notAttached(nic.VPC)
		}
		if v.NetworkInterface == nic.ID && v.PrivateAddress == private {
			out.AssociationId = &v.Association
			return nil
		}
		if v.NetworkInterface != "" {
			if in.AllowReassociation != nil && !*in.AllowReassociation {
				return alreadyAssociated(&v)
			}
			if err := checkManaged(w.reader, v.NetworkInterface); err != nil {
				return err
			}
			if err := s.unmap(w, &v); err != nil {
				return err
			}
		}
		freeAddresses(w, nic.ID, func(other *resource.Address) bool { return other.PrivateAddress == private })
		if nic.Account != v.Account {
			v.InterfaceOwner = nic.Account
		}
		out.AssociationId = new(s.mapAddress(w, &v, nic.ID, private))
		return nil
	})
	return &out, err
}

// mapAddress lets an address stand for a private one of an interface, and returns the
// id of what ties it to that.
func (s *Service) mapAddress(w writer, v *resource.Address, nic string, private netip.Addr) (association string) {
	v.Association, v.NetworkInterface, v.PrivateAddress = s.newID(addressAssociationPrefix), nic, private
	addresses.put(w, *v)
	return v.Association
}

func alreadyAssociated(v *resource.Address) *resource.Error {
	return resource.Errorf(resource.CodeResourceAlreadyAssociated, "resource %s is already associated with associate-id %s", v.ID, v.Association)
}

// addressTarget finds the interface that an address shall stand for.
func addressTarget(r reader, instance, nic string) (resource.NetworkInterface, error) {
	var none resource.NetworkInterface
	switch {
	case instance != "" && nic != "":
		return none, resource.Errorf(resource.CodeInvalidParameterCombination, "You may specify either an InstanceId or a NetworkInterfaceId, not both")
	case instance == "" && nic == "":
		return none, resource.Errorf(resource.CodeMissingParameter, "Either InstanceId or NetworkInterfaceId must be specified")
	case nic != "":
		v, err := r.usable(nic, resource.PermitAssociate)
		if err == nil {
			err = checkManaged(r, v.ID)
		}
		return v, err
	}
	v, err := instances.get(r, instance)
	if err != nil {
		return none, err
	}
	if v.Wanted == resource.InstanceTerminated || len(v.Interfaces) == 0 {
		return none, resource.Errorf(codeIncorrectInstanceState, "The instance '%s' is not in a valid state for this operation: it has no network interface any more", v.ID)
	}
	return networkInterfaces.get(r, v.Interfaces[0])
}

// checkManaged refuses to change the interface of a NAT gateway other than with
// the gateway.
func checkManaged(r reader, nic string) error {
	if v, ok := networkInterfaces.table.Get(r.Reader, r.scope, nic); ok && v.NATGateway != "" {
		return resource.Errorf(resource.CodeOperationNotPermitted, "The network interface %s and its addresses are managed by %s", v.ID, v.NATGateway)
	}
	return nil
}

// unmap takes from an address what it stands for. An interface that came with an
// address of its own gets one again, if one is free and its instance is not stopped.
func (s *Service) unmap(w writer, v *resource.Address) error {
	nic, ok := networkInterfaces.table.Get(w.Reader, store.AddressedScope(v), v.NetworkInterface)
	primary := v.PrivateAddress == nic.Address
	v.Free()
	addresses.put(w, *v)
	if !ok || !nic.AutoPublicIP || !primary {
		return nil
	}
	if host, ok := instances.table.Get(w.Reader, store.InstanceScope(&nic), nic.Instance); !ok || host.Wanted != resource.InstanceRunning {
		return nil
	}
	if found, err := s.takeElastic(w.reader, 1); err == nil {
		s.giveAutoAddress(w, &nic, found[0])
	}
	return nil
}

// DisassociateAddress lets an address stand for nobody. The account keeps it.
func (s *Service) DisassociateAddress(ctx context.Context, c server.Caller, in *model.DisassociateAddressInput) (*model.DisassociateAddressOutput, error) {
	return nil, s.update(ctx, c, in.DryRun, func(w writer) error {
		v, err := associatedAddress(w.reader, in.AssociationId, in.PublicIp)
		if err != nil {
			return err
		}
		if err := checkManaged(w.reader, v.NetworkInterface); err != nil {
			return err
		}
		return s.unmap(w, &v)
	})
}

// associatedAddress finds an address by its association or by itself.
func associatedAddress(r reader, association, public *string) (resource.Address, error) {
	switch {
	case val(association) != "" && val(public) != "":
		return resource.Address{}, resource.Errorf(resource.CodeInvalidParameterCombination, "Give AssociationId or PublicIp, not both")
	case val(association) == "" && val(public) == "":
		return resource.Address{}, resource.Missing("AssociationId")
	case val(public) != "":
		v, err := addressBy(r, nil, public)
		if err == nil && v.Association == "" {
			err = resource.Errorf(codeAssociationNotFound, "The address '%s' is not associated with anything", v.PublicIP)
		}
		return v, err
	}
	for v := range addresses.list(r) {
		if v.Association == *association {
			return v, nil
		}
	}
	return resource.Address{}, resource.Errorf(codeAssociationNotFound, "The association ID '%s' does not exist", resource.Clip(*association))
}

// ReleaseAddress gives an address back that stands for nobody.
func (s *Service) ReleaseAddress(ctx context.Context, c server.Caller, in *model.ReleaseAddressInput) (*model.ReleaseAddressOutput, error) {
	if err := checkBorderGroup(c, in.NetworkBorderGroup); err != nil {
		return nil, err
	}
	return nil, s.update(ctx, c, in.DryRun, func(w writer) error {
		v, err := addressBy(w.reader, in.AllocationId, in.PublicIp)
		if err != nil {
			return err
		}
		if v.NetworkInterface != "" {
			return resource.Errorf(codeAddressInUse, "Address %s is in use: it stands for %s of %s. Disassociate it first", v.PublicIP, v.PrivateAddress, v.NetworkInterface)
		}
		if v.DomainName != "" {
			return resource.Errorf("InvalidAddress.Locked", "Address %s is called %s. Reset its attribute domain-name first", v.PublicIP, v.DomainName)
		}
		addresses.delete(w, v.ID)
		return nil
	})
}

var addressFields = fields[resource.Address]{
	"allocation-id":              func(_ reader, v *resource.Address) []string { return one(v.ID) },
	"association-id":             func(_ reader, v *resource.Address) []string { return one(v.Association) },
	"instance-id":                func(r reader, v *resource.Address) []string { return one(instanceOf(r, v)) },
	"network-border-group":       func(_ reader, v *resource.Address) []string { return one(v.Region) },
	"network-interface-id":       func(_ reader, v *resource.Address) []string { return one(v.NetworkInterface) },
	"network-interface-owner-id": func(_ reader, v *resource.Address) []string { return one(val(interfaceOwner(v))) },
	"private-ip-address":         func(_ reader, v *resource.Address) []string { return one(val(addressText(v.PrivateAddress))) },
	"public-ip":                  func(_ reader, v *resource.Address) []string { return one(v.PublicIP.String()) },
}

// instanceOf returns the instance that an address stands for, or "".
func instanceOf(r reader, v *resource.Address) string {
	nic, _ := networkInterfaces.table.Get(r.Reader, store.AddressedScope(v), v.NetworkInterface)
	return nic.Instance
}

func interfaceOwner(v *resource.Address) *string {
	if v.NetworkInterface == "" {
		return nil
	}
	return new(cmp.Or(v.InterfaceOwner, v.Account))
}

// DescribeAddresses lists the account's addresses: those that it names by id, by
// themselves, or all.
func (s *Service) DescribeAddresses(_ context.Context, c server.Caller, in *model.DescribeAddressesInput) (*model.DescribeAddressesOutput, error) {
	r := s.read(c)
	chosen, err := addressFields.compile("DescribeAddresses", in.Filters)
	if err != nil {
		return nil, err
	}
	found, err := namedAddresses(r, in.AllocationIds, in.PublicIps)
	if err != nil {
		return nil, err
	}
	if err := checkDryRun(in.DryRun); err != nil {
		return nil, err
	}
	found = slices.DeleteFunc(found, func(v resource.Address) bool { return !chosen.matches(r, &v) })
	return &model.DescribeAddressesOutput{Addresses: answers(found, func(v *resource.Address) *model.Address {
		return &model.Address{
			AllocationId: &v.ID, AssociationId: str(v.Association), Domain: new(model.DomainTypeVpc), InstanceId: str(instanceOf(r, v)),
			NetworkBorderGroup: &v.Region, NetworkInterfaceId: str(v.NetworkInterface), NetworkInterfaceOwnerId: interfaceOwner(v),
			PrivateIpAddress: addressText(v.PrivateAddress), PublicIp: addressText(v.PublicIP), PublicIpv4Pool: new(addressPool), Tags: tagSet(v.Tags),
		}
	})}, nil
}

// namedAddresses returns the addresses that a Describe names, each once, or all
// if it names none, in order of their ids.
func namedAddresses(r reader, allocations, publics []string) ([]resource.Address, error) {
	all := addresses.where(r, func(v *resource.Address) bool { return !v.Auto })
	if len(allocations)+len(publics) == 0 {
		return all, nil
	}
	named := make(map[string]bool)
	for _, id := range allocations {
		if _, err := addresses.get(r, id); err != nil {
			return nil, err
		}
		named[id] = true
	}
	for _, text := range publics {
		a, err := resource.ParseIPv4Address("PublicIp", text)
		if err != nil {
			return nil, err
		}
		at := slices.IndexFunc(all, func(v resource.Address) bool { return v.PublicIP == a })
		if at < 0 {
			return nil, addressNotFound(a)
		}
		named[all[at].ID] = true
	}
	return slices.DeleteFunc(all, func(v resource.Address) bool { return !named[v.ID] }), nil
}
