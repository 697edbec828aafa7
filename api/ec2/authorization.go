package ec2

import (
	"cmp"
	"reflect"
	"slices"
	"strings"
	"unicode"

	model "causeway.dev/api/model/ec2"
	"causeway.dev/api/server"
	"causeway.dev/resource"
	"causeway.dev/store"
)

// What policies call the things that requests are about follows from the requests
// themselves, as in AWS's "Actions, resources, and condition keys for Amazon EC2":
// an id says what it is of; what is yet to be made has "*" for an id.

// arnKinds are the types of resources in ARNs, by the prefix of their ids.
var arnKinds = map[string]string{
	"vpc": "vpc", "subnet": "subnet", "rtb": "route-table", "sg": "security-group", "sgr": "security-group-rule",
	"acl": "network-acl", "eni": "network-interface", "i": "instance", "igw": "internet-gateway",
	"eigw": "egress-only-internet-gateway", "nat": "natgateway", "eipalloc": "elastic-ip", "key": "key-pair",
	"dopt": "dhcp-options", "pl": "prefix-list", "fl": "vpc-flow-log", "cgw": "customer-gateway", "vgw": "vpn-gateway",
	"vpn": "vpn-connection", "cvpn-endpoint": "client-vpn-endpoint", "tgw": "transit-gateway",
	"tgw-attach": "transit-gateway-attachment", "tgw-rtb": "transit-gateway-route-table", "pcx": "vpc-peering-connection",
	"vpce": "vpc-endpoint", "vpce-svc": "vpc-endpoint-service", "ami": "image", "vol": "volume", "scr": "subnet-cidr-reservation",
	"vpcbpa-exclude": "vpc-block-public-access-exclusion",
}

// A partOf finds the id of the resource that something belongs to which has an id and
// no ARN: that of a route table for an association. It looks only at the ids that we
// make up: whoever writes an id into a tag or a description of its own resource does
// not make what the id is of its own.
type partOf func(r reader, id string) string

// parts are the prefixes of such ids.
var parts = map[string]partOf{
	associationPrefix: wholeOf(routeTables, func(v *resource.RouteTable, id string) bool {
		return v.MainAssociation == id || slices.ContainsFunc(v.Associations, func(a resource.RouteTableAssociation) bool { return a.ID == id })
	}),
	aclAssociationPrefix: wholeOf(networkACLs, func(v *resource.NetworkACL, id string) bool {
		return slices.ContainsFunc(v.Associations, func(a resource.NetworkACLAssociation) bool { return a.ID == id })
	}),
	addressAssociationPrefix: wholeOf(addresses, func(v *resource.Address, id string) bool { return v.Association == id }),
	permissionPrefix: wholeOf(networkInterfaces, func(v *resource.NetworkInterface, id string) bool {
		return slices.ContainsFunc(v.Permissions, func(p resource.InterfacePermission) bool { return p.ID == id })
	}),
	attachmentPrefix: wholeOf(networkInterfaces, func(v *resource.NetworkInterface, id string) bool { return v.AttachmentID == id }),
	vpcCIDRAssociationPrefix: wholeOf(vpcs, func(v *resource.VPC, id string) bool {
		return slices.ContainsFunc(slices.Concat(v.CIDRs, v.IPv6), func(a resource.CIDRAssociation) bool { return a.ID == id })
	}),
	subnetCIDRAssociationPrefix: wholeOf(subnets, func(v *resource.Subnet, id string) bool {
		return slices.ContainsFunc(v.IPv6, func(a resource.CIDRAssociation) bool { return a.ID == id })
	}),
	profileAssociationPrefix: wholeOf(instances, func(v *resource.Instance, id string) bool { return v.Profile.ID == id }),
}

// wholeOf looks for a part in all records of a noun.
func wholeOf[T any](n *noun[T], has func(v *T, part string) bool) partOf {
	return func(r reader, id string) string {
		for v := range n.table.Scan(r.Reader, r.scope) {
			if has(v, id) {
				return metaOf(v).ID
			}
		}
		return ""
	}
}

// created are the resources that actions make whose names do not say it.
var created = map[string][]string{
	"AllocateAddress":         {"elastic-ip"},
	"CreateDefaultSubnet":     {"subnet"},
	"CreateDefaultVpc":        {"vpc"},
	"CreateFlowLogs":          {"vpc-flow-log"},
	"CreateManagedPrefixList": {"prefix-list"},
	"CreateNatGateway":        {"natgateway"},
	"ImportKeyPair":           {"key-pair"},
	"RunInstances":            {"instance", "network-interface", "volume"},
}

// taggedParts are what actions can tag besides what they make.
var taggedParts = map[string][]string{
	"AuthorizeSecurityGroupEgress":  {"security-group-rule"},
	"AuthorizeSecurityGroupIngress": {"security-group-rule"},
}

