package ec2

import (
	"context"
	"encoding/base64"
	"errors"
	"net"
	"net/netip"

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
	min, max   int
	zone       string   // that the instances must be in, by name or id; "" any
	groupNames []string // of further groups of the primary interface, in the default VPC
	names      nameOptions
	profile    *model.IamInstanceProfileSpecification // nil: none
	tags       map[string][]resource.Tag
	instance   resource.Instance       // what all instances have in common
	interfaces []launchInterface       // of each instance, the primary one first
	requested  model.RunInstancesInput // without token and DryRun
}

// RunInstances launches instances, each with the network interfaces that are asked
// for: as many as there is room for between MinCount and MaxCount.
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
		KeyName:               val(in.KeyName),
		UserData:              userData,
		DisableAPITermination: val(in.DisableApiTermination),
		DisableAPIStop:        val(in.DisableApiStop),
		ShutdownBehavior:      val(in.InstanceInitiatedShutdownBehavior),
		Monitoring:            val(val(in.Monitoring).Enabled),
		Wanted:                resource.InstanceRunning,
		Boot:                  1,
	}
	l.profile = in.IamInstanceProfile
	if o := in.PrivateDnsNameOptions; o != nil {
		l.names = nameOptions{o.HostnameType, o.EnableResourceNameDnsARecord, o.EnableResourceNameDnsAAAARecord}
	}
	if l.instance.ShutdownBehavior == "" {
		l.instance.ShutdownBehavior = model.ShutdownBehaviorStop
	}
	if in.MaintenanceOptions != nil {
		setMaintenance(&l.instance, in.MaintenanceOptions.AutoRecovery, nil)
	}
	if err := s.readHost(&l.instance); err != nil {
		return nil, err
	}
	if o := in.CpuOptions; o != nil && (o.CoreCount != nil || o.ThreadsPerCore != nil) {
		if err := setCPU(&l.instance, o.CoreCount, o.ThreadsPerCore); err != nil {
			return nil, err
		}
	}
	if in.CreditSpecification != nil {
		if err := setCredits(&l.instance, in.CreditSpecification.CpuCredits); err != nil {
			return nil, err
		}
	}
	if in.Placement != nil {
		if l.zone = val(in.Placement.AvailabilityZone); l.zone == "" {
			l.zone = val(in.Placement.AvailabilityZoneId)
		}
	}
	if err := l.readInterfaces(in); err != nil {
		return nil, err
	}
	l.tags, err = tagsFor(in.TagSpecifications, instances.kind, networkInterfaces.kind, "volume")
	return l, err
}

