package ec2

import (
	"context"
	"net/netip"
	"slices"
	"time"

	model "causeway.dev/api/model/ec2"
	"causeway.dev/api/server"
	"causeway.dev/resource"
	"causeway.dev/store"
)

const (
	// natDrainDefault is how long connections keep an address that their NAT gateway
	// loses if the caller does not say: as long as a silent one lasts at most.
	natDrainDefault = 350 * time.Second

	// The most addresses that AWS lets a gateway have, whatever the quota.
	natElasticAddressesMax = 8
	natPrivateAddressesMax = 32
)

// A natAddressWish is which secondary addresses a NAT gateway shall have, or have
// besides others.
type natAddressWish struct {
	allocations []string     // of a public one
	addresses   []netip.Addr // private ones that were chosen
	count       int          // how many private ones more, chosen by nobody
}

// size is how many addresses are wished for.
func (wish *natAddressWish) size() int {
	return max(len(wish.allocations), len(wish.addresses)+wish.count)
}

// readNATAddressWish reads the members that NAT gateways get further addresses by. A
// public one has a private address for each elastic one, chosen or not.
func readNATAddressWish(private bool, allocations, addressTexts []string, count *int32) (natAddressWish, error) {
	wish := natAddressWish{allocations: allocations, count: int(val(count))}
	var err error
	wish.addresses, err = readPrivateAddresses(addressTexts)
	switch {
	case err != nil:
	case private && len(allocations) > 0:
		err = resource.Errorf(resource.CodeInvalidParameterCombination, "A NAT gateway with private connectivity has no elastic addresses: leave allocation ids out")
	case private && len(addressTexts) > 0 && count != nil:
		err = resource.Errorf(resource.CodeInvalidParameterCombination, "Give private IP addresses or how many there shall be, not both")
	case !private && count != nil:
		err = resource.Errorf(resource.CodeInvalidParameterCombination, "A NAT gateway with public connectivity has a private address for each elastic one: leave their number out")
	case !private && len(addressTexts) > len(allocations):
		err = resource.Errorf(resource.CodeInvalidParameterCombination, "There are %d private IP addresses for %d elastic ones", len(addressTexts), len(allocations))
	}
	return wish, err
}

