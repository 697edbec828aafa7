package ec2

import (
	"slices"
	"strings"
	"testing"

	"causeway.dev/resource"
	"causeway.dev/store"
)

// profile stores an instance profile with a role, or without one.
func (c *cloud) profile(name, role string) (arn string) {
	c.Helper()
	identity := func(name string) resource.Identity {
		meta := resource.Meta{ID: resource.IdentityID(name), Account: c.account, Region: resource.GlobalRegion}
		return resource.Identity{Meta: meta, Name: name, Path: "/team/", UniqueID: "AIPA" + strings.ToUpper(name)}
	}
	p := resource.InstanceProfile{Identity: identity(name), Role: resource.IdentityID(role)}
	c.update(func(tx *store.Tx, _ store.Scope) {
		if role != "" {
			store.Roles.Put(tx, resource.Role{Identity: identity(role)})
		}
		store.InstanceProfiles.Put(tx, p)
	})
	return p.ARN()
}

func TestInstanceProfiles(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	subnet := c.subnet(c.vpc("10.0.0.0/16"), "10.0.1.0/24")
	web, db := c.profile("Web", "reader"), c.profile("Db", "writer")
	byName, byARN := c.instance(subnet, "IamInstanceProfile.Name", "Web"), c.instance(subnet, "IamInstanceProfile.Arn", db)
	for instance, want := range map[string][]string{byName: {web, "AIPAWEB"}, byARN: {db, "AIPADB"}, c.instance(subnet): {"", ""}} {
		v := c.call("DescribeInstances", "InstanceId.1", instance).all("reservationSet/item/instancesSet/item")[0]
		if got := []string{v.text("iamInstanceProfile/arn"), v.text("iamInstanceProfile/id")}; !slices.Equal(got, want) {
			t.Errorf("%s has %q, want %q", instance, got, want)
		}
	}
	associations := func(parameters ...string) (ids []string) {
		t.Helper()
		return c.call("DescribeIamInstanceProfileAssociations", parameters...).texts("iamInstanceProfileAssociationSet/item/associationId")
	}
	if got := associations(filter("1", "state", "associated")...); len(got) != 2 {
		t.Errorf("%d associations", len(got))
	}
	first := associations(filter("1", "instance-id", byName)...)
	if len(first) != 1 || !slices.Equal(associations("AssociationId.1", first[0]), first) {
		t.Fatalf("the instance has the associations %q", first)
	}
	for name, value := range map[string]string{"iam-instance-profile.arn": web, "iam-instance-profile.id": "AIPAWEB"} {
		if got := c.call("DescribeInstances", filter("1", name, value)...).texts("reservationSet/item/instancesSet/item/instanceId"); !slices.Equal(got, []string{byName}) {
			t.Errorf("%s=%s: got %q", name, value, got)
		}
	}

	replaced := c.call("ReplaceIamInstanceProfileAssociation", "AssociationId", first[0], "IamInstanceProfile.Name", "Db")
	const answer = "iamInstanceProfileAssociation/"
	second := replaced.text(answer + "associationId")
	if second == first[0] || replaced.text(answer+"state") != "associating" || replaced.text(answer+"iamInstanceProfile/arn") != db || replaced.text(answer+"instanceId") != byName {
		t.Errorf("replaced: %+v", replaced)
	}
	c.refuse("InvalidAssociationID.NotFound", "DisassociateIamInstanceProfile", "AssociationId", first[0])
	ended := c.call("DisassociateIamInstanceProfile", "AssociationId", second)
	if ended.text(answer+"state") != "disassociating" || ended.text(answer+"iamInstanceProfile/arn") != db {
		t.Errorf("disassociated: %+v", ended)
	}
	if got := associations(filter("1", "instance-id", byName)...); len(got) != 0 {
		t.Errorf("afterwards it has %q", got)
	}
	c.call("AssociateIamInstanceProfile", "InstanceId", byName, "IamInstanceProfile.Name", "Web")
	c.refuse("IncorrectState", "AssociateIamInstanceProfile", "InstanceId", byName, "IamInstanceProfile.Name", "Db")

	// One that is terminated has none.
	c.call("TerminateInstances", "InstanceId.1", byName)
	if got := associations(); len(got) != 1 {
		t.Errorf("%d associations with a terminated instance", len(got))
	}
	c.refuse("IncorrectInstanceState", "AssociateIamInstanceProfile", "InstanceId", byName, "IamInstanceProfile.Name", "Web")
}

