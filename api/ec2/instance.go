package ec2

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"time"

	model "causeway.dev/api/model/ec2"
	"causeway.dev/api/server"
	"causeway.dev/resource"
	"causeway.dev/store"
)

func (s *Service) instanceActions() actions {
	return actions{
		"RunInstances":              server.Operation(s.RunInstances),
		"TerminateInstances":        server.Operation(s.TerminateInstances),
		"DescribeInstances":         server.Operation(s.DescribeInstances),
		"DescribeInstanceStatus":    server.Operation(s.DescribeInstanceStatus),
		"DescribeInstanceAttribute": server.Operation(s.DescribeInstanceAttribute),
		"ModifyInstanceAttribute":   server.Operation(s.ModifyInstanceAttribute),
		"GetConsoleOutput":          server.Operation(s.GetConsoleOutput),
		"StartInstances":            server.Operation(s.StartInstances),
		"StopInstances":             server.Operation(s.StopInstances),
		"RebootInstances":           server.Operation(s.RebootInstances),

		"ModifyInstanceMetadataOptions":        server.Operation(s.ModifyInstanceMetadataOptions),
		"ModifyInstanceMetadataDefaults":       server.Operation(s.ModifyInstanceMetadataDefaults),
		"ModifyInstanceMaintenanceOptions":     server.Operation(s.ModifyInstanceMaintenanceOptions),
		"ModifyPrivateDnsNameOptions":          server.Operation(s.ModifyPrivateDnsNameOptions),
		"GetInstanceMetadataDefaults":          server.Operation(s.GetInstanceMetadataDefaults),
		"DescribeInstanceCreditSpecifications": server.Operation(s.DescribeInstanceCreditSpecifications),
		"ModifyInstanceCreditSpecification":    server.Operation(s.ModifyInstanceCreditSpecification),
		"ModifyInstanceCpuOptions":             server.Operation(s.ModifyInstanceCpuOptions),
		"ModifyInstancePlacement":              server.Operation(s.ModifyInstancePlacement),
		"ResetInstanceAttribute":               server.Operation(s.ResetInstanceAttribute),
		"MonitorInstances":                     server.Operation(s.MonitorInstances),
		"UnmonitorInstances":                   server.Operation(s.UnmonitorInstances),
	}
}

const codeInstanceLimitExceeded resource.Code = "InstanceLimitExceeded"

// An instanceView shows instances with what follows from other records.
type instanceView struct {
	service *Service
	reader  reader
}

func (s *Service) newInstanceView(r reader) instanceView { return instanceView{service: s, reader: r} }

// nic returns the primary network interface, or nil once it is gone.
func (view instanceView) nic(v *resource.Instance) *resource.NetworkInterface {
	nic := new(resource.NetworkInterface)
	if !view.readNIC(v, 0, nic) {
		return nil
	}
	return nic
}

// readNIC reads one of the network interfaces, the primary one for 0, and reports
// whether there is one.
func (view instanceView) readNIC(v *resource.Instance, number int, nic *resource.NetworkInterface) (ok bool) {
	if number >= len(v.Interfaces) {
		return false
	}
	id := v.Interfaces[number]
	*nic, ok = networkInterfaces.table.Get(view.reader.Reader, store.InterfaceScope(v, id), id)
	return ok && nic.Instance == v.ID
}

