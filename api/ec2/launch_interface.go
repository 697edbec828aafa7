package ec2

import (
	"net/netip"
	"slices"
	"strconv"

	model "causeway.dev/api/model/ec2"
	"causeway.dev/resource"
)

// A launchInterface is one of the network interfaces that each instance of a launch
// gets: one that exists, or a new one.
type launchInterface struct {
	existing string // its id; "": a new one
	subnet   string // "": the default one of the zone
	public   *bool  // whether it gets an outside address; nil: as the subnet says
	groups   []string
	wish     addressWish
	nic      resource.NetworkInterface // what is known of a new one beforehand
}

// readInterfaces reads which network interfaces the instances shall have, from the
// members of the instance or from its interface specifications.
func (l *launch) readInterfaces(in *model.RunInstancesInput) error {
	if len(in.SecurityGroups) > 0 && (in.SubnetId != nil || len(in.NetworkInterfaces) > 0) {
		return resource.Errorf(resource.CodeInvalidParameterCombination, "The parameter groupName cannot be used with the parameter subnet. Give SecurityGroupId")
	}
	specs := in.NetworkInterfaces
	if len(specs) == 0 {
		specs = []model.InstanceNetworkInterfaceSpecification{{
			DeviceIndex: new(int32(0)), SubnetId: in.SubnetId, PrivateIpAddress: in.PrivateIpAddress, Groups: in.SecurityGroupIds,
			Ipv6AddressCount: in.Ipv6AddressCount, Ipv6Addresses: in.Ipv6Addresses, PrimaryIpv6: in.EnablePrimaryIpv6,
		}}
	} else if in.SubnetId != nil || in.PrivateIpAddress != nil || in.SecurityGroupIds != nil || in.Ipv6AddressCount != nil || in.Ipv6Addresses != nil || in.EnablePrimaryIpv6 != nil {
		return resource.Errorf(resource.CodeInvalidParameterCombination, "Network interfaces and an instance-level subnet ID, private IP address, IPv6 addresses or security groups may not be specified on the same request")
	}
	l.groupNames = in.SecurityGroups
	if err := checkInstanceInterfaces(l.instance.InstanceType, len(specs)); err != nil {
		return err
	}
	for i := range specs {
		given, err := l.readInterface(&specs[i], "NetworkInterface."+strconv.Itoa(i+1)+".")
		if err != nil {
			return err
		}
		if err := checkInterfaceAddresses(l.instance.InstanceType, given.wish.size()); err != nil {
			return err
		}
		l.interfaces = append(l.interfaces, given)
	}
	return l.checkInterfaces()
}

// checkInterfaces refuses interfaces that don't go together.
func (l *launch) checkInterfaces() error {
	slices.SortStableFunc(l.interfaces, func(a, b launchInterface) int { return int(a.nic.DeviceIndex - b.nic.DeviceIndex) })
	if l.interfaces[0].nic.DeviceIndex != 0 {
		return resource.InvalidValue("NetworkInterface.1.DeviceIndex", "not 0", "The instance needs an interface with device index 0.")
	}
	for i := 1; i < len(l.interfaces); i++ {
		if index := l.interfaces[i].nic.DeviceIndex; index == l.interfaces[i-1].nic.DeviceIndex {
			return resource.InvalidValue("deviceIndex", strconv.Itoa(int(index)), "Each interface of an instance needs a device index of its own.")
		}
		if twice := l.interfaces[i].wish.ipv6.shared(l.interfaces[:i]); twice.IsValid() {
			return resource.InvalidValue("ipv6Address", twice.String(), "It is given to two interfaces.")
		}
		if l.interfaces[i].subnet == "" && l.interfaces[i].existing == "" {
			return resource.Errorf(resource.CodeMissingParameter, "The network interface at device index %d needs a subnet", l.interfaces[i].nic.DeviceIndex)
		}
	}
	if len(l.interfaces) > 1 && slices.ContainsFunc(l.interfaces, func(i launchInterface) bool { return i.public != nil && *i.public }) {
		return resource.Errorf(resource.CodeInvalidParameterCombination, "The associatePublicIPAddress parameter cannot be specified when launching with multiple network interfaces.")
	}
	return nil
}

