package acceptance

import (
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"causeway.dev/api/sigv4/sigv4test"
)

// An element is one of an answer's, with all below it.
type element struct {
	XMLName  xml.Name
	Children []element `xml:",any"`
	Text     string    `xml:",chardata"`
}

// all returns the elements at a path such as "vpcSet/item".
func (e element) all(path string) []element {
	name, rest, more := strings.Cut(path, "/")
	var found []element
	for _, c := range e.Children {
		switch {
		case c.XMLName.Local != name:
		case more:
			found = append(found, c.all(rest)...)
		default:
			found = append(found, c)
		}
	}
	return found
}

// get returns the text of the first element at a path, "" if there is none.
func (e element) get(path string) string {
	if found := e.all(path); len(found) > 0 {
		return strings.TrimSpace(found[0].Text)
	}
	return ""
}

// A refusal is an answer that is an error.
type refusal struct {
	Status  int
	Code    string
	Message string
}

func (r *refusal) Error() string { return fmt.Sprintf("%d %s: %s", r.Status, r.Code, r.Message) }

// A silent installation is found out after callMax.
const callMax = 20 * time.Second

var httpClient = &http.Client{Timeout: callMax, Transport: &http.Transport{DisableKeepAlives: true}}

// try calls an action of EC2's API; the parameters are "Name=value". A refusal
// is a *refusal.
func (i *installation) try(action string, parameters ...string) (element, error) {
	return i.tryOf("ec2", "2016-11-15", action, parameters...)
}

// tryOf is try for a version of any service that is called by forms.
func (i *installation) tryOf(service, version, action string, parameters ...string) (element, error) {
	form := url.Values{"Action": {action}, "Version": {version}}
	for _, p := range parameters {
		name, value, _ := strings.Cut(p, "=")
		form.Set(name, value)
	}
	signer := sigv4test.Signer{AccessKeyID: i.signer[0], Secret: i.signer[1], Region: i.region, Service: service, Now: time.Now()}
	response, err := httpClient.Do(signer.Post(i.endpoint+"/", form))
	if err != nil {
		return element{}, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return element{}, err
	}
	var answer element
	if err := xml.Unmarshal(body, &answer); err != nil {
		return element{}, fmt.Errorf("%s: answer of %d is not XML: %w\n%s", action, response.StatusCode, err, body)
	}
	if response.StatusCode != http.StatusOK {
		return element{}, &refusal{response.StatusCode, answer.get("Errors/Error/Code"), answer.get("Errors/Error/Message")}
	}
	return answer, nil
}

// call is try where a refusal ends the test.
func (i *installation) call(action string, parameters ...string) element {
	i.t.Helper()
	answer, err := i.try(action, parameters...)
	if err != nil {
		i.t.Fatalf("%s %v: %v", action, parameters, err)
	}
	return answer
}

// refused checks that an action is refused with a code.
func (i *installation) refused(code, action string, parameters ...string) {
	i.t.Helper()
	_, err := i.try(action, parameters...)
	if r, ok := err.(*refusal); !ok || r.Code != code || r.Status != http.StatusBadRequest {
		i.t.Errorf("%s %v: got %v, want a refusal with %s", action, parameters, err, code)
	}
}

// The nouns that most tests need, each by its id.

func (i *installation) createVPC(cidr string) string {
	i.t.Helper()
	return i.call("CreateVpc", "CidrBlock="+cidr).get("vpc/vpcId")
}

func (i *installation) createSubnet(vpc, cidr string) string {
	i.t.Helper()
	return i.call("CreateSubnet", "VpcId="+vpc, "CidrBlock="+cidr).get("subnet/subnetId")
}

// createOpenGroup makes a security group that admits everything from everywhere.
func (i *installation) createOpenGroup(vpc string) string {
	i.t.Helper()
	group := i.call("CreateSecurityGroup", "VpcId="+vpc, "GroupName=open", "GroupDescription=admits everything").get("groupId")
	i.call("AuthorizeSecurityGroupIngress", "GroupId="+group, "IpPermissions.1.IpProtocol=-1", "IpPermissions.1.IpRanges.1.CidrIp=0.0.0.0/0")
	return group
}

// hostImage is the only image: the host's own root file system.
const hostImage = "ami-00000000000000001"