func (view instanceView) answer(v *resource.Instance) *model.Instance {
	state, reason := instanceState(view.reader, v)
	host := view.service.config.Host
	cores, threads := v.Processors()
	answer := &model.Instance{
		AmiLaunchIndex:     &v.LaunchIndex,
		Architecture:       str(host.Architecture),
		ClientToken:        str(v.ClientToken),
		CpuOptions:         &model.CpuOptions{CoreCount: new(int32(cores)), ThreadsPerCore: new(int32(threads))},
		EbsOptimized:       new(false),
		EnaSupport:         new(true),
		EnclaveOptions:     &model.EnclaveOptions{Enabled: new(false)},
		HibernationOptions: &model.HibernationOptions{Configured: new(false)},
		IamInstanceProfile: profileAnswer(v.Profile),
		ImageId:            &v.Image,
		InstanceId:         &v.ID,
		InstanceType:       &v.InstanceType,
		KeyName:            str(v.KeyName),
		LaunchTime:         timestamp(launchTime(v)),
		MaintenanceOptions: &model.InstanceMaintenanceOptions{AutoRecovery: new(autoRecovery(v)), RebootMigration: new(rebootMigration(v))},
		MetadataOptions:    metadataOptionsAnswer(v.MetadataOptions),
		Monitoring:         &model.Monitoring{State: new(monitoringState(v))},
		Placement: &model.Placement{
			AvailabilityZone: &v.Zone, AvailabilityZoneId: str(view.service.zoneIDOf(v.Region, v.Zone)), Tenancy: new(model.TenancyDefault),
		},
		PlatformDetails: new(platformLinux),
		// Scripts read the names without asking whether there are any.
		PrivateDnsName:        new(""),
		PublicDnsName:         new(""),
		RootDeviceType:        new(model.RootDeviceTypeInstanceStore),
		State:                 stateAnswer(state),
		StateTransitionReason: &v.TransitionReason,
		Tags:                  tagSet(v.Tags),
		UsageOperation:        new(operationLinux),
		VirtualizationType:    new(model.VirtualizationTypeHvm),
	}
	if reason.Code != "" {
		answer.StateReason = &model.StateReason{Code: &reason.Code, Message: &reason.Message}
	}
	nic := view.nic(v)
	if nic == nil || state == resource.InstanceTerminated {
		return answer
	}
	for number := range v.Interfaces {
		if other := new(resource.NetworkInterface); view.readNIC(v, number, other) {
			answer.NetworkInterfaces = append(answer.NetworkInterfaces, *view.interfaceAnswer(other))
		}
	}
	answer.PrivateDnsName = new(v.PrivateName(nic.Address))
	answer.PrivateDnsNameOptions = &model.PrivateDnsNameOptionsResponse{
		EnableResourceNameDnsAAAARecord: &v.PrivateDNSNames.AAAA, EnableResourceNameDnsARecord: &v.PrivateDNSNames.A, HostnameType: new(hostnameType(v.PrivateDNSNames)),
	}
	answer.PrivateIpAddress = addressText(nic.Address)
	answer.Ipv6Address = addressText(nic.FirstIPv6())
	if a, ok := view.reader.public(nic.ID, nic.Address); ok {
		answer.PublicIpAddress = addressText(a.PublicIP)
		answer.PublicDnsName = new(publicName(view.reader, v.VPC, a.PublicIP))
	}
	answer.SecurityGroups = groupIdentifiers(view.reader, nic.Groups)
	answer.SourceDestCheck = &nic.SourceDestCheck
	answer.SubnetId, answer.VpcId = &v.Subnet, &v.VPC
	return answer
}

// launchTime is when an instance was started last, other than by a reboot.
func launchTime(v *resource.Instance) time.Time {
	if v.Launched.IsZero() {
		return v.Created
	}
	return v.Launched
}

func (view instanceView) interfaceAnswer(nic *resource.NetworkInterface) *model.InstanceNetworkInterface {
	view.reader = view.reader.of(nic)
	private := mapped(nic.PrivateAddresses(), func(a *netip.Addr) model.InstancePrivateIpAddress {
		shown := model.InstancePrivateIpAddress{
			Primary: new(*a == nic.Address), PrivateDnsName: str(interfaceName(view.reader, nic.VPC, *a)), PrivateIpAddress: addressText(*a),
		}
		if public, ok := view.reader.public(nic.ID, *a); ok {
			shown.Association = &model.InstanceNetworkInterfaceAssociation{
				IpOwnerId: str(addressOwner(&public)), PublicIp: addressText(public.PublicIP), PublicDnsName: str(publicName(view.reader, nic.VPC, public.PublicIP)),
			}
		}
		return shown
	})
	var primary model.InstancePrivateIpAddress
	if len(private) > 0 {
		primary = private[0]
	}
	attachment := attachmentAnswer(view.reader, nic)
	return &model.InstanceNetworkInterface{
		Association: primary.Association,
		Attachment: &model.InstanceNetworkInterfaceAttachment{
			AttachTime: attachment.AttachTime, AttachmentId: attachment.AttachmentId, DeleteOnTermination: attachment.DeleteOnTermination,
			DeviceIndex: attachment.DeviceIndex, NetworkCardIndex: attachment.NetworkCardIndex, Status: attachment.Status,
		},
		Description:   &nic.Description,
		Groups:        groupIdentifiers(view.reader, nic.Groups),
		InterfaceType: new(interfaceType),
		Ipv6Addresses: mapped(nic.IPv6, func(a *netip.Addr) model.InstanceIpv6Address {
			return model.InstanceIpv6Address{Ipv6Address: addressText(*a), IsPrimaryIpv6: new(*a == nic.PrimaryIPv6)}
		}),
		MacAddress:         &nic.MAC,
		NetworkInterfaceId: &nic.ID,
		OwnerId:            &nic.Account,
		PrivateDnsName:     primary.PrivateDnsName,
		PrivateIpAddress:   primary.PrivateIpAddress,
		PrivateIpAddresses: private,
		SourceDestCheck:    &nic.SourceDestCheck,
		Status:             &nic.Status,
		SubnetId:           &nic.Subnet,
		VpcId:              &nic.VPC,
	}
}