// describedOne are those that describe and yet are about one resource. Others
// that describe are about nothing in particular, whatever ids they name.
var describedOne = []string{"DescribeInstanceAttribute", "DescribeVpcAttribute"}

// about restricts the members that say what a request is about, where others have
// ids, too: a route's target has no say in who may make it.
var about = map[string][]string{
	"CreateRoute":  {"RouteTableId"},
	"ReplaceRoute": {"RouteTableId"},
}

// targets tells what a request is about.
func (s *Service) targets(c server.Caller, action string, input any) []server.Target {
	if strings.HasPrefix(action, "Describe") && !slices.Contains(describedOne, action) {
		return nil
	}
	t := targeting{Service: s, reader: s.read(c), action: action, in: reflect.ValueOf(input).Elem(), known: map[string]bool{}}
	t.addIDs(t.in)
	t.addNamed()
	if action == "RunInstances" {
		t.addLaunch()
	}
	if key := server.Text(t.in, "KeyName"); key != "" && !t.makes("key-pair") {
		t.addKeyPairNamed(key)
	}
	t.addCreated()
	t.addLogDelivery()
	t.addPassedRole()
	return t.targets
}

// addLogDelivery adds what it takes to have logs written in one's name: AWS's pages
// on the logs of VPN tunnels and of flows ask for CreateLogDelivery, which is on no
// resource in particular, and for passing the role that writes.
func (t *targeting) addLogDelivery() {
	delivery := func(actions ...string) {
		for _, action := range actions {
			t.add(server.Target{ARN: "*", Action: "logs:" + action})
		}
	}
	switch in := t.in.Addr().Interface().(type) {
	case *model.CreateFlowLogsInput:
		delivery("CreateLogDelivery")
		if role := val(in.DeliverLogsPermissionArn); role != "" {
			passed := server.Target{ARN: role, Action: "iam:PassRole"}
			passed.SetKey("iam:passedtoservice", flowLogService)
			t.add(passed)
		}
	case *model.DeleteFlowLogsInput:
		delivery("DeleteLogDelivery")
	case *model.CreateVpnConnectionInput:
		if in.Options != nil && slices.ContainsFunc(in.Options.TunnelOptions, func(o model.VpnTunnelOptionsSpecification) bool { return o.LogOptions != nil }) {
			delivery("CreateLogDelivery")
		}
	case *model.ModifyVpnTunnelOptionsInput:
		if in.TunnelOptions != nil && in.TunnelOptions.LogOptions != nil {
			delivery("CreateLogDelivery", "UpdateLogDelivery")
		}
	}
}

// addNamed adds what a request names other than by an id, and what it means by
// naming nothing.
func (t *targeting) addNamed() {
	switch t.action {
	case "AssociateAddress", "DisassociateAddress", "ReleaseAddress":
		if public := server.Text(t.in, "PublicIp"); public != "" {
			// Where it is nobody's, the operation says so.
			v, _ := addressBy(t.reader, nil, &public)
			t.addID(v.ID)
		}
	case "DetachNetworkInterface":
		if nic, err := attachedInterface(t.reader, server.Text(t.in, "AttachmentId")); err == nil {
			t.addID(nic.ID)
			t.addID(nic.Instance)
		}
	case "ModifyInstanceCreditSpecification":
		for _, one := range t.in.Addr().Interface().(*model.ModifyInstanceCreditSpecificationInput).InstanceCreditSpecifications {
			t.addID(val(one.InstanceId))
		}
	case "ModifySecurityGroupRules":
		for _, one := range t.in.Addr().Interface().(*model.ModifySecurityGroupRulesInput).SecurityGroupRules {
			t.addID(val(one.SecurityGroupRuleId))
		}
	case "CreateSecurityGroup":
		if vpc, ok := defaultVPC(t.reader); ok && server.Text(t.in, "VpcId") == "" {
			t.addID(vpc.ID)
		}
	default:
		if name := server.Text(t.in, "GroupName"); name != "" && server.Text(t.in, "GroupId") == "" {
			id, _ := groupID(t.reader, nil, &name)
			t.addID(id)
		}
	}
}

// addKeyPairNamed adds the key pair of a name, which has its say as by its id.
func (t *targeting) addKeyPairNamed(name string) {
	if v, err := keyPairNamed(t.reader, name); err == nil {
		t.addID(v.ID)
		return
	}
	t.add(server.Target{ARN: *t.arn("key-pair", name)})
}