// distinctAddresses finds elastic addresses that a request names, each once.
func distinctAddresses(r reader, allocations []string) ([]resource.Address, error) {
	list := make([]resource.Address, 0, len(allocations))
	for i, id := range allocations {
		if slices.Contains(allocations[:i], id) {
			return nil, resource.InvalidValue("AllocationId", id, "It is given more than once.")
		}
		v, err := addresses.get(r, id)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	return list, nil
}

// checkUnassociated refuses addresses that stand for somebody.
func checkUnassociated(elastic []resource.Address) *resource.Error {
	for i := range elastic {
		if elastic[i].NetworkInterface != "" {
			return resource.Errorf(resource.CodeResourceAlreadyAssociated, "Elastic IP address [%s] is already associated", elastic[i].ID)
		}
	}
	return nil
}

// checkNATAddresses refuses more addresses than a NAT gateway may have.
func checkNATAddresses(limits *Limits, connectivity string, count int) error {
	code, most := codeAddressLimit, min(limits.ElasticAddressesPerNATGateway, natElasticAddressesMax)
	if connectivity == resource.ConnectivityPrivate {
		code, most = codePrivateAddressLimit, min(limits.PrivateAddressesPerNATGateway, natPrivateAddressesMax)
	}
	if count > most {
		return resource.Errorf(code, "The maximum number of addresses of a %s NAT gateway has been reached: %d", connectivity, most)
	}
	return nil
}

// addNATAddresses gives a gateway secondary addresses: private ones, each with the
// elastic one at the same place, if there is one.
func (s *Service) addNATAddresses(w writer, v *resource.NATGateway, nic *resource.NetworkInterface, private []netip.Addr, elastic []resource.Address) {
	v.Secondary, nic.Secondary = slices.Clone(v.Secondary), slices.Clone(nic.Secondary)
	for i, a := range private {
		added := resource.NATGatewayAddress{PrivateAddress: a}
		if i < len(elastic) {
			added.Allocation, added.PublicIP = elastic[i].ID, elastic[i].PublicIP
			added.Association = s.mapAddress(w, &elastic[i], nic.ID, a)
		}
		v.Secondary, nic.Secondary = append(v.Secondary, added), append(nic.Secondary, a)
	}
	networkInterfaces.put(w, *nic)
}

// workingNAT finds a NAT gateway whose addresses may be changed.
func workingNAT(r reader, id, connectivity string) (resource.NATGateway, error) {
	v, err := natGateways.get(r, id)
	switch {
	case err != nil:
	case !v.Works():
		err = resource.Errorf(resource.CodeIncorrectState, "The NAT gateway %s is %s", v.ID, natGatewayState(r, &v))
	case v.Connectivity != connectivity:
		err = resource.InvalidValue("NatGatewayId", v.ID, "Its connectivity is "+v.Connectivity+", not "+connectivity+".")
	case slices.ContainsFunc(v.Secondary, func(a resource.NATGatewayAddress) bool { return a.Draining() }):
		err = resource.Errorf(resource.CodeIncorrectState, "The NAT gateway %s is about to lose an address, which still has connections", v.ID)
	}
	v.Secondary = slices.Clone(v.Secondary)
	return v, err
}

// AssociateNatGatewayAddress gives a public NAT gateway further elastic addresses, over
// which it spreads new connections from then on.
func (s *Service) AssociateNatGatewayAddress(ctx context.Context, c server.Caller, in *model.AssociateNatGatewayAddressInput) (*model.AssociateNatGatewayAddressOutput, error) {
	if err := refuseUnbuilt(member{"AvailabilityZone", in.AvailabilityZone != nil}, member{"AvailabilityZoneId", in.AvailabilityZoneId != nil}); err != nil {
		return nil, err // of regional ones
	}
	if len(in.AllocationIds) == 0 {
		return nil, resource.Missing("AllocationId")
	}
	wish, err := readNATAddressWish(false, in.AllocationIds, in.PrivateIpAddresses, nil)
	if err != nil {
		return nil, err
	}
	out := model.AssociateNatGatewayAddressOutput{NatGatewayId: in.NatGatewayId}
	err = s.update(ctx, c, in.DryRun, func(w writer) (err error) {
		out.NatGatewayAddresses, err = s.extendNAT(w, val(in.NatGatewayId), resource.ConnectivityPublic, &wish)
		return err
	})
	return &out, err
}

// AssignPrivateNatGatewayAddress gives a private NAT gateway further addresses:
// particular ones, or so many; without either, one.
func (s *Service) AssignPrivateNatGatewayAddress(ctx context.Context, c server.Caller, in *model.AssignPrivateNatGatewayAddressInput) (*model.AssignPrivateNatGatewayAddressOutput, error) {
	wish, err := readNATAddressWish(true, nil, in.PrivateIpAddresses, in.PrivateIpAddressCount)
	if err != nil {
		return nil, err
	}
	if wish.size() == 0 {
		wish.count = 1
	}
	out := model.AssignPrivateNatGatewayAddressOutput{NatGatewayId: in.NatGatewayId}
	err = s.update(ctx, c, in.DryRun, func(w writer) (err error) {
		out.NatGatewayAddresses, err = s.extendNAT(w, val(in.NatGatewayId), resource.ConnectivityPrivate, &wish)
		return err
	})
	return &out, err
}

// extendNAT gives a gateway the addresses that are wished for, and describes them.
func (s *Service) extendNAT(w writer, id, connectivity string, wish *natAddressWish) ([]model.NatGatewayAddress, error) {
	v, err := workingNAT(w.reader, id, connectivity)
	if err != nil {
		return nil, err
	}
	elastic, err := distinctAddresses(w.reader, wish.allocations)
	if err != nil {
		return nil, err
	}
	if err := checkUnassociated(elastic); err != nil {
		return nil, err
	}
	before := len(v.Secondary)
	if err := checkNATAddresses(w.limits, connectivity, 1+before+wish.size()); err != nil {
		return nil, err
	}
	subnet, err := subnets.get(w.reader, v.Subnet)
	if err != nil {
		return nil, err
	}
	nic, err := networkInterfaces.get(w.reader, v.NetworkInterface)
	if err != nil {
		return nil, err
	}
	wanted := slices.Clone(wish.addresses)
	for len(wanted) < wish.size() {
		wanted = append(wanted, netip.Addr{})
	}
	used := takenAddresses(w.reader, subnet.ID)
	for i, a := range wanted {
		if wanted[i], err = allocateAddress(&subnet, used, a); err != nil {
			return nil, err
		}
		used[wanted[i]] = true
	}
	s.addNATAddresses(w, &v, &nic, wanted, elastic)
	natGateways.put(w, v)
	return natAddressAnswers(w.reader, &v)[1+before:], nil
}

// DisassociateNatGatewayAddress takes secondary elastic addresses from a public NAT
// gateway: at once where no connection runs under them, else when the last has ended
// or the time is over.
func (s *Service) DisassociateNatGatewayAddress(ctx context.Context, c server.Caller, in *model.DisassociateNatGatewayAddressInput) (*model.DisassociateNatGatewayAddressOutput, error) {
	if len(in.AssociationIds) == 0 {
		return nil, resource.Missing("AssociationId")
	}
	out := model.DisassociateNatGatewayAddressOutput{NatGatewayId: in.NatGatewayId}
	return &out, s.update(ctx, c, in.DryRun, func(w writer) error {
		v, err := workingNAT(w.reader, val(in.NatGatewayId), resource.ConnectivityPublic)
		if err != nil {
			return err
		}
		for _, id := range in.AssociationIds {
			at := slices.IndexFunc(v.Secondary, func(a resource.NATGatewayAddress) bool { return a.Association == id })
			switch {
			case id == v.Association:
				return resource.InvalidValue("AssociationId", id, "It is of the primary address of "+v.ID+", which it keeps.")
			case at < 0:
				return resource.Errorf(codeAssociationNotFound, "The association ID '%s' does not exist on %s", resource.Clip(id), v.ID)
			}
			v.Secondary[at].DrainUntil = w.drainedBy(in.MaxDrainDurationSeconds)
		}
		natGateways.put(w, v)
		out.NatGatewayAddresses = drainingAnswers(w.reader, &v)
		return nil
	})
}

// UnassignPrivateNatGatewayAddress takes secondary addresses from a private NAT
// gateway, as DisassociateNatGatewayAddress does from a public one.
func (s *Service) UnassignPrivateNatGatewayAddress(ctx context.Context, c server.Caller, in *model.UnassignPrivateNatGatewayAddressInput) (*model.UnassignPrivateNatGatewayAddressOutput, error) {
	if len(in.PrivateIpAddresses) == 0 {
		return nil, resource.Missing("PrivateIpAddress")
	}
	gone, err := readPrivateAddresses(in.PrivateIpAddresses)
	if err != nil {
		return nil, err
	}
	out := model.UnassignPrivateNatGatewayAddressOutput{NatGatewayId: in.NatGatewayId}
	return &out, s.update(ctx, c, in.DryRun, func(w writer) error {
		v, err := workingNAT(w.reader, val(in.NatGatewayId), resource.ConnectivityPrivate)
		if err != nil {
			return err
		}
		for _, a := range gone {
			at := slices.IndexFunc(v.Secondary, func(other resource.NATGatewayAddress) bool { return other.PrivateAddress == a })
			switch {
			case a == v.PrivateAddress:
				return resource.InvalidValue("PrivateIpAddress", a.String(), "It is the primary address of "+v.ID+", which it keeps.")
			case at < 0:
				return resource.InvalidValue("PrivateIpAddress", a.String(), "It is no address of "+v.ID+".")
			}
			v.Secondary[at].DrainUntil = w.drainedBy(in.MaxDrainDurationSeconds)
		}
		natGateways.put(w, v)
		out.NatGatewayAddresses = drainingAnswers(w.reader, &v)
		return nil
	})
}

// drainedBy is when an address that a gateway loses from now on is gone at the latest.
func (r reader) drainedBy(seconds *int32) time.Time {
	most := natDrainDefault
	if seconds != nil {
		most = time.Duration(*seconds) * time.Second
	}
	return r.now.UTC().Add(most)
}

// natAddressAnswers describes a gateway's addresses, the primary one first.
func natAddressAnswers(r reader, v *resource.NATGateway) []model.NatGatewayAddress {
	primary := resource.NATGatewayAddress{PrivateAddress: v.PrivateAddress, Allocation: v.Allocation, Association: v.Association, PublicIP: v.PublicIP}
	list := []model.NatGatewayAddress{natAddressAnswer(v, &primary, model.NatGatewayAddressStatusSucceeded)}
	for i := range v.Secondary {
		list = append(list, natAddressAnswer(v, &v.Secondary[i], secondaryStatus(r, v, &v.Secondary[i])))
	}
	list[0].IsPrimary = new(true)
	return list
}

// drainingAnswers describes those addresses that a gateway is about to lose.
func drainingAnswers(r reader, v *resource.NATGateway) []model.NatGatewayAddress {
	var list []model.NatGatewayAddress
	for i := range v.Secondary {
		if v.Secondary[i].Draining() {
			list = append(list, natAddressAnswer(v, &v.Secondary[i], secondaryStatus(r, v, &v.Secondary[i])))
		}
	}
	return list
}

func natAddressAnswer(v *resource.NATGateway, a *resource.NATGatewayAddress, status string) model.NatGatewayAddress {
	answer := model.NatGatewayAddress{
		AllocationId: str(a.Allocation), AssociationId: str(a.Association), IsPrimary: new(false), NetworkInterfaceId: str(v.NetworkInterface),
		PrivateIp: addressText(a.PrivateAddress), PublicIp: addressText(a.PublicIP), Status: &status,
	}
	if v.FailureCode != "" {
		answer.Status, answer.FailureMessage = new(model.NatGatewayAddressStatusFailed), &v.FailureMessage
	}
	return answer
}

// secondaryStatus is what was asked of a secondary address with what was seen of it.
func secondaryStatus(r reader, v *resource.NATGateway, a *resource.NATGatewayAddress) string {
	gaining, losing := model.NatGatewayAddressStatusAssociating, model.NatGatewayAddressStatusDisassociating
	if v.Connectivity == resource.ConnectivityPrivate {
		gaining, losing = model.NatGatewayAddressStatusAssigning, model.NatGatewayAddressStatusUnassigning
	}
	status, _ := store.NATGatewayStatuses.Get(r.Reader, r.scope, v.ID)
	switch {
	case v.Deleted == nil && a.Draining():
		return losing
	case v.Deleted == nil && !slices.Contains(status.Addresses, a.PrivateAddress):
		return gaining
	}
	return model.NatGatewayAddressStatusSucceeded
}
