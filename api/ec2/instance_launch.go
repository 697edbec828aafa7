package ec2

import (
	"context"
	"encoding/base64"
	"net"
	"net/netip"
	"slices"

	model "causeway.dev/api/model/ec2"
	"causeway.dev/api/server"
	"causeway.dev/resource"
	"causeway.dev/store"
)

// launchedMax is the number of instances that one request can launch, so that
// its transaction stays small.
const launchedMax = 200

// A launch is a checked RunInstances.
type launch struct {
	min, max  int
	subnet    string // "": the default one of the zone
	public    *bool  // whether the interface gets an outside address; nil: as the subnet says
	zone      string // that the subnet must be in, by name or id; "" any
	groups    []string
	names     []string   // of further groups, in the default VPC
	address   netip.Addr // zero: any
	tags      map[string][]resource.Tag
	instance  resource.Instance         // what all instances have in common
	nic       resource.NetworkInterface // what all interfaces have in common
	requested model.RunInstancesInput   // without token and DryRun
}

// RunInstances launches instances in a subnet, each with one network interface:
// as many as there is room for between MinCount and MaxCount.
func (s *Service) RunInstances(ctx context.Context, c server.Caller, in *model.RunInstancesInput) (*model.RunInstancesOutput, error) {
	l, err := s.readLaunch(in)
	if err != nil {
		return nil, err
	}
	var out model.RunInstancesOutput
	err = s.update(ctx, c, in.DryRun, func(w writer) error {
		created, err := s.idempotent(w.reader, "RunInstances", in.ClientToken, l.requested)
		if err != nil {
			return err
		}
		launched, err := s.launch(w, l, created)
		if err != nil {
			return err
		}
		view := s.newInstanceView(w.reader)
		out = model.RunInstancesOutput{Instances: answers(launched, view.answer), OwnerId: &c.Account, ReservationId: str(launched[0].Reservation)}
		return nil
	})
	return &out, err
}

// readLaunch checks what can be checked without the store.
func (s *Service) readLaunch(in *model.RunInstancesInput) (*launch, error) {
	if err := refuseUnbuiltLaunch(in); err != nil {
		return nil, err
	}
	l := &launch{min: int(val(in.MinCount)), max: int(val(in.MaxCount)), requested: *in}
	l.requested.ClientToken, l.requested.DryRun = nil, nil
	if l.min < 1 || l.max < l.min {
		return nil, resource.Errorf(resource.CodeInvalidParameterValue, "MinCount (%d) must be at least 1, and MaxCount (%d) at least MinCount", l.min, l.max)
	}
	if l.min > launchedMax {
		return nil, resource.Errorf(codeInstanceLimitExceeded, "A request can launch at most %d instances; it asks for at least %d", launchedMax, l.min)
	}
	l.max = min(l.max, launchedMax)
	userData, err := readUserData(in.UserData)
	if err != nil {
		return nil, err
	}
	l.instance = resource.Instance{
		Image:                 val(in.ImageId),
		InstanceType:          val(in.InstanceType),
		UserData:              userData,
		DisableAPITermination: val(in.DisableApiTermination),
		DisableAPIStop:        val(in.DisableApiStop),
		ShutdownBehavior:      val(in.InstanceInitiatedShutdownBehavior),
		Wanted:                resource.InstanceRunning,
		Boot:                  1,
	}
	if l.instance.ShutdownBehavior == "" {
		l.instance.ShutdownBehavior = model.ShutdownBehaviorStop
	}
	if err := s.readHost(&l.instance, val(in.KeyName)); err != nil {
		return nil, err
	}
	if in.Placement != nil {
		if l.zone = val(in.Placement.AvailabilityZone); l.zone == "" {
			l.zone = val(in.Placement.AvailabilityZoneId)
		}
	}
	if err := l.readInterface(in); err != nil {
		return nil, err
	}
	l.tags, err = tagsFor(in.TagSpecifications, instances.kind, networkInterfaces.kind, "volume")
	return l, err
}

