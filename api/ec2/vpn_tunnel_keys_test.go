package ec2

import (
	"encoding/xml"
	"slices"
	"strings"
	"testing"
	"time"

	"causeway.dev/resource"
	"causeway.dev/store"
)

// secretOf returns what is kept of the keys of a connection.
func (c *cloud) secretOf(connection string) (secret resource.KeySecret, ok bool) {
	c.Helper()
	return store.KeySecrets.Get(testStore.Snapshot(), store.Scope{Account: c.account, Region: c.region}, connection)
}

// wantNoKey looks for keys in all that an answer says.
func wantNoKey(t *testing.T, what string, answer node, keys ...string) {
	t.Helper()
	text, err := xml.Marshal(answer)
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range keys {
		if key == "" || strings.Contains(string(text), key) {
			t.Errorf("%s shows a key", what)
		}
	}
}

func TestKeysInASecretAreShownNowhere(t *testing.T) {
	t.Parallel()
	c := newCloud(t, wideOutside)
	customer, gateway := c.customerGateway("198.51.100.7"), c.vpnGateway()
	const given = "a_key.of.tunnel.1"
	created := c.call("CreateVpnConnection", connectionParameters(customer, gateway, "PreSharedKeyStorage", "SecretsManager", "Options.TunnelOptions.1.PreSharedKey", given)...).all("vpnConnection")[0]
	id := created.text("vpnConnectionId")
	secret, _ := c.secretOf(id)
	made := secret.Tunnels[1].Key
	if secret.Tunnels[0].Key != given || resource.ValidatePreSharedKey(made) != nil {
		t.Fatal("the secret has not the key that was given and one that was made up")
	}
	if got, want := created.text("preSharedKeyArn"), "arn:aws:secretsmanager:us-east-1:"+c.account+":secret:s2svpn!"+id+"-"+id[len(id)-6:]; got != want {
		t.Errorf("preSharedKeyArn is %q, want %q", got, want)
	}
	document := parseDocument(t, c.describeConnection(id).text("customerGatewayConfiguration"))
	if got := document.texts("ipsec_tunnel/ike/pre_shared_key"); !slices.Equal(got, []string{"REDACTED", "REDACTED"}) {
		t.Errorf("the document has the keys %q", got)
	}
	wantNoKey(t, "CreateVpnConnection", created, given, made)
	wantNoKey(t, "DescribeVpnConnections", c.describeConnection(id), given, made)
	for _, device := range c.call("GetVpnConnectionDeviceTypes").texts("vpnConnectionDeviceTypeSet/item/vpnConnectionDeviceTypeId") {
		status, sample := c.send("GetVpnConnectionDeviceSampleConfiguration", "VpnConnectionId", id, "VpnConnectionDeviceTypeId", device)
		wantNoKey(t, "the sample of "+device, sample, given, made)
		text := sample.text("vpnConnectionDeviceSampleConfiguration")
		if status == 200 && (!strings.Contains(text, "REDACTED") || !strings.Contains(text, created.text("preSharedKeyArn"))) {
			t.Errorf("the sample of %s does not say where the keys are", device)
		}
	}
	if filtered := c.call("DescribeVpnConnections", "Filter.1.Name", "customer-gateway-configuration", "Filter.1.Value.1", "*"+given+"*"); len(filtered.all("vpnConnectionSet/item")) > 0 {
		t.Error("a filter tells whether a key is right")
	}
	c.call("DeleteVpnConnection", "VpnConnectionId", id)
	if _, ok := c.secretOf(id); ok {
		t.Error("the secret outlasts its connection")
	}
}

func TestKeysMoveToTheSecretAndBack(t *testing.T) {
	t.Parallel()
	c := newCloud(t, wideOutside)
	id := c.connection(c.customerGateway("198.51.100.7"), c.vpnGateway())
	options := c.describeConnection(id).all("options/tunnelOptionSet/item")
	first, second := options[0].text("preSharedKey"), options[1].text("preSharedKey")
	outside := options[0].text("outsideIpAddress")
	modify := func(parameters ...string) node {
		t.Helper()
		answer := c.call("ModifyVpnTunnelOptions", append([]string{"VpnConnectionId", id, "VpnTunnelOutsideIpAddress", outside, "TunnelOptions.DPDTimeoutSeconds", "40"}, parameters...)...).all("vpnConnection")[0]
		if got := answer.all("options/tunnelOptionSet/item")[1].text("preSharedKey"); got != second {
			t.Errorf("the other tunnel shows another key than before")
		}
		return answer
	}
	until := testTime.Add(FormerKeyLifetimeDefault)

	moved := modify("PreSharedKeyStorage", "SecretsManager")
	wantNoKey(t, "a tunnel that was moved to the secret", moved, first)
	if secret, _ := c.secretOf(id); secret.Tunnels != [2]resource.KeySecretTunnel{{Key: first}} || moved.text("preSharedKeyArn") == "" {
		t.Error("the first tunnel's key, and only it, is to be in the secret")
	}
	wantNoKey(t, "an unrelated change", modify(), first)

	modify("TunnelOptions.PreSharedKey", "another.key")
	if secret, _ := c.secretOf(id); secret.Tunnels[0] != (resource.KeySecretTunnel{Key: "another.key", Former: first, FormerUntil: until}) {
		t.Error("a key that is replaced in the secret is to be valid for a while")
	}

	back := modify("PreSharedKeyStorage", "Standard")
	shown := back.all("options/tunnelOptionSet/item")[0].text("preSharedKey")
	if resource.ValidatePreSharedKey(shown) != nil || shown == first || shown == "another.key" {
		t.Error("what leaves the secret is to be a new key: the old one must not be shown")
	}
	if _, ok := c.secretOf(id); ok || back.text("preSharedKeyArn") != "" {
		t.Error("a secret without a key of any tunnel is still there")
	}
	v, _ := store.VPNConnections.Get(testStore.Snapshot(), store.Scope{Account: c.account, Region: c.region}, id)
	if v.Tunnels[0].Keys() != (resource.TunnelKeys{Key: shown, Former: "another.key", FormerUntil: until}) {
		t.Error("the key from the secret is to be valid for a while")
	}
}