// addLaunch adds what instances are made from, and where.
func (t *targeting) addLaunch() {
	in := t.in.Addr().Interface().(*model.RunInstancesInput)
	for i := range in.NetworkInterfaces {
		t.addIDs(reflect.ValueOf(in.NetworkInterfaces[i]))
	}
	if image := val(in.ImageId); image != "" {
		t.add(server.Target{ARN: "arn:aws:ec2:" + t.scope.Region + "::image/" + image})
	}
	for _, name := range in.SecurityGroups {
		id, _ := groupID(t.reader, nil, &name)
		t.addID(id)
	}
	if slices.ContainsFunc(t.targets, func(o server.Target) bool { return strings.Contains(o.ARN, ":subnet/") }) {
		return
	}
	if slices.ContainsFunc(in.NetworkInterfaces, func(n model.InstanceNetworkInterfaceSpecification) bool { return val(n.NetworkInterfaceId) != "" }) {
		return
	}
	// An account's first request makes the default subnets, after this.
	t.subnet = t.defaultSubnetOf(in.Placement)
	if t.subnet == "" {
		t.add(server.Target{ARN: *t.arn("subnet", "*")})
	}
	t.addID(t.subnet)
}

// defaultSubnetOf returns the id of the subnet of a launch that names none, or "".
func (t *targeting) defaultSubnetOf(placement *model.Placement) string {
	zone := ""
	if placement != nil {
		zone = cmp.Or(val(placement.AvailabilityZone), val(placement.AvailabilityZoneId))
	}
	subnet, err := t.defaultSubnet(t.reader, zone)
	if err != nil {
		return ""
	}
	return subnet.ID
}

// A targeting finds out what one request is about.
type targeting struct {
	*Service
	reader
	action  string
	in      reflect.Value
	subnet  string // of a launch that names none
	parts   int    // that were looked for
	known   map[string]bool
	targets []server.Target
}

// partsMax bounds the parts that are looked for, as that means to go through all
// records. Each has a member of its own: there are no lists of them.
const partsMax = 4

func (t *targeting) add(target server.Target) {
	name := target.Action + " " + target.ARN
	if t.known[name] {
		return
	}
	t.known[name] = true
	t.targets = append(t.targets, target)
}

// addIDs adds what the ids in the members of a structure are of.
func (t *targeting) addIDs(v reflect.Value) {
	only := about[t.action]
	for i := range v.NumField() {
		if only != nil && !slices.Contains(only, v.Type().Field(i).Name) {
			continue
		}
		switch value := v.Field(i).Interface().(type) {
		case *string:
			t.addID(val(value))
		case []string:
			for _, id := range value {
				t.addID(id)
			}
		}
	}
}

func (t *targeting) addID(id string) {
	at := strings.LastIndexByte(id, '-')
	if at < 0 || !wellFormed(id[:at], id) {
		return
	}
	prefix := id[:at]
	if whole, ok := parts[prefix]; ok {
		if t.parts++; t.parts > partsMax {
			return
		}
		id = whole(t.reader, id)
		prefix, _, _ = strings.Cut(id, "-")
	}
	kind, ok := arnKinds[prefix]
	if !ok || id == "" {
		return
	}
	p := t.properties(id)
	target := server.Target{ARN: *t.arn(kind, id)}
	switch {
	case kind == "network-interface":
		for foreign := range t.foreignInterfaces() {
			if foreign.ID == id {
				target.ARN = *t.of(foreign).arn(kind, id)
			}
		}
	case kind == "image":
		target.ARN = "arn:aws:ec2:" + t.scope.Region + "::image/" + id
	case kind == "key-pair" && p.name != "":
		target.ARN = *t.arn(kind, p.name)
	}
	p.describe(t.reader, &target)
	t.setKindKeys(kind, id, &target)
	target.SetKey("ec2:"+strings.ReplaceAll(kind, "-", "")+"id", id)
	if t.action == "CreateTags" || t.action == "DeleteTags" {
		given, _ := t.in.FieldByName("Tags").Interface().([]model.Tag)
		target.SetRequestTags(requestTags(given))
		if given == nil { // it removes all that there are
			target.SetKey("aws:tagkeys", mapped(p.tags, func(tag *resource.Tag) string { return tag.Key })...)
		}
	}
	t.add(target)
}

// makes reports whether the action makes something of a type.
func (t *targeting) makes(kind string) bool { return slices.Contains(t.kinds(), kind) }

// kinds are the types of what the action makes: those that it can tag.
func (t *targeting) kinds() []string {
	if kinds, ok := created[t.action]; ok {
		return kinds
	}
	noun, ok := strings.CutPrefix(t.action, "Create")
	if !ok || !t.in.FieldByName("TagSpecifications").IsValid() {
		return nil
	}
	return []string{hyphenated(noun)}
}