// refuseUnbuiltLaunch refuses what an instance here does not have. What asks for
// nothing passes, such as Monitoring.Enabled=false, or CreditSpecification, which
// is about money.
func refuseUnbuiltLaunch(in *model.RunInstancesInput) error {
	placement, names := val(in.Placement), val(in.PrivateDnsNameOptions)
	tenancy := val(placement.Tenancy)
	return refuseUnbuilt(
		member{"AdditionalInfo", in.AdditionalInfo != nil},
		member{"BlockDeviceMapping", in.BlockDeviceMappings != nil},
		member{"CapacityReservationSpecification", in.CapacityReservationSpecification != nil},
		member{"CpuOptions", in.CpuOptions != nil},
		member{"EbsOptimized", val(in.EbsOptimized)},
		member{"ElasticGpuSpecification", in.ElasticGpuSpecification != nil},
		member{"ElasticInferenceAccelerator", in.ElasticInferenceAccelerators != nil},
		member{"EnablePrimaryIpv6", val(in.EnablePrimaryIpv6)},
		member{"EnclaveOptions.Enabled", val(val(in.EnclaveOptions).Enabled)},
		member{"HibernationOptions.Configured", val(val(in.HibernationOptions).Configured)},
		member{"IamInstanceProfile", in.IamInstanceProfile != nil},
		member{"InstanceMarketOptions", in.InstanceMarketOptions != nil},
		member{"Ipv6AddressCount", val(in.Ipv6AddressCount) != 0},
		member{"Ipv6Address", in.Ipv6Addresses != nil},
		member{"KernelId", in.KernelId != nil},
		member{"LaunchTemplate", in.LaunchTemplate != nil},
		member{"LicenseSpecification", in.LicenseSpecifications != nil},
		member{"MetadataOptions.HttpEndpoint", val(val(in.MetadataOptions).HttpEndpoint) == model.InstanceMetadataEndpointStateEnabled},
		member{"Monitoring.Enabled", val(val(in.Monitoring).Enabled)},
		member{"NetworkPerformanceOptions", in.NetworkPerformanceOptions != nil},
		member{"Placement.Affinity", val(placement.Affinity) != ""},
		member{"Placement.GroupName", val(placement.GroupName)+val(placement.GroupId) != ""},
		member{"Placement.HostId", val(placement.HostId)+val(placement.HostResourceGroupArn) != ""},
		member{"Placement.PartitionNumber", placement.PartitionNumber != nil},
		member{"Placement.Tenancy", tenancy != "" && tenancy != model.TenancyDefault},
		member{"PrivateDnsNameOptions.HostnameType", val(names.HostnameType) == model.HostnameTypeResourceName},
		member{"PrivateDnsNameOptions.EnableResourceNameDnsARecord", val(names.EnableResourceNameDnsARecord)},
		member{"PrivateDnsNameOptions.EnableResourceNameDnsAAAARecord", val(names.EnableResourceNameDnsAAAARecord)},
		member{"RamdiskId", in.RamdiskId != nil},
		member{"SecondaryInterface", in.SecondaryInterfaces != nil},
	)
}

func readUserData(text *string) ([]byte, error) {
	decoded, err := base64.StdEncoding.DecodeString(val(text))
	if err != nil {
		return nil, resource.Errorf(resource.CodeInvalidParameterValue, "Invalid BASE64 encoding of user data.")
	}
	return decoded, checkUserData(decoded)
}

func checkUserData(data []byte) error {
	if len(data) > resource.UserDataLengthMax {
		return resource.Errorf(resource.CodeInvalidParameterValue, "User data is limited to %d bytes; this has %d", resource.UserDataLengthMax, len(data))
	}
	return nil
}

// readInterface reads where the primary network interface shall be, from the
// members of the instance or from its only interface specification.
func (l *launch) readInterface(in *model.RunInstancesInput) error {
	l.nic = resource.NetworkInterface{SourceDestCheck: true, DeleteOnTermination: true, Status: model.NetworkInterfaceStatusInUse}
	if len(in.SecurityGroups) > 0 && (in.SubnetId != nil || len(in.NetworkInterfaces) > 0) {
		return resource.Errorf(resource.CodeInvalidParameterCombination, "The parameter groupName cannot be used with the parameter subnet. Give SecurityGroupId")
	}
	subnet, address, groups := in.SubnetId, in.PrivateIpAddress, in.SecurityGroupIds
	if len(in.NetworkInterfaces) > 0 {
		if subnet != nil || address != nil || groups != nil {
			return resource.Errorf(resource.CodeInvalidParameterCombination, "Network interfaces and an instance-level subnet ID, private IP address or security groups may not be specified on the same request")
		}
		spec := &in.NetworkInterfaces[0]
		if err := checkInterfaceSpecification(in.NetworkInterfaces); err != nil {
			return err
		}
		subnet, address, groups = spec.SubnetId, spec.PrivateIpAddress, spec.Groups
		if len(spec.PrivateIpAddresses) == 1 {
			address = spec.PrivateIpAddresses[0].PrivateIpAddress
		}
		if err := setDescription(&l.nic, val(spec.Description)); err != nil {
			return err
		}
		l.public = spec.AssociatePublicIpAddress
		if spec.DeleteOnTermination != nil {
			l.nic.DeleteOnTermination = *spec.DeleteOnTermination
		}
	}
	l.names = in.SecurityGroups
	l.subnet, l.groups = val(subnet), slices.Compact(slices.Sorted(slices.Values(groups)))
	if address == nil {
		return nil
	}
	if l.max > 1 {
		return resource.Errorf(resource.CodeInvalidParameterCombination, "A private IP address can be given for a single instance only")
	}
	var err error
	l.address, err = resource.ParseIPv4Address("address", *address)
	return err
}

