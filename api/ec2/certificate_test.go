package ec2

import (
	"strings"
	"testing"

	"causeway.dev/control/certificates"
	"causeway.dev/pki"
	"causeway.dev/resource"
	"causeway.dev/store"
)

// certificate stores a certificate of the account's own authority, as ACM would.
func (c *cloud) certificate(id string, change func(*resource.Certificate)) (arn string) {
	c.Helper()
	scope := store.Scope{Account: c.account, Region: c.region}
	v := resource.Certificate{
		Meta: resource.Meta{ID: id, Account: c.account, Region: c.region}, Type: resource.CertificatePrivate, Exportable: true,
		KeyAlgorithm: string(pki.ECDSAP256), DomainName: "branch.example.com", SubjectAlternativeNames: []string{"branch.example.com"},
	}
	if change != nil {
		change(&v)
	}
	p, err := certificates.Prepare(testStore.Snapshot(), scope, resource.AuthorityECDSA, pki.ECDSAP256, testTime)
	if err != nil {
		c.Fatal(err)
	}
	err = testStore.Update(c.Context(), func(tx *store.Tx) error {
		issued, err := p.Issue(tx, certificates.RequestFor(&v, ""), testTime)
		issued.Into(&v)
		store.Certificates.Put(tx, v)
		return err
	})
	if err != nil {
		c.Fatal(err)
	}
	return v.ARN()
}

// A customer gateway with a certificate needs no address, its connection has no
// pre-shared keys, and its configuration says what to install.
func TestCustomerGatewayWithACertificate(t *testing.T) {
	c := newCloud(t)
	arn := c.certificate("01234567-89ab-4cde-8f01-23456789abcd", nil)
	created := c.call("CreateCustomerGateway", "Type", "ipsec.1", "CertificateArn", arn)
	id := created.text("customerGateway/customerGatewayId")
	if created.text("customerGateway/certificateArn") != arn || len(created.all("customerGateway/ipAddress")) > 0 {
		t.Errorf("created: %+v", created)
	}
	if again := c.call("CreateCustomerGateway", "Type", "ipsec.1", "CertificateArn", arn).text("customerGateway/customerGatewayId"); again != id {
		t.Errorf("the same device again is %s", again)
	}
	if fixed := c.call("CreateCustomerGateway", "Type", "ipsec.1", "CertificateArn", arn, "IpAddress", "192.0.2.7").text("customerGateway/customerGatewayId"); fixed == id {
		t.Error("with an address it is the same gateway")
	}
	gateway := c.call("CreateVpnGateway", "Type", "ipsec.1").text("vpnGateway/vpnGatewayId")
	connect := []string{"Type", "ipsec.1", "CustomerGatewayId", id, "VpnGatewayId", gateway, "Options.StaticRoutesOnly", "true"}
	c.refuse("InvalidParameterCombination", "CreateVpnConnection", append(connect, "Options.TunnelOptions.1.PreSharedKey", "some_secret_key")...)
	c.refuse("InvalidParameterCombination", "CreateVpnConnection", append(connect, "Options.TunnelOptions.2.StartupAction", "start")...)
	connection := c.call("CreateVpnConnection", connect...)
	vpn := connection.text("vpnConnection/vpnConnectionId")
	document := connection.text("vpnConnection/customerGatewayConfiguration")
	if len(connection.all("vpnConnection/options/tunnelOptionSet/item/preSharedKey")) > 0 || !strings.Contains(document, "<pre_shared_key></pre_shared_key>") {
		t.Error("a connection with certificates has pre-shared keys")
	}
	outside := connection.texts("vpnConnection/options/tunnelOptionSet/item/outsideIpAddress")[0]
	c.refuse("InvalidParameterCombination", "ModifyVpnTunnelOptions", "VpnConnectionId", vpn, "VpnTunnelOutsideIpAddress", outside, "TunnelOptions.StartupAction", "start")
	sample := c.call("GetVpnConnectionDeviceSampleConfiguration", "VpnConnectionId", vpn, "VpnConnectionDeviceTypeId", "9005b6c1").text("vpnConnectionDeviceSampleConfiguration")
	if strings.Count(sample, "-----BEGIN CERTIFICATE-----") != 2 || !strings.Contains(sample, arn) {
		t.Errorf("the sample does not say what to install:\n%s", sample)
	}

	replace := []string{"VpnConnectionId", vpn, "VpnTunnelOutsideIpAddress", outside}
	c.refuse("InvalidParameterCombination", "ModifyVpnTunnelCertificate", replace...)
	c.refuse("InvalidParameterValue", "ModifyVpnTunnelCertificate", "VpnConnectionId", vpn, "VpnTunnelOutsideIpAddress", "192.0.2.99")
	scope := store.Scope{Account: c.account, Region: c.region}
	err := testStore.Update(t.Context(), func(tx *store.Tx) error {
		store.TunnelCertificates.Put(tx, resource.TunnelCertificate{Meta: resource.Meta{ID: vpn + "/1", Account: c.account, Region: c.region}})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	c.call("ModifyVpnTunnelCertificate", replace...)
	if v, _ := store.TunnelCertificates.Get(testStore.Snapshot(), scope, vpn+"/1"); !v.Replace {
		t.Error("the certificate is not to be replaced")
	}
}

func TestCertificatesThatNoDeviceCanHave(t *testing.T) {
	c := newCloud(t)
	for id, change := range map[string]func(*resource.Certificate){
		"00000000-0000-4000-8000-000000000001": func(v *resource.Certificate) { v.Revoked = new(testTime) },
		"00000000-0000-4000-8000-000000000002": func(v *resource.Certificate) { v.Type, v.Exportable = resource.CertificateAmazonIssued, false },
	} {
		c.refuse("InvalidParameterValue", "CreateCustomerGateway", "Type", "ipsec.1", "CertificateArn", c.certificate(id, change))
	}
	c.refuse("MissingParameter", "CreateCustomerGateway", "Type", "ipsec.1")
}