// instanceProfileRefusals are refused calls of an account with the profile Web, which
// has a role, and Empty.
var instanceProfileRefusals = []struct{ code, call string }{
	{"InvalidParameterValue", "RunInstances&MinCount=1&MaxCount=1&ImageId={ami}&SubnetId={subnet}&IamInstanceProfile.Name=none"},
	{"InvalidParameterValue", "RunInstances&MinCount=1&MaxCount=1&ImageId={ami}&SubnetId={subnet}&IamInstanceProfile.Name=web"}, // names keep their case
	{"InvalidParameterValue", "RunInstances&MinCount=1&MaxCount=1&ImageId={ami}&SubnetId={subnet}&IamInstanceProfile.Name=Empty"},
	{"InvalidParameterValue", "RunInstances&MinCount=1&MaxCount=1&ImageId={ami}&SubnetId={subnet}&IamInstanceProfile.Arn={empty}"},
	{"InvalidParameterValue", "RunInstances&MinCount=1&MaxCount=1&ImageId={ami}&SubnetId={subnet}&IamInstanceProfile.Arn={foreign}"},
	{"InvalidParameterValue", "RunInstances&MinCount=1&MaxCount=1&ImageId={ami}&SubnetId={subnet}&IamInstanceProfile.Arn=Web"},
	{"InvalidParameterValue", "RunInstances&MinCount=1&MaxCount=1&ImageId={ami}&SubnetId={subnet}&IamInstanceProfile.Arn={anotherPath}"},
	{"InvalidParameterCombination", "RunInstances&MinCount=1&MaxCount=1&ImageId={ami}&SubnetId={subnet}&IamInstanceProfile.Name=Web&IamInstanceProfile.Arn={empty}"},
	{"MissingParameter", "AssociateIamInstanceProfile&InstanceId={instance}"},
	{"MissingParameter", "AssociateIamInstanceProfile&IamInstanceProfile.Name=Web"},
	{"InvalidParameterValue", "AssociateIamInstanceProfile&InstanceId={instance}&IamInstanceProfile.Name=none"},
	{"InvalidInstanceID.NotFound", "AssociateIamInstanceProfile&InstanceId=i-00000000000000000&IamInstanceProfile.Name=Web"},
	{"MissingParameter", "DisassociateIamInstanceProfile"},
	{"InvalidAssociationID.NotFound", "DisassociateIamInstanceProfile&AssociationId=iip-assoc-00000000000000000"},
	{"MissingParameter", "ReplaceIamInstanceProfileAssociation&AssociationId={association}"},
	{"InvalidAssociationID.NotFound", "ReplaceIamInstanceProfileAssociation&AssociationId=x&IamInstanceProfile.Name=Web"},
	{"InvalidParameterValue", "ReplaceIamInstanceProfileAssociation&AssociationId={association}&IamInstanceProfile.Name=Empty"},
}

func TestInstanceProfileRefusals(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	c.profile("Web", "reader")
	empty, foreign := c.profile("Empty", ""), newCloud(t).profile("Web", "reader")
	subnet := c.subnet(c.vpc("10.0.0.0/16"), "10.0.1.0/24")
	c.refuseAll(instanceProfileRefusals, "{subnet}", subnet, "{ami}", HostImage, "{anotherPath}", "arn:aws:iam::"+c.account+":instance-profile/Web", "{instance}", c.instance(subnet), "{empty}", empty, "{foreign}", foreign, "{association}", func() string {
		id := c.instance(subnet, "IamInstanceProfile.Name", "Web")
		return c.call("DescribeIamInstanceProfileAssociations", filter("1", "instance-id", id)...).text("iamInstanceProfileAssociationSet/item/associationId")
	}())
}