// groupIdentifiers shows security groups by id and name.
func groupIdentifiers(r reader, ids []string) []model.GroupIdentifier {
	return mapped(ids, func(id *string) model.GroupIdentifier {
		g, _ := securityGroups.table.Get(r.Reader, r.scope, *id)
		return model.GroupIdentifier{GroupId: id, GroupName: str(g.Name)}
	})
}

func (view instanceView) fields() fields[resource.Instance] {
	type instance = resource.Instance
	state := func(_ reader, v *instance) string { name, _ := instanceState(view.reader, v); return name }
	f := fields[instance]{
		"architecture":                      func(reader, *instance) []string { return one(view.service.config.Host.Architecture) },
		"availability-zone":                 func(_ reader, v *instance) []string { return one(v.Zone) },
		"availability-zone-id":              func(_ reader, v *instance) []string { return one(view.service.zoneIDOf(v.Region, v.Zone)) },
		"client-token":                      func(_ reader, v *instance) []string { return one(v.ClientToken) },
		"ebs-optimized":                     func(reader, *instance) []string { return truth(false) },
		"iam-instance-profile.arn":          func(_ reader, v *instance) []string { return one(v.Profile.ARN) },
		"iam-instance-profile.id":           func(_ reader, v *instance) []string { return one(v.Profile.UniqueID) },
		"image-id":                          func(_ reader, v *instance) []string { return one(v.Image) },
		"instance-id":                       func(_ reader, v *instance) []string { return one(v.ID) },
		"instance-state-code":               func(r reader, v *instance) []string { return one(strconv.Itoa(int(instanceStateCodes[state(r, v)]))) },
		"instance-state-name":               func(r reader, v *instance) []string { return one(state(r, v)) },
		"instance-type":                     func(_ reader, v *instance) []string { return one(v.InstanceType) },
		"key-name":                          func(_ reader, v *instance) []string { return one(v.KeyName) },
		"launch-index":                      func(_ reader, v *instance) []string { return one(strconv.Itoa(int(v.LaunchIndex))) },
		"launch-time":                       func(_ reader, v *instance) []string { return one(timeText(launchTime(v))) },
		"maintenance-options.auto-recovery": func(_ reader, v *instance) []string { return one(autoRecovery(v)) },
		"metadata-options.http-endpoint": func(_ reader, v *instance) []string {
			return one(val(metadataOptionsAnswer(v.MetadataOptions).HttpEndpoint))
		},
		"metadata-options.http-protocol-ipv6": func(_ reader, v *instance) []string {
			return one(val(metadataOptionsAnswer(v.MetadataOptions).HttpProtocolIpv6))
		},
		"metadata-options.http-put-response-hop-limit": func(_ reader, v *instance) []string { return one(strconv.Itoa(v.MetadataOptions.Hops())) },
		"metadata-options.http-tokens": func(_ reader, v *instance) []string {
			return one(val(metadataOptionsAnswer(v.MetadataOptions).HttpTokens))
		},
		"metadata-options.instance-metadata-tags": func(_ reader, v *instance) []string {
			return one(val(metadataOptionsAnswer(v.MetadataOptions).InstanceMetadataTags))
		},
		"metadata-options.state": func(_ reader, v *instance) []string { return one(val(metadataOptionsAnswer(v.MetadataOptions).State)) },
		"monitoring-state":       func(_ reader, v *instance) []string { return one(monitoringState(v)) },
		"owner-id":               func(_ reader, v *instance) []string { return one(v.Account) },
		"private-dns-name-options.enable-resource-name-dns-a-record": func(_ reader, v *instance) []string {
			return truth(v.PrivateDNSNames.A)
		},
		"private-dns-name-options.enable-resource-name-dns-aaaa-record": func(_ reader, v *instance) []string {
			return truth(v.PrivateDNSNames.AAAA)
		},
		"private-dns-name-options.hostname-type": func(_ reader, v *instance) []string { return one(hostnameType(v.PrivateDNSNames)) },
		"reservation-id":                         func(_ reader, v *instance) []string { return one(v.Reservation) },
		"root-device-type":                       func(reader, *instance) []string { return one(model.RootDeviceTypeInstanceStore) },
		"subnet-id":                              func(_ reader, v *instance) []string { return one(v.Subnet) },
		"tenancy":                                func(reader, *instance) []string { return one(model.TenancyDefault) },
		"ena-support":                            func(reader, *instance) []string { return truth(true) },
		"enclave-options.enabled":                func(reader, *instance) []string { return truth(false) },
		"hibernation-options.configured":         func(reader, *instance) []string { return truth(false) },
		"platform-details":                       func(reader, *instance) []string { return one(platformLinux) },
		"usage-operation":                        func(reader, *instance) []string { return one(operationLinux) },
		"virtualization-type":                    func(reader, *instance) []string { return one(model.VirtualizationTypeHvm) },
		"vpc-id":                                 func(_ reader, v *instance) []string { return one(v.VPC) },
		"reason":                                 func(_ reader, v *instance) []string { return one(v.TransitionReason) },
		"state-reason-code": func(_ reader, v *instance) []string {
			_, reason := instanceState(view.reader, v)
			return one(reason.Code)
		},
		"state-reason-message": func(_ reader, v *instance) []string {
			_, reason := instanceState(view.reader, v)
			return one(reason.Message)
		},
	}
	// Filters of the interfaces: of any of them by their names here, and of the
	// primary one those that the instance has of its own.
	own := map[string]string{
		"private-ip-address":          "private-ip-address",
		"association.public-ip":       "ip-address",
		"ipv6-addresses.ipv6-address": "ipv6-address",
		"association.public-dns-name": "dns-name",
		"source-dest-check":           "source-dest-check",
		"group-id":                    "instance.group-id",
		"group-name":                  "instance.group-name",
	}
	nic := new(resource.NetworkInterface) // of the instance that is looked at
	ofInterfaces := view.service.networkInterfaceFields()
	maps.Copy(ofInterfaces, instanceInterfaceFields)
	for name, values := range ofInterfaces {
		f["network-interface."+name] = func(r reader, v *instance) (found []string) {
			for number := range v.Interfaces {
				if view.readNIC(v, number, nic) {
					found = append(found, values(r.of(nic), nic)...)
				}
			}
			return found
		}
		if alias, ok := own[name]; ok {
			f[alias] = func(r reader, v *instance) []string {
				if view.readNIC(v, 0, nic) {
					return values(r, nic)
				}
				return nil
			}
		}
	}
	f["private-dns-name"] = func(_ reader, v *instance) []string {
		if view.readNIC(v, 0, nic) {
			return one(v.PrivateName(nic.Address))
		}
		return nil
	}
	return f
}