func (i *installation) runInstance(subnet, group, address string, more ...string) string {
	i.t.Helper()
	return i.call("RunInstances", append([]string{
		"ImageId=" + hostImage, "InstanceType=t3.micro", "MinCount=1", "MaxCount=1",
		"SubnetId=" + subnet, "SecurityGroupId.1=" + group, "PrivateIpAddress=" + address,
	}, more...)...).get("instancesSet/item/instanceId")
}

// waitForInstance waits until the API says of an instance what is wanted.
func (i *installation) waitForInstance(id, state string) {
	i.t.Helper()
	i.lab.Eventually(30*time.Second, id+" is "+state, func() error {
		answer, err := i.try("DescribeInstances", "InstanceId.1="+id)
		if err != nil {
			return err
		}
		if got := answer.get("reservationSet/item/instancesSet/item/instanceState/name"); got != state {
			return fmt.Errorf("it is %s", got)
		}
		return nil
	})
}

// A join is what joins a VPC and a site.
type join struct{ customer, gateway, connection string }

// joinSite attaches a VPN gateway to a VPC, propagates its routes into the main
// route table and makes a connection with both tunnels' startup action.
func (i *installation) joinSite(vpc string, s *site, startup string) join {
	i.t.Helper()
	j := join{
		customer: i.call("CreateCustomerGateway", "Type=ipsec.1", "IpAddress="+s.address, "BgpAsn=65000").get("customerGateway/customerGatewayId"),
		gateway:  i.call("CreateVpnGateway", "Type=ipsec.1").get("vpnGateway/vpnGatewayId"),
	}
	i.call("AttachVpnGateway", "VpcId="+vpc, "VpnGatewayId="+j.gateway)
	j.connection = i.call("CreateVpnConnection", "Type=ipsec.1", "CustomerGatewayId="+j.customer, "VpnGatewayId="+j.gateway,
		"Options.StaticRoutesOnly=true", "Options.TunnelOptions.1.StartupAction="+startup, "Options.TunnelOptions.2.StartupAction="+startup).get("vpnConnection/vpnConnectionId")
	i.call("CreateVpnConnectionRoute", "VpnConnectionId="+j.connection, "DestinationCidrBlock="+siteCIDR)
	i.call("EnableVgwRoutePropagation", "RouteTableId="+i.mainTable(vpc), "GatewayId="+j.gateway)
	return j
}

func (i *installation) mainTable(vpc string) string {
	i.t.Helper()
	return i.call("DescribeRouteTables", "Filter.1.Name=vpc-id", "Filter.1.Value.1="+vpc, "Filter.2.Name=association.main", "Filter.2.Value.1=true").
		get("routeTableSet/item/routeTableId")
}

// deviceType returns the id of the device type 'Causeway'.
func (i *installation) deviceType() string {
	i.t.Helper()
	for _, d := range i.call("GetVpnConnectionDeviceTypes").all("vpnConnectionDeviceTypeSet/item") {
		if d.get("vendor") == "Causeway" {
			return d.get("vpnConnectionDeviceTypeId")
		}
	}
	i.t.Fatal("there is no device type 'Causeway'")
	return ""
}

// download returns a connection's configuration for that device type.
func (i *installation) download(connection string) string {
	i.t.Helper()
	return i.call("GetVpnConnectionDeviceSampleConfiguration", "VpnConnectionId="+connection, "VpnConnectionDeviceTypeId="+i.deviceType()).
		get("vpnConnectionDeviceSampleConfiguration")
}

// waitForTunnels waits until as many tunnels of a connection are UP.
func (i *installation) waitForTunnels(connection string, up int, most time.Duration) {
	i.t.Helper()
	i.lab.Eventually(most, fmt.Sprintf("%d tunnels are up", up), func() error {
		answer, err := i.try("DescribeVpnConnections", "VpnConnectionId.1="+connection)
		if err != nil {
			return err
		}
		count, said := 0, ""
		for _, tunnel := range answer.all("vpnConnectionSet/item/vgwTelemetry/item") {
			if tunnel.get("status") == "UP" {
				count++
			}
			said += tunnel.get("status") + ": " + tunnel.get("statusMessage") + "; "
		}
		if count != up {
			return fmt.Errorf("%s", said)
		}
		return nil
	})
}
