package plan

import (
	"cmp"
	"encoding/json"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"causeway.dev/nodespec"
	"causeway.dev/resource"
	"causeway.dev/store"
)

// metadataAddress is where instances ask about themselves ("Instance metadata" in
// the EC2 user guide).
var (
	metadataAddress  = netip.AddrFrom4([4]byte{169, 254, 169, 254})
	metadataAddress6 = netip.MustParseAddr("fd00:ec2::254")
)

// metadataAddresses are where the service is found in a VPC.
func metadataAddresses(vpc resource.VPC) []netip.Addr {
	if resource.AssociatedCIDR(vpc.IPv6).IsValid() {
		return []netip.Addr{metadataAddress, metadataAddress6}
	}
	return []netip.Addr{metadataAddress}
}

// metadata compiles what the instances of a VPC are told about themselves.
func (c *compiler) metadata(vpc resource.VPC) []nodespec.HostMetadata {
	byInstance := make(map[string][]plugged)
	for _, p := range c.plugged {
		if p.instance.ID != "" {
			byInstance[p.instance.ID] = append(byInstance[p.instance.ID], p)
		}
	}
	hosts := make([]nodespec.HostMetadata, 0, len(byInstance))
	for _, all := range byInstance {
		slices.SortFunc(all, func(a, b plugged) int { return cmp.Compare(a.nic.DeviceIndex, b.nic.DeviceIndex) })
		if all[0].nic.DeviceIndex == 0 {
			hosts = append(hosts, c.hostMetadata(vpc, all))
		}
	}
	slices.SortFunc(hosts, func(a, b nodespec.HostMetadata) int { return cmp.Compare(a.Instance, b.Instance) })
	return hosts
}

// hostMetadata compiles one instance's, whose primary interface is the first.
func (c *compiler) hostMetadata(vpc resource.VPC, all []plugged) nodespec.HostMetadata {
	v, nic := all[0].instance, all[0].nic
	o := v.MetadataOptions
	m := nodespec.HostMetadata{Instance: v.ID, Disabled: o.Disabled, TokensOptional: o.TokensOptional, HopLimit: o.Hops()}
	for _, p := range all {
		m.Sources = append(m.Sources, p.nic.PrivateAddresses()...)
		if o.IPv6 {
			m.Sources = append(m.Sources, p.nic.IPv6...)
		}
	}
	if o.Disabled {
		return m
	}
	name := v.PrivateName(nic.Address)
	items := itemList{}
	items.add("meta-data/ami-id", v.Image)
	items.add("meta-data/ami-launch-index", strconv.Itoa(int(v.LaunchIndex)))
	items.add("meta-data/ami-manifest-path", "(unknown)")
	items.add("meta-data/hostname", name)
	items.add("meta-data/instance-action", "none")
	items.add("meta-data/instance-id", v.ID)
	items.add("meta-data/instance-life-cycle", "on-demand")
	items.add("meta-data/instance-type", v.InstanceType)
	items.add("meta-data/local-hostname", name)
	if nic.Address.IsValid() {
		items.add("meta-data/local-ipv4", nic.Address.String())
	}
	if first := nic.FirstIPv6(); first.IsValid() {
		items.add("meta-data/ipv6", first.String())
	}
	items.add("meta-data/mac", nic.MAC)
	items.add("meta-data/placement/availability-zone", v.Zone)
	items.add("meta-data/placement/region", v.Region)
	items.add("meta-data/profile", "default-hvm")
	items.add("meta-data/reservation-id", v.Reservation)
	items.add("meta-data/security-groups", strings.Join(c.groupNames(nic), "\n"))
	items.add("meta-data/services/domain", "amazonaws.com")
	items.add("meta-data/services/partition", "aws")
	if public, ok := c.publicOf(nic.Address); ok {
		items.add("meta-data/public-hostname", resource.PublicName(v.Region, public))
		items.add("meta-data/public-ipv4", public.String())
	}
	if v.PublicKey != "" {
		items.add("meta-data/public-keys/", "0="+v.KeyName)
		items.add("meta-data/public-keys/0/openssh-key", v.PublicKey+" "+v.KeyName)
	}
	for _, tag := range v.Tags {
		if o.Tags {
			items.add("meta-data/tags/instance/"+tag.Key, tag.Value)
		}
	}
	m.Role = c.roleMetadata(&items, v)
	for _, p := range all {
		c.interfaceMetadata(&items, vpc, p)
	}
	if len(v.UserData) > 0 {
		items.add("user-data", string(v.UserData))
	}
	items.add("dynamic/instance-identity/document", identityDocument(v, nic.Address))
	m.Items = items
	return m
}

type itemList []nodespec.MetadataItem

func (l *itemList) add(path, value string) {
	*l = append(*l, nodespec.MetadataItem{Path: path, Value: value})
}