func TestKeysByReference(t *testing.T) {
	t.Parallel()
	c := newCloud(t, wideOutside, func(cfg *Config) { cfg.KeyReferences = []string{resource.KeyReferenceVault} })
	id := c.connection(c.customerGateway("198.51.100.7"), c.vpnGateway(), "PreSharedKeyStorage", "SecretsManager",
		"Options.TunnelOptions.1.PreSharedKey", "vault:branches/7#first")
	message := func() string {
		t.Helper()
		return c.describeConnection(id).all("vgwTelemetry/item")[0].text("statusMessage")
	}
	fetched := func(f resource.FetchedKey) {
		c.update(func(tx *store.Tx, s store.Scope) {
			f.Meta = resource.Meta{ID: resource.TunnelID(id, 1), Account: s.Account, Region: s.Region}
			store.FetchedKeys.Put(tx, f)
		})
	}
	if secret, _ := c.secretOf(id); secret.Tunnels[0] != (resource.KeySecretTunnel{Reference: "vault:branches/7#first"}) || secret.Tunnels[1].Key == "" {
		t.Error("the first tunnel is to have a reference, the other a key")
	}
	if got := message(); !strings.Contains(got, "is being fetched from vault:branches/7#first") {
		t.Errorf("before it was fetched: %q", got)
	}
	fetched(resource.FetchedKey{Problem: "it is sealed", Since: testTime})
	if got := message(); !strings.Contains(got, "There is no pre-shared key: it is sealed") {
		t.Errorf("while it can't be fetched: %q", got)
	}
	fetched(resource.FetchedKey{Key: "what.was.fetched", Problem: "it is sealed", Since: testTime})
	if got := message(); !strings.Contains(got, "can't be fetched since "+testTime.UTC().Format(time.RFC3339)+", and the last one is used: it is sealed") {
		t.Errorf("while the last one is used: %q", got)
	}
	fetched(resource.FetchedKey{Key: "what.was.fetched"})
	if got := message(); strings.Contains(got, "key") {
		t.Errorf("when it was fetched: %q", got)
	}
	// The key that was fetched stays valid when another takes its place.
	outside := c.describeConnection(id).text("options/tunnelOptionSet/item/outsideIpAddress")
	c.call("ModifyVpnTunnelOptions", "VpnConnectionId", id, "VpnTunnelOutsideIpAddress", outside, "TunnelOptions.PreSharedKey", "given.instead")
	if secret, _ := c.secretOf(id); secret.Tunnels[0] != (resource.KeySecretTunnel{Key: "given.instead", Former: "what.was.fetched", FormerUntil: testTime.Add(FormerKeyLifetimeDefault)}) {
		t.Error("the key that was fetched is to be valid for a while")
	}
}

func TestCertificatesHaveNoSecretOfKeys(t *testing.T) {
	t.Parallel()
	c := newCloud(t, wideOutside)
	gateway := c.vpnGateway()
	certified := c.call("CreateCustomerGateway", "Type", "ipsec.1", "CertificateArn", c.certificate("01234567-89ab-4cde-8f01-23456789abcd", nil)).text("customerGateway/customerGatewayId")
	if message := c.refuse("InvalidParameterCombination", "CreateVpnConnection", connectionParameters(certified, gateway, "PreSharedKeyStorage", "SecretsManager")...); !strings.Contains(message, "PreSharedKeyStorage") {
		t.Errorf("refused with %q", message)
	}
	id := c.connection(c.customerGateway("198.51.100.7"), gateway, "PreSharedKeyStorage", "SecretsManager")
	c.call("ModifyVpnConnection", "VpnConnectionId", id, "CustomerGatewayId", certified)
	if _, ok := c.secretOf(id); ok {
		t.Error("there are keys, and a certificate")
	}
}