// addCreated adds what the request makes. To give it tags at once needs the
// permission to tag, too.
func (t *targeting) addCreated() {
	for _, kind := range t.kinds() {
		id := "*"
		if name := server.Text(t.in, "KeyName"); kind == "key-pair" && name != "" {
			id = name
		}
		target := server.Target{ARN: *t.arn(kind, id)}
		t.place().describe(t.reader, &target)
		t.setKindKeys(kind, "", &target)
		if value := server.Text(t.in, "InstanceType"); kind == "instance" && value != "" {
			target.SetKey("ec2:instancetype", value)
		}
		target.SetRequestTags(t.tagsOfKind(kind))
		t.add(target)
		t.addTagging(kind, target.ARN)
	}
	for _, kind := range taggedParts[t.action] {
		t.addTagging(kind, *t.arn(kind, "*"))
	}
}

// addTagging adds the permission to tag what the request makes.
func (t *targeting) addTagging(kind, arn string) {
	tags := t.tagsOfKind(kind)
	if len(tags) == 0 {
		return
	}
	tagging := server.Target{ARN: arn, Action: "ec2:CreateTags"}
	t.place().describe(t.reader, &tagging)
	tagging.SetRequestTags(tags)
	tagging.SetKey("ec2:createaction", t.action)
	t.add(tagging)
}

// place is where the request makes something.
func (t *targeting) place() properties {
	p := properties{subnet: cmp.Or(server.Text(t.in, "SubnetId"), t.subnet), vpc: server.Text(t.in, "VpcId")}
	if launch, ok := t.in.Addr().Interface().(*model.RunInstancesInput); ok && p.subnet == "" && len(launch.NetworkInterfaces) > 0 {
		p.subnet = val(launch.NetworkInterfaces[0].SubnetId)
	}
	if p.vpc == "" && p.subnet != "" {
		p.vpc = t.properties(p.subnet).vpc
	}
	return p
}

// tagsOfKind returns the tags that a request has for a type.
func (t *targeting) tagsOfKind(kind string) []resource.Tag {
	var tags []resource.Tag
	if f := t.in.FieldByName("TagSpecifications"); f.IsValid() {
		given, _ := f.Interface().([]model.TagSpecification)
		for _, s := range given {
			if val(s.ResourceType) == kind {
				tags = append(tags, requestTags(s.Tags)...)
			}
		}
	}
	return tags
}

// hyphenated turns "VpcPeeringConnection" into "vpc-peering-connection".
func hyphenated(name string) string {
	var b strings.Builder
	for i, r := range name {
		if unicode.IsUpper(r) && i > 0 {
			b.WriteByte('-')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}

// properties are what policies ask of a record.
type properties struct {
	tags         []resource.Tag
	vpc, subnet  string // ids
	zone, name   string
	instanceType string
}

// describe sets the condition keys of a target.
func (p properties) describe(r reader, target *server.Target) {
	target.SetResourceTags("aws:resourcetag/", p.tags)
	target.SetResourceTags("ec2:resourcetag/", p.tags)
	for name, value := range map[string]*string{
		"ec2:vpc": arnOf(r, "vpc", p.vpc), "ec2:subnet": arnOf(r, "subnet", p.subnet),
		"ec2:availabilityzone": str(p.zone), "ec2:instancetype": str(p.instanceType),
	} {
		if value != nil {
			target.SetKey(name, *value)
		}
	}
}

func arnOf(r reader, kind, id string) *string {
	if id == "" {
		return nil
	}
	return r.arn(kind, id)
}

// A described is a noun that can tell the properties of its records.
type described interface {
	propertiesOf(r reader, id string) properties
}

// properties returns those of the record with an id, if there is one.
func (r reader) properties(id string) properties {
	for _, t := range taggables {
		if d, ok := t.(described); ok && t.owns(id) {
			return d.propertiesOf(r, id)
		}
	}
	return properties{}
}

func (n *noun[T]) propertiesOf(r reader, id string) properties {
	found, ok := n.table.Get(r.Reader, r.scope, id)
	if !ok {
		return properties{}
	}
	v := reflect.ValueOf(found)
	field := func(name string) string {
		if f := v.FieldByName(name); f.IsValid() && f.Kind() == reflect.String {
			return f.String()
		}
		return ""
	}
	return properties{
		tags: metaOf(&found).Tags, vpc: field("VPC"), subnet: field("Subnet"), zone: field("Zone"), name: field("Name"), instanceType: field("InstanceType"),
	}
}

// The rules of security groups are within their groups.
func (securityGroupRules) propertiesOf(r reader, id string) properties {
	for group := range store.SecurityGroups.Scan(r.Reader, r.scope) {
		if at := ruleByID(group, id); at >= 0 {
			return properties{vpc: group.VPC, tags: group.Rules[at].Tags}
		}
	}
	return properties{}
}