// readInterface reads one interface specification. Its members have names that
// begin with prefix.
func (l *launch) readInterface(spec *model.InstanceNetworkInterfaceSpecification, prefix string) (launchInterface, error) {
	given := launchInterface{
		existing: val(spec.NetworkInterfaceId), subnet: val(spec.SubnetId), public: spec.AssociatePublicIpAddress,
		groups: slices.Compact(slices.Sorted(slices.Values(spec.Groups))),
		nic:    resource.NetworkInterface{SourceDestCheck: true, DeviceIndex: val(spec.DeviceIndex), DeleteOnTermination: true},
	}
	if err := refuseUnbuilt(
		member{prefix + "AssociateCarrierIpAddress", val(spec.AssociateCarrierIpAddress)},
		member{prefix + "InterfaceType", !slices.Contains([]string{"", interfaceType}, val(spec.InterfaceType))},
		member{prefix + "Ipv4Prefix", spec.Ipv4Prefixes != nil || val(spec.Ipv4PrefixCount) != 0},
		member{prefix + "Ipv6Addresses.IsPrimaryIpv6", namesPrimary(spec.Ipv6Addresses)},
		member{prefix + "Ipv6Prefix", spec.Ipv6Prefixes != nil || val(spec.Ipv6PrefixCount) != 0},
		member{prefix + "NetworkCardIndex", val(spec.NetworkCardIndex) != 0},
	); err != nil {
		return given, err
	}
	if spec.DeviceIndex == nil {
		return given, resource.Missing(prefix + "DeviceIndex")
	}
	if err := checkDeviceIndex(*spec.DeviceIndex); err != nil {
		return given, err
	}
	var err error
	if given.wish, err = readAddressWish(spec.PrivateIpAddress, spec.PrivateIpAddresses, spec.SecondaryPrivateIpAddressCount); err != nil {
		return given, err
	}
	if given.wish.ipv6, err = readIPv6Choice(spec.Ipv6AddressCount, ipv6Texts(spec.Ipv6Addresses)); err != nil {
		return given, err
	}
	given.wish.ipv6.primary = val(spec.PrimaryIpv6)
	if l.max > 1 && (given.wish.chosen() || len(given.wish.ipv6.named) > 0) {
		return given, resource.Errorf(resource.CodeInvalidParameterCombination, "A private IP address can be given for a single instance only")
	}
	if spec.DeleteOnTermination != nil {
		given.nic.DeleteOnTermination = *spec.DeleteOnTermination
	}
	if given.existing == "" {
		return given, setDescription(&given.nic, val(spec.Description))
	}
	if l.max > 1 {
		return given, resource.Errorf(resource.CodeInvalidParameterCombination, "A network interface can be given for a single instance only")
	}
	if given.subnet != "" || len(given.groups) > 0 || given.wish.size() > 1 || given.wish.chosen() || given.wish.ipv6.given() || spec.Description != nil || val(given.public) {
		return given, resource.Errorf(resource.CodeInvalidParameterCombination, "A network interface that exists has its subnet, groups, addresses and description already: %s cannot be given others", given.existing)
	}
	// One that is older than the instance outlasts it, unless asked otherwise.
	given.nic.DeleteOnTermination = val(spec.DeleteOnTermination)
	return given, nil
}

// A launchPlace is where an interface of each instance of a launch is or will be.
type launchPlace struct {
	*launchInterface
	subnet resource.Subnet
	nic    resource.NetworkInterface // the one that exists, if it does
	ids    []string                  // of the groups of a new one
	taken  map[netip.Addr]bool       // addresses in the subnet
}

// takePlaces notes in places what others have already. Those in one subnet share it.
func takePlaces(r reader, places []launchPlace) {
	bySubnet := make(map[string]map[netip.Addr]bool)
	for i := range places {
		id := places[i].subnet.ID
		if bySubnet[id] == nil {
			bySubnet[id] = takenAddresses(r, id)
		}
		places[i].taken = bySubnet[id]
	}
}

// free is how many instances have room in the place's subnet.
func (p *launchPlace) free() int {
	if p.subnet.IPv6Only() {
		return launchedMax
	}
	if p.wish.chosen() { // of reserved ones, too
		return (p.subnet.Capacity() - len(p.taken)) / p.wish.size()
	}
	return p.subnet.Free(p.taken) / p.wish.size()
}

