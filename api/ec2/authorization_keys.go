package ec2

import (
	"cmp"
	"strconv"
	"strings"

	model "causeway.dev/api/model/ec2"
	"causeway.dev/api/server"
	"causeway.dev/resource"
)

// Condition keys that only some types of resources have, by AWS's "Actions, resources,
// and condition keys for Amazon EC2" and, for VPN connections, "Identity and access
// management for AWS Site-to-Site VPN". Pre-shared keys are no condition key here: what
// a denial tells more would repeat them.

// setKindKeys sets the condition keys that a type has. The id is of the record that
// the target is, or "" if it is yet to be made.
func (t *targeting) setKindKeys(kind, id string, target *server.Target) {
	switch kind {
	case "vpn-connection":
		t.setConnectionKeys(id, target)
	case "instance":
		t.setInstanceKeys(id, target)
	case "network-interface":
		t.setPublicAddressKey(id, target)
		if permission, ok := t.in.Addr().Interface().(*model.CreateNetworkInterfacePermissionInput); ok {
			target.SetKey("ec2:permission", val(permission.Permission))
			target.SetKey("ec2:authorizeduser", "arn:aws:iam::"+val(permission.AwsAccountId)+":root")
		}
	case "image":
		if i, err := t.image(t.scope.Account, id); err == nil {
			target.SetKey("ec2:owner", cmp.Or(i.OwnerAlias, i.Owner))
			target.SetKey("ec2:rootdevicetype", i.RootDeviceType)
		}
		target.SetKey("ec2:public", "true")
		target.SetKey("ec2:imagetype", model.ImageTypeValuesMachine)
	case "elastic-ip":
		target.SetKey("ec2:domain", model.DomainTypeVpc)
		if v, ok := addresses.table.Get(t.Reader, t.scope, id); ok {
			target.SetKey("ec2:allocationid", v.ID)
			target.SetKey("ec2:publicipaddress", v.PublicIP.String())
		}
	case "key-pair":
		t.setKeyPairKeys(id, target)
	case "vpc":
		target.SetKey("ec2:tenancy", model.TenancyDefault)
	}
}

// setConnectionKeys tells what a VPN connection's tunnels are to permit: those of the
// request with defaults for the rest, of a change those of the tunnel as it would be.
// What is malformed the operation refuses.
func (t *targeting) setConnectionKeys(id string, target *server.Target) {
	v, ok := vpnConnections.table.Get(t.Reader, t.scope, id)
	tunnels, customer := v.Tunnels[:], v.CustomerGateway
	switch in := t.in.Addr().Interface().(type) {
	case *model.CreateVpnConnectionInput:
		wanted, _, err := t.newVPNConnection(in)
		v, ok = wanted, err == nil
		tunnels, customer = v.Tunnels[:], val(in.CustomerGatewayId)
	case *model.ModifyVpnTunnelOptionsInput:
		changed, number, err := findTunnel(&v, in.VpnTunnelOutsideIpAddress)
		if ok = ok && err == nil && in.TunnelOptions != nil && setTunnelOptions(changed, *in.TunnelOptions) == nil; ok {
			tunnels = v.Tunnels[number-1 : number]
		}
	}
	if !ok {
		return
	}
	authentication := "Pre Shared Keys"
	if c, found := customerGateways.table.Get(t.Reader, t.scope, customer); found && c.Certificate != "" {
		authentication = "Certificates"
	}
	target.SetKey("ec2:authenticationtype", authentication)
	target.SetKey("ec2:gatewaytype", "VGW")
	target.SetKey("ec2:routingtype", routingType(&v))
	for name, values := range tunnelConditionKeys(tunnels) {
		target.SetKey(name, values...)
	}
}

func routingType(v *resource.VPNConnection) string {
	if v.StaticRoutesOnly {
		return "static"
	}
	return "dynamic"
}

// tunnelConditionKeys are the values that tunnels permit, by the names of condition keys. Those
// of groups have two names in AWS's documents.
func tunnelConditionKeys(tunnels []resource.VPNTunnel) map[string][]string {
	keys := map[string][]string{}
	add := func(name string, values ...string) { keys[name] = append(keys[name], values...) }
	number := func(n int32) string { return strconv.Itoa(int(n)) }
	for i := range tunnels {
		o := tunnels[i].Effective()
		if inside := tunnels[i].InsideCIDR; inside.IsValid() {
			add("ec2:insidetunnelcidr", inside.String())
		}
		add("ec2:ikeversions", o.IKEVersions...)
		add("ec2:phase1encryptionalgorithms", o.Phase1EncryptionAlgorithms...)
		add("ec2:phase2encryptionalgorithms", o.Phase2EncryptionAlgorithms...)
		add("ec2:phase1integrityalgorithms", o.Phase1IntegrityAlgorithms...)
		add("ec2:phase2integrityalgorithms", o.Phase2IntegrityAlgorithms...)
		for _, name := range []string{"ec2:phase1dhgroup", "ec2:phase1dhgroupnumbers"} {
			add(name, mapped(o.Phase1DHGroupNumbers, func(n *int32) string { return number(*n) })...)
		}
		for _, name := range []string{"ec2:phase2dhgroup", "ec2:phase2dhgroupnumbers"} {
			add(name, mapped(o.Phase2DHGroupNumbers, func(n *int32) string { return number(*n) })...)
		}
		add("ec2:phase1lifetimeseconds", number(o.Phase1LifetimeSeconds))
		add("ec2:phase2lifetimeseconds", number(o.Phase2LifetimeSeconds))
		add("ec2:dpdtimeoutseconds", number(o.DPDTimeoutSeconds))
		add("ec2:rekeyfuzzpercentage", number(*o.RekeyFuzzPercentage))
		add("ec2:rekeymargintimeseconds", number(o.RekeyMarginTimeSeconds))
		add("ec2:replaywindowsizepackets", number(o.ReplayWindowSize))
	}
	return keys
}