// refuseUnbuiltLaunch refuses what an instance here does not have. What asks for
// nothing passes, such as EbsOptimized=false.
func refuseUnbuiltLaunch(in *model.RunInstancesInput) error {
	placement := val(in.Placement)
	tenancy := val(placement.Tenancy)
	return refuseUnbuilt(
		member{"AdditionalInfo", in.AdditionalInfo != nil},
		member{"BlockDeviceMapping", in.BlockDeviceMappings != nil},
		member{"CapacityReservationSpecification", in.CapacityReservationSpecification != nil},
		member{"CpuOptions.AmdSevSnp", isOther(val(in.CpuOptions).AmdSevSnp, model.AmdSevSnpSpecificationDisabled)},
		member{"CpuOptions.NestedVirtualization", isOther(val(in.CpuOptions).NestedVirtualization, model.NestedVirtualizationSpecificationDisabled)},
		member{"EbsOptimized", val(in.EbsOptimized)},
		member{"ElasticGpuSpecification", in.ElasticGpuSpecification != nil},
		member{"ElasticInferenceAccelerator", in.ElasticInferenceAccelerators != nil},
		member{"EnclaveOptions.Enabled", val(val(in.EnclaveOptions).Enabled)},
		member{"HibernationOptions.Configured", val(val(in.HibernationOptions).Configured)},
		member{"InstanceMarketOptions", in.InstanceMarketOptions != nil},
		member{"KernelId", in.KernelId != nil},
		member{"LaunchTemplate", in.LaunchTemplate != nil},
		member{"LicenseSpecification", in.LicenseSpecifications != nil},
		member{"NetworkPerformanceOptions", in.NetworkPerformanceOptions != nil},
		member{"Placement.Affinity", val(placement.Affinity) != ""},
		member{"Placement.GroupName", val(placement.GroupName)+val(placement.GroupId) != ""},
		member{"Placement.HostId", val(placement.HostId)+val(placement.HostResourceGroupArn) != ""},
		member{"Placement.PartitionNumber", placement.PartitionNumber != nil},
		member{"Placement.Tenancy", tenancy != "" && tenancy != model.TenancyDefault},
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

// launch writes the instances and their interfaces, or finds those that the same
// request has launched before.
func (s *Service) launch(w writer, l *launch, created creation) ([]resource.Instance, error) {
	if first, repeated := instances.table.Get(w.Reader, w.scope, created.newID(instances.prefix, 0)); repeated {
		again := instances.found(w.reader, store.ByReservation, first.Reservation)
		return again, created.check(&first.Meta)
	}
	var err error
	if l.instance.MetadataOptions, err = launchMetadata(w.reader, l.requested.MetadataOptions); err != nil {
		return nil, err
	}
	if l.instance.PublicKey, err = publicKey(w.reader, l.instance.KeyName); err != nil {
		return nil, err
	}
	places, err := s.launchPlaces(w.reader, l)
	if err != nil {
		return nil, err
	}
	count, err := s.roomFor(w.reader, l)
	if err != nil {
		return nil, err
	}
	takePlaces(w.reader, places)
	primary := &places[0]
	l.instance.PrivateDNSNames = primary.subnet.PrivateDNSNames
	if err := l.names.set(&l.instance.PrivateDNSNames, &primary.subnet, aaaaRecord); err != nil {
		return nil, err
	}
	publics, err := s.launchAddresses(w.reader, primary, min(count, max(l.min, primary.free())))
	if err != nil {
		return nil, err
	}
	reservation := created.newID("r", 0)
	var launched []resource.Instance
	for i := range count {
		v := l.instance
		v.Meta = w.newMeta(created.newID(instances.prefix, i), l.tags[instances.kind])
		created.mark(&v.Meta)
		v.Reservation, v.LaunchIndex = reservation, int32(i)
		v.VPC, v.Subnet, v.Zone = primary.subnet.VPC, primary.subnet.ID, primary.subnet.Zone
		if l.profile != nil {
			if err := s.giveProfile(w.reader, &v, l.profile); err != nil {
				return nil, err
			}
		}
		nics, err := s.launchInterfaces(w, l, places, &v)
		if full(err) && i >= l.min {
			break // MinCount is met
		}
		if err != nil {
			return nil, err
		}
		if nics[0].AutoPublicIP = publics != nil; nics[0].AutoPublicIP {
			s.giveAutoAddress(w, &nics[0], publics[i])
		}
		for _, nic := range nics {
			v.Interfaces = append(v.Interfaces, nic.ID)
			networkInterfaces.put(w, nic)
		}
		instances.put(w, v)
		launched = append(launched, v)
	}
	return launched, nil
}

// full tells that a subnet has no room from all else that can be wrong.
func full(err error) bool {
	var refused *resource.Error
	return errors.As(err, &refused) && refused.Code == codeSubnetFull
}

// interfaceGroups checks the security groups of a new network interface; none
// means the VPC's default one.
func (s *Service) interfaceGroups(r reader, vpc string, ids []string) ([]string, error) {
	if len(ids) == 0 {
		g, err := defaultGroupOf(r, vpc)
		return []string{g.ID}, err
	}
	if len(ids) > r.limits.SecurityGroupsPerInterface {
		return nil, resource.Errorf("SecurityGroupsPerInterfaceLimitExceeded", "The maximum number of security groups per interface has been reached: %d", r.limits.SecurityGroupsPerInterface)
	}
	for _, id := range ids {
		g, err := securityGroups.get(r, id)
		if err != nil {
			return nil, err
		}
		if !g.UsableIn(vpc) {
			return nil, resource.Errorf("InvalidParameter", "Security group %s and the subnet belong to different networks", g.ID)
		}
	}
	return ids, nil
}

// roomFor returns how many instances the limits let a request launch.
func (s *Service) roomFor(r reader, l *launch) (int, error) {
	room := r.limits.Instances - instances.table.Count(r.Reader, r.scope, store.ByWanted, resource.InstanceRunning)
	if room < l.min {
		return 0, resource.Errorf(codeInstanceLimitExceeded, "The maximum number of instances is %d, of which %d are left", r.limits.Instances, max(room, 0))
	}
	made := 0 // interfaces of each instance
	for i := range l.interfaces {
		if l.interfaces[i].existing == "" {
			made++
		}
	}
	if made == 0 {
		return min(l.max, room), nil
	}
	nics := (r.limits.NetworkInterfaces - networkInterfaces.total(r)) / made
	if nics < l.min {
		return 0, tooManyInterfaces(r.limits.NetworkInterfaces)
	}
	return min(l.max, room, nics), nil
}

// takenAddresses are those that interfaces of a subnet have.
func takenAddresses(r reader, subnet string) map[netip.Addr]bool {
	taken := make(map[netip.Addr]bool)
	for v := range networkInterfaces.table.Find(r.Reader, r.scope, store.BySubnet, subnet) {
		for _, a := range v.PrivateAddresses() {
			taken[a] = true
		}
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