// launchPlaces finds where the interfaces of a launch shall be: all in one zone.
func (s *Service) launchPlaces(r reader, l *launch) ([]launchPlace, error) {
	places := make([]launchPlace, len(l.interfaces))
	for i := range places {
		place := &places[i]
		place.launchInterface = &l.interfaces[i]
		if err := s.findPlace(r, l, place); err != nil {
			return nil, err
		}
		if place.subnet.Zone != places[0].subnet.Zone {
			return nil, resource.Errorf(resource.CodeInvalidParameterCombination, "The network interfaces of an instance are all in one availability zone: %s is in %s, %s in %s",
				places[0].subnet.ID, places[0].subnet.Zone, place.subnet.ID, place.subnet.Zone)
		}
	}
	subnet := &places[0].subnet
	if l.zone != "" && l.zone != subnet.Zone && l.zone != s.zoneIDOf(subnet.Region, subnet.Zone) {
		return nil, resource.InvalidValue("availabilityZone", l.zone, "The subnet "+subnet.ID+" is in "+subnet.Zone+".")
	}
	return places, nil
}

func (s *Service) findPlace(r reader, l *launch, place *launchPlace) (err error) {
	if place.existing != "" {
		if place.nic, err = networkInterfaces.get(r, place.existing); err != nil {
			return err
		}
		if place.nic.AttachmentID != "" {
			return interfaceInUse(&place.nic)
		}
		if err := checkInterfaceAddresses(l.instance.InstanceType, 1+len(place.nic.Secondary)); err != nil {
			return err
		}
		place.subnet, err = subnets.get(r, place.nic.Subnet)
		return err
	}
	if place.launchInterface.subnet != "" {
		place.ids = place.groups
		if place.subnet, err = subnets.get(r, place.launchInterface.subnet); err != nil {
			return err
		}
	} else if place.subnet, place.ids, err = s.launchInDefault(r, l, place.groups); err != nil {
		return err
	}
	place.ids, err = s.interfaceGroups(r, place.subnet.VPC, place.ids)
	return err
}

// launchInDefault returns the default subnet of a launch's zone, and the ids of the
// groups that are given with those that are named.
func (s *Service) launchInDefault(r reader, l *launch, given []string) (resource.Subnet, []string, error) {
	subnet, err := s.defaultSubnet(r, l.zone)
	if err != nil {
		return subnet, nil, err
	}
	groups := slices.Clone(given)
	for _, name := range l.groupNames {
		id, err := groupID(r, nil, &name)
		if err != nil {
			return subnet, nil, err
		}
		groups = append(groups, id)
	}
	return subnet, slices.Compact(slices.Sorted(slices.Values(groups))), nil
}

// launchInterfaces makes the interfaces of one instance, or takes those that there
// are, in order of their device indexes.
func (s *Service) launchInterfaces(w writer, l *launch, places []launchPlace, v *resource.Instance) ([]resource.NetworkInterface, error) {
	var nics []resource.NetworkInterface
	for i := range places {
		place := &places[i]
		nic := place.nic
		if place.existing == "" {
			nic = place.launchInterface.nic
			nic.Meta = w.newMeta(s.newID(networkInterfaces.prefix), l.tags[networkInterfaces.kind])
			if err := s.placeInterface(w.reader, &nic, &place.subnet, place.ids, place.wish, place.taken); err != nil {
				return nil, err
			}
		}
		nic.Attach(s.newID(attachmentPrefix), w.now)
		nic.Instance, nic.DeviceIndex, nic.DeleteOnTermination = v.ID, place.launchInterface.nic.DeviceIndex, place.launchInterface.nic.DeleteOnTermination
		nics = append(nics, nic)
	}
	return nics, nil
}

// launchAddresses takes the outside addresses that the primary interfaces of a
// launch come with; none if they come without.
func (s *Service) launchAddresses(r reader, primary *launchPlace, count int) ([]netip.Addr, error) {
	if val(primary.public) && primary.subnet.IPv6Only() {
		return nil, noIPv4(primary.subnet.ID)
	}
	if public := primary.public; public != nil && !*public || public == nil && !primary.subnet.MapPublicIPOnLaunch || primary.existing != "" {
		return nil, nil
	}
	return s.takeElastic(r, count)
}