// checkInterfaceSpecification refuses what a primary interface can't have.
func checkInterfaceSpecification(specs []model.InstanceNetworkInterfaceSpecification) error {
	spec := &specs[0]
	if len(specs) == 1 && val(spec.DeviceIndex) != 0 {
		return resource.InvalidValue("NetworkInterface.1.DeviceIndex", "not 0", "The instance needs an interface with device index 0.")
	}
	return refuseUnbuilt(
		member{"NetworkInterface.2", len(specs) > 1},
		member{"NetworkInterface.1.AssociateCarrierIpAddress", val(spec.AssociateCarrierIpAddress)},
		member{"NetworkInterface.1.InterfaceType", !slices.Contains([]string{"", "interface"}, val(spec.InterfaceType))},
		member{"NetworkInterface.1.Ipv4Prefix", spec.Ipv4Prefixes != nil || val(spec.Ipv4PrefixCount) != 0},
		member{"NetworkInterface.1.Ipv6Addresses", spec.Ipv6Addresses != nil || val(spec.Ipv6AddressCount) != 0},
		member{"NetworkInterface.1.Ipv6Prefix", spec.Ipv6Prefixes != nil || val(spec.Ipv6PrefixCount) != 0},
		member{"NetworkInterface.1.NetworkCardIndex", val(spec.NetworkCardIndex) != 0},
		member{"NetworkInterface.1.NetworkInterfaceId", spec.NetworkInterfaceId != nil},
		member{"NetworkInterface.1.PrivateIpAddresses", len(spec.PrivateIpAddresses) > 1},
		member{"NetworkInterface.1.SecondaryPrivateIpAddressCount", val(spec.SecondaryPrivateIpAddressCount) != 0},
	)
}

// launch writes the instances and their interfaces, or finds those that the same
// request has launched before.
func (s *Service) launch(w writer, l *launch, created creation) ([]resource.Instance, error) {
	if first, repeated := instances.table.Get(w.Reader, w.scope, created.newID(instances.prefix, 0)); repeated {
		again := instances.found(w.reader, store.ByReservation, first.Reservation)
		return again, created.check(&first.Meta)
	}
	subnet, ids, err := s.launchSubnet(w.reader, l)
	if err != nil {
		return nil, err
	}
	if l.zone != "" && l.zone != subnet.Zone && l.zone != s.zoneIDOf(subnet.Region, subnet.Zone) {
		return nil, resource.InvalidValue("availabilityZone", l.zone, "The subnet "+subnet.ID+" is in "+subnet.Zone+".")
	}
	groups, err := s.interfaceGroups(w.reader, subnet.VPC, ids)
	if err != nil {
		return nil, err
	}
	count, err := s.roomFor(w.reader, l)
	if err != nil {
		return nil, err
	}
	taken := takenAddresses(w.reader, subnet.ID)
	publics, err := s.launchAddresses(w.reader, l, &subnet, min(count, max(l.min, subnet.Capacity()-len(taken))))
	if err != nil {
		return nil, err
	}
	reservation := created.newID("r", 0)
	var launched []resource.Instance
	for i := range count {
		address, err := allocateAddress(&subnet, taken, l.address)
		if err != nil && i >= l.min && !l.address.IsValid() {
			break // MinCount is met, and the subnet is full
		}
		if err != nil {
			return nil, err
		}
		taken[address] = true

		v, nic := l.instance, l.nic
		v.Meta = w.newMeta(created.newID(instances.prefix, i), l.tags[instances.kind])
		nic.Meta = w.newMeta(s.newID(networkInterfaces.prefix), l.tags[networkInterfaces.kind])
		created.mark(&v.Meta)
		v.Reservation, v.LaunchIndex = reservation, int32(i)
		v.VPC, v.Subnet, v.Zone, v.Interfaces = subnet.VPC, subnet.ID, subnet.Zone, []string{nic.ID}
		nic.VPC, nic.Subnet, nic.Zone, nic.Groups = subnet.VPC, subnet.ID, subnet.Zone, groups
		nic.Address, nic.MAC = address, s.newMAC(w.reader)
		nic.Instance, nic.AttachmentID = v.ID, s.newID("eni-attach")
		if nic.AutoPublicIP = publics != nil; nic.AutoPublicIP {
			s.giveAutoAddress(w, &nic, publics[i])
		}
		instances.put(w, v)
		networkInterfaces.put(w, nic)
		launched = append(launched, v)
	}
	return launched, nil
}