// roleMetadata tells of an instance's profile and, if that has one, of its role, which
// it returns.
func (c *compiler) roleMetadata(items *itemList, v resource.Instance) (of nodespec.HostRole) {
	has := v.Profile
	if has.ID == "" {
		return of
	}
	identities := store.Scope{Account: v.Account, Region: resource.GlobalRegion}
	profile, ok := store.InstanceProfiles.Get(c.snapshot, identities, has.Profile)
	if !ok || profile.UniqueID != has.UniqueID {
		items.add("meta-data/iam/info", profileGone(has))
		return of
	}
	items.add("meta-data/iam/info", profileDocument(has))
	role, ok := store.Roles.Get(c.snapshot, identities, profile.Role)
	if !ok {
		return of
	}
	*items = append(*items, nodespec.MetadataItem{Path: "meta-data/iam/security-credentials/" + role.Name, Credentials: true})
	return nodespec.HostRole{ARN: role.ARN(), Host: "arn:aws:ec2:" + v.Region + ":" + v.Account + ":instance/" + v.ID}
}

// interfaceMetadata tells of one interface of an instance.
func (c *compiler) interfaceMetadata(items *itemList, vpc resource.VPC, p plugged) {
	nic, under := p.nic, "meta-data/network/interfaces/macs/"+p.nic.MAC+"/"
	add := func(path string, values ...string) {
		if len(values) > 0 {
			items.add(under+path, strings.Join(values, "\n"))
		}
	}
	var local, public []string
	for _, a := range nic.PrivateAddresses() {
		local = append(local, a.String())
		if outside, ok := c.publicOf(a); ok {
			public = append(public, outside.String())
			items.add(under+"ipv4-associations/"+outside.String(), a.String())
		}
	}
	add("device-number", strconv.Itoa(int(nic.DeviceIndex)))
	add("interface-id", nic.ID)
	if nic.Address.IsValid() {
		add("local-hostname", resource.PrivateName(nic.Region, nic.Address))
	} else {
		add("local-hostname", p.instance.ResourceName())
	}
	add("local-ipv4s", local...)
	add("mac", nic.MAC)
	add("owner-id", nic.Account)
	add("public-ipv4s", public...)
	add("security-group-ids", nic.Groups...)
	add("security-groups", c.groupNames(nic)...)
	add("subnet-id", nic.Subnet)
	if !p.subnet.IPv6Only() {
		add("subnet-ipv4-cidr-block", p.subnet.CIDR.String())
	}
	add("vpc-id", vpc.ID)
	var blocks []string
	for _, association := range vpc.CIDRs {
		blocks = append(blocks, association.Prefix.String())
	}
	if len(blocks) > 0 {
		add("vpc-ipv4-cidr-block", blocks[0])
	}
	add("vpc-ipv4-cidr-blocks", blocks...)
	var ipv6 []string
	for _, a := range nic.IPv6 {
		ipv6 = append(ipv6, a.String())
	}
	add("ipv6s", ipv6...)
	if prefix := resource.AssociatedCIDR(p.subnet.IPv6); prefix.IsValid() {
		add("subnet-ipv6-cidr-blocks", prefix.String())
	}
}

// groupNames are the names of an interface's security groups.
func (c *compiler) groupNames(nic resource.NetworkInterface) []string {
	var names []string
	for _, id := range nic.Groups {
		if g, ok := store.SecurityGroups.Get(c.snapshot, scopeOf(nic.Meta), id); ok {
			names = append(names, g.Name)
		}
	}
	return names
}

// publicOf returns the outside address of a private one of the VPC.
func (c *compiler) publicOf(private netip.Addr) (netip.Addr, bool) {
	for _, e := range c.elastic {
		if e.Inside == private {
			return e.Outside, true
		}
	}
	return netip.Addr{}, false
}

// profileDocument tells an instance of its profile.
func profileDocument(p resource.ProfileAssociation) string {
	return jsonText(struct{ Code, LastUpdated, InstanceProfileArn, InstanceProfileId string }{"Success", p.At.UTC().Format(time.RFC3339), p.ARN, p.UniqueID})
}

// profileGone tells an instance that its profile was deleted.
func profileGone(p resource.ProfileAssociation) string {
	return jsonText(struct{ Code, Message, LastUpdated string }{"InstanceProfileNotFound", "Instance Profile with ID " + p.UniqueID + " cannot be found.", p.At.UTC().Format(time.RFC3339)})
}

// jsonText writes what has nothing that cannot be written.
func jsonText(v any) string {
	text, _ := json.MarshalIndent(v, "", "  ")
	return string(text)
}

// identityDocument tells an instance who it is, in one piece. It is not signed.
func identityDocument(v resource.Instance, private netip.Addr) string {
	started := v.Created
	if !v.Launched.IsZero() {
		started = v.Launched
	}
	var privateIP *string
	if private.IsValid() {
		privateIP = new(private.String())
	}
	return jsonText(struct {
		AccountID        string    `json:"accountId"`
		AvailabilityZone string    `json:"availabilityZone"`
		ImageID          string    `json:"imageId"`
		InstanceID       string    `json:"instanceId"`
		InstanceType     string    `json:"instanceType"`
		PendingTime      time.Time `json:"pendingTime"`
		PrivateIP        *string   `json:"privateIp"` // null: it has no IPv4 address
		Region           string    `json:"region"`
		Version          string    `json:"version"`
	}{v.Account, v.Zone, v.Image, v.ID, v.InstanceType, started.UTC().Truncate(time.Second), privateIP, v.Region, "2017-09-30"})
}