// timeText is how filters spell a time.
func timeText(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// DescribeInstances lists instances by the request that launched them.
func (s *Service) DescribeInstances(_ context.Context, c server.Caller, in *model.DescribeInstancesInput) (*model.DescribeInstancesOutput, error) {
	view := s.newInstanceView(s.read(c))
	found, next, err := describe(view.reader, instances, view.fields(), query{"DescribeInstances", in.DryRun, in.InstanceIds, in.Filters, in.MaxResults, in.NextToken})
	if err != nil {
		return nil, err
	}
	out := &model.DescribeInstancesOutput{NextToken: next}
	at := make(map[string]int) // by reservation
	for i := range found {
		v := &found[i]
		if _, ok := at[v.Reservation]; !ok {
			at[v.Reservation] = len(out.Reservations)
			out.Reservations = append(out.Reservations, model.Reservation{OwnerId: &v.Account, ReservationId: &v.Reservation})
		}
		r := &out.Reservations[at[v.Reservation]]
		r.Instances = append(r.Instances, *view.answer(v))
	}
	return out, nil
}

// DescribeInstanceStatus tells the health of instances: of those that run, or of
// all that are asked for.
func (s *Service) DescribeInstanceStatus(_ context.Context, c server.Caller, in *model.DescribeInstanceStatusInput) (*model.DescribeInstanceStatusOutput, error) {
	view := s.newInstanceView(s.read(c))
	f := view.fields()
	summary := func(_ reader, v *resource.Instance) []string { status, _ := view.health(v); return one(status) }
	reachability := func(_ reader, v *resource.Instance) []string { _, reachable := view.health(v); return one(reachable) }
	for _, of := range []string{"instance-status", "system-status"} {
		f[of+".status"], f[of+".reachability"] = summary, reachability
	}
	chosen := query{"DescribeInstanceStatus", in.DryRun, in.InstanceIds, in.Filters, in.MaxResults, in.NextToken}
	if !val(in.IncludeAllInstances) {
		chosen.filters = append(slices.Clone(in.Filters), model.Filter{Name: new("instance-state-name"), Values: []string{resource.InstanceRunning}})
	}
	found, next, err := describe(view.reader, instances, f, chosen)
	if err != nil {
		return nil, err
	}
	return &model.DescribeInstanceStatusOutput{InstanceStatuses: answers(found, view.status), NextToken: next}, nil
}

// health says how an instance is, as far as its node sees: one that runs is.
func (view instanceView) health(v *resource.Instance) (summary, reachability string) {
	switch state, _ := instanceState(view.reader, v); state {
	case resource.InstanceRunning:
		return model.SummaryStatusOk, model.StatusTypePassed
	case resource.InstancePending:
		return model.SummaryStatusInitializing, model.StatusTypeInitializing
	default:
		return model.SummaryStatusNotApplicable, ""
	}
}

func (view instanceView) status(v *resource.Instance) *model.InstanceStatus {
	state, _ := instanceState(view.reader, v)
	status, reachability := view.health(v)
	summary := &model.InstanceStatusSummary{Status: &status}
	if reachability != "" {
		summary.Details = []model.InstanceStatusDetails{{Name: new(model.StatusNameReachability), Status: &reachability}}
	}
	return &model.InstanceStatus{
		AvailabilityZone: &v.Zone, AvailabilityZoneId: str(view.service.zoneIDOf(v.Region, v.Zone)), InstanceId: &v.ID,
		InstanceState: stateAnswer(state), InstanceStatus: summary, SystemStatus: summary,
	}
}

// consoleMax is the number of bytes of console output that AWS keeps.
const consoleMax = 64 * 1024

// GetConsoleOutput returns the newest that an instance printed.
func (s *Service) GetConsoleOutput(ctx context.Context, c server.Caller, in *model.GetConsoleOutputInput) (*model.GetConsoleOutputOutput, error) {
	v, err := instances.get(s.read(c), val(in.InstanceId))
	if err != nil {
		return nil, err
	}
	if err := checkDryRun(in.DryRun); err != nil {
		return nil, err
	}
	out := &model.GetConsoleOutputOutput{InstanceId: &v.ID}
	if s.config.Console == nil {
		return out, nil
	}
	output, at, err := s.config.Console.ConsoleOutput(ctx, v.ID)
	if err != nil {
		return nil, fmt.Errorf("read the console of %s: %w", v.ID, err)
	}
	output = output[max(0, len(output)-consoleMax):]
	out.Output, out.Timestamp = str(base64Text(output)), timestamp(at)
	return out, nil
}