// launchSubnet returns the subnet of a launch and the ids of its groups.
func (s *Service) launchSubnet(r reader, l *launch) (subnet resource.Subnet, groups []string, err error) {
	if l.subnet != "" {
		subnet, err = subnets.get(r, l.subnet)
		return subnet, l.groups, err
	}
	if subnet, err = s.defaultSubnet(r, l.zone); err != nil {
		return subnet, nil, err
	}
	groups = slices.Clone(l.groups)
	for _, name := range l.names {
		id, err := groupID(r, nil, &name)
		if err != nil {
			return subnet, nil, err
		}
		groups = append(groups, id)
	}
	return subnet, slices.Compact(slices.Sorted(slices.Values(groups))), nil
}

// launchAddresses takes the outside addresses that the interfaces of a launch come
// with; none if they come without.
func (s *Service) launchAddresses(r reader, l *launch, subnet *resource.Subnet, count int) ([]netip.Addr, error) {
	if public := l.public; public != nil && !*public || public == nil && !subnet.MapPublicIPOnLaunch {
		return nil, nil
	}
	return s.takeElastic(r, count)
}

// interfaceGroups checks the security groups of a new network interface; none
// means the VPC's default one.
func (s *Service) interfaceGroups(r reader, vpc string, ids []string) ([]string, error) {
	if len(ids) == 0 {
		g, err := defaultGroupOf(r, vpc)
		return []string{g.ID}, err
	}
	if len(ids) > s.limits.SecurityGroupsPerInterface {
		return nil, resource.Errorf("SecurityGroupsPerInterfaceLimitExceeded", "The maximum number of security groups per interface has been reached: %d", s.limits.SecurityGroupsPerInterface)
	}
	for _, id := range ids {
		g, err := securityGroups.get(r, id)
		if err != nil {
			return nil, err
		}
		if g.VPC != vpc {
			return nil, resource.Errorf("InvalidParameter", "Security group %s and the subnet belong to different networks", g.ID)
		}
	}
	return ids, nil
}

// roomFor returns how many instances the limits let a request launch.
func (s *Service) roomFor(r reader, l *launch) (int, error) {
	room := s.limits.Instances - instances.table.Count(r.Reader, r.scope, store.ByWanted, resource.InstanceRunning)
	if room < l.min {
		return 0, resource.Errorf(codeInstanceLimitExceeded, "The maximum number of instances is %d, of which %d are left", s.limits.Instances, max(room, 0))
	}
	nics := s.limits.NetworkInterfaces - networkInterfaces.total(r)
	if nics < l.min {
		return 0, resource.Errorf("NetworkInterfaceLimitExceeded", "The maximum number of network interfaces has been reached: %d", s.limits.NetworkInterfaces)
	}
	return min(l.max, room, nics), nil
}

// takenAddresses are those that interfaces of a subnet have.
func takenAddresses(r reader, subnet string) map[netip.Addr]bool {
	taken := make(map[netip.Addr]bool)
	for v := range networkInterfaces.table.Find(r.Reader, r.scope, store.BySubnet, subnet) {
		taken[v.Address] = true
	}
	return taken
}

// newMAC makes up an address that is locally administered (IEEE 802, the bit of
// value 2 in the first byte) and not used in this region.
func (s *Service) newMAC(r reader) string {
	for {
		mac := net.HardwareAddr(append([]byte{0x02}, s.random(5)...)).String()
		if !networkInterfaces.finds(r, store.ByMAC, mac) {
			return mac
		}
	}
}