// setInstanceKeys tells how an instance is, or is to be launched.
func (t *targeting) setInstanceKeys(id string, target *server.Target) {
	v, _ := instances.table.Get(t.Reader, t.scope, id)
	profile := v.Profile.ARN
	if launch, ok := t.in.Addr().Interface().(*model.RunInstancesInput); ok {
		options, err := launchMetadata(t.reader, launch.MetadataOptions)
		if err != nil {
			return // which the operation refuses
		}
		v.MetadataOptions = options
		profile = t.namedProfile()
	} else if named := t.namedProfile(); named != "" {
		target.SetKey("ec2:newinstanceprofile", named)
	}
	if profile != "" {
		target.SetKey("ec2:instanceprofile", profile)
	}
	target.SetKey("ec2:tenancy", model.TenancyDefault)
	target.SetKey("ec2:rootdevicetype", model.RootDeviceTypeInstanceStore)
	o := metadataOptionsAnswer(v.MetadataOptions)
	target.SetKey("ec2:metadatahttptokens", *o.HttpTokens)
	target.SetKey("ec2:metadatahttpendpoint", *o.HttpEndpoint)
	target.SetKey("ec2:metadatahttpputresponsehoplimit", strconv.Itoa(int(*o.HttpPutResponseHopLimit)))
	target.SetKey("ec2:instancemetadatatags", *o.InstanceMetadataTags)
	if change, ok := t.in.Addr().Interface().(*model.ModifyInstanceMetadataOptionsInput); ok {
		setMetadataChangeKeys(change, target)
	}
}

// setMetadataChangeKeys tells what a request changes of an instance's metadata options.
func setMetadataChangeKeys(in *model.ModifyInstanceMetadataOptionsInput, target *server.Target) {
	given := map[string]*string{
		"HttpTokens": in.HttpTokens, "HttpEndpoint": in.HttpEndpoint, "HttpProtocolIpv6": in.HttpProtocolIpv6, "InstanceMetadataTags": in.InstanceMetadataTags,
	}
	if in.HttpPutResponseHopLimit != nil {
		given["HttpPutResponseHopLimit"] = new(strconv.Itoa(int(*in.HttpPutResponseHopLimit)))
	}
	for name, value := range given {
		if value != nil {
			target.SetKey("ec2:attribute/"+strings.ToLower(name), *value)
		}
	}
}

// namedProfile is the ARN of the instance profile that the request names; "" for none.
func (t *targeting) namedProfile() string {
	f := t.in.FieldByName("IamInstanceProfile")
	if !f.IsValid() || f.IsNil() {
		return ""
	}
	p, _, err := profileNamed(t.reader, f.Interface().(*model.IamInstanceProfileSpecification))
	if err != nil {
		return ""
	}
	return p.ARN()
}

// setPublicAddressKey tells whether a launch asks for outside addresses of the
// interfaces that it makes; of those that are there no request does.
func (t *targeting) setPublicAddressKey(id string, target *server.Target) {
	launch, ok := t.in.Addr().Interface().(*model.RunInstancesInput)
	if !ok || id != "" {
		return
	}
	for _, n := range launch.NetworkInterfaces {
		if n.AssociatePublicIpAddress != nil {
			target.SetKey("ec2:associatepublicipaddress", append(target.Keys["ec2:associatepublicipaddress"], strconv.FormatBool(*n.AssociatePublicIpAddress))...)
		}
	}
}

func (t *targeting) setKeyPairKeys(id string, target *server.Target) {
	name, kind := server.Text(t.in, "KeyName"), server.Text(t.in, "KeyType")
	if v, ok := keyPairs.table.Get(t.Reader, t.scope, id); ok {
		name, kind = v.Name, v.Type
	}
	for key, value := range map[string]string{"ec2:keypairname": name, "ec2:keypairtype": kind} {
		if value != "" {
			target.SetKey(key, value)
		}
	}
}
