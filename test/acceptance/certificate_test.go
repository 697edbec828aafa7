package acceptance

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"causeway.dev/api/sigv4/sigv4test"
	"causeway.dev/internal/netlab"
)

// authorityARN is that of the account's own authority with ECDSA keys.
const authorityARN = "arn:aws:acm-pca:" + region + ":" + accountID + ":certificate-authority/ecdsa"

// exported is what export-certificate answers.
type exported struct{ Certificate, CertificateChain, PrivateKey string }

// installCertificate exports a certificate and puts what the device needs into files, as the
// sample says. The device's configuration is the one for strongSwan in user space.
func (s *site) installCertificate(acm cli, arn string) (environment []string) {
	s.lab.File("passphrase", "correct horse")
	var out exported
	text := acm.ok("export-certificate", "--certificate-arn", arn, "--passphrase", "fileb://"+filepath.Join(s.lab.Dir(), "passphrase"))
	if err := json.Unmarshal([]byte(text), &out); err != nil {
		acm.t.Fatal(err)
	}
	encrypted := s.lab.File("exported.pem", out.PrivateKey)
	key := filepath.Join(s.lab.Dir(), "private.pem")
	if said, err := exec.Command("openssl", "pkey", "-in", encrypted, "-passin", "file:"+filepath.Join(s.lab.Dir(), "passphrase"), "-out", key).CombinedOutput(); err != nil {
		acm.t.Fatalf("openssl pkey: %v\n%s", err, said)
	}
	return []string{"env", "VPN_CERTIFICATE=" + s.lab.File("certificate.pem", out.Certificate+out.CertificateChain), "VPN_PRIVATE_KEY=" + key}
}

// A device with a certificate from an address that nobody was told connects by
// the configuration that was downloaded; our side's certificate changes without a
// lost packet; revoked, it is refused, and the status says why; with another
// certificate of the same name it is back.
func TestCertificatesInPlaceOfKeys(t *testing.T) {
	t.Parallel()
	s := newSite(t, "swanctl", "unshare", "flock", "bash", "openssl")
	if _, err := os.Stat(netlab.CharonProgram); err != nil {
		t.Skipf("strongSwan's charon is not installed: %v", err)
	}
	i := install(t, s.lab, s.internet, testAddresses, "pki: { tunnel_certificate_lifetime: 10s, url: 'http://198.51.100.1:4599' }")
	acm := cli{t: t, i: i, program: awsProgram(t), service: "acm"}

	request := []string{"request-certificate", "--domain-name", "branch.example.com", "--key-algorithm", "EC_prime256v1", "--certificate-authority-arn", authorityARN}
	arn := acm.query("CertificateArn", append(request, "--tags", "Key=site,Value=branch")...)
	acm.wants("ISSUED\tPRIVATE\tEC_prime256v1", "Certificate.[Status,Type,KeyAlgorithm]", "describe-certificate", "--certificate-arn", arn)

	customer := i.call("CreateCustomerGateway", "Type=ipsec.1", "CertificateArn="+arn).get("customerGateway/customerGatewayId")
	acm.refused("ResourceInUseException", "delete-certificate", "--certificate-arn", arn)
	vpc := i.createVPC("10.0.0.0/16")
	instance := i.runInstance(i.createSubnet(vpc, "10.0.1.0/24"), i.createOpenGroup(vpc), "10.0.1.10")
	gateway := i.call("CreateVpnGateway", "Type=ipsec.1").get("vpnGateway/vpnGatewayId")
	i.call("AttachVpnGateway", "VpcId="+vpc, "VpnGatewayId="+gateway)
	i.refused("InvalidParameterCombination", "CreateVpnConnection", "Type=ipsec.1", "CustomerGatewayId="+customer, "VpnGatewayId="+gateway, "Options.StaticRoutesOnly=true", "Options.TunnelOptions.1.StartupAction=start")
	connection := i.call("CreateVpnConnection", "Type=ipsec.1", "CustomerGatewayId="+customer, "VpnGatewayId="+gateway, "Options.StaticRoutesOnly=true").get("vpnConnection/vpnConnectionId")
	i.call("CreateVpnConnectionRoute", "VpnConnectionId="+connection, "DestinationCidrBlock="+siteCIDR)
	i.call("EnableVgwRoutePropagation", "RouteTableId="+i.mainTable(vpc), "GatewayId="+gateway)
	i.waitForInstance(instance, "running")

	script := s.lab.File("vpn.sh", i.call("GetVpnConnectionDeviceSampleConfiguration", "VpnConnectionId="+connection, "VpnConnectionDeviceTypeId="+i.deviceTypeFor("user space")).get("vpnConnectionDeviceSampleConfiguration"))
	up := append(s.installCertificate(acm, arn), "VPN_UP_TIMEOUT=20", "bash", script, "up")
	t.Cleanup(func() {
		if out, err := s.customer.Try("bash", script, "down"); err != nil {
			t.Errorf("down: %v\n%s", err, out)
		}
	})
	s.customer.Run(up...)
	reaches(t, s.lab, s.host, "10.0.1.10", time.Minute)
	i.waitForTunnels(connection, 2, time.Minute)

	issued := func() int { return strings.Count(i.server.Log(), "issued a tunnel's certificate") }
	before := issued()
	if sent, answered := s.host.StartPing("10.0.1.10", "0.02", "-c", "360").Wait(); sent != answered || sent != 360 {
		t.Errorf("while certificates are replaced %d pings are sent, %d answered", sent, answered)
	}
	if after := issued(); after < before+2 {
		t.Errorf("%d certificates have been replaced meanwhile, want both tunnels'", after-before)
	}

	i.revoke(arn)
	s.lab.Eventually(time.Minute, "the status says that the certificate is revoked", func() error {
		for _, tunnel := range i.call("DescribeVpnConnections", "VpnConnectionId.1="+connection).all("vpnConnectionSet/item/vgwTelemetry/item") {
			if m := tunnel.get("statusMessage"); tunnel.get("status") != "DOWN" || !strings.Contains(m, "branch.example.com was revoked on ") || !strings.Contains(m, "key compromise") {
				return fmt.Errorf("%s: %s", tunnel.get("status"), m)
			}
		}
		return nil
	})
	silent(t, s.host, "the certificate is revoked", "10.0.1.10")
	s.customer.Run("bash", script, "down")

	// Which meets our side's new certificate, too.
	second := acm.query("CertificateArn", request...)
	s.customer.Run(append(s.installCertificate(acm, second), "VPN_UP_TIMEOUT=20", "bash", script, "up")...)
	reaches(t, s.lab, s.host, "10.0.1.10", time.Minute)
}

// revoke revokes a certificate. Debian's AWS CLI does not know the action yet.
func (i *installation) revoke(arn string) {
	i.t.Helper()
	signer := sigv4test.Signer{AccessKeyID: accessKey, Secret: accessSecret, Region: region, Service: "acm", Now: time.Now()}
	response, err := httpClient.Do(signer.PostJSON(i.endpoint+"/", "CertificateManager.RevokeCertificate", fmt.Sprintf(`{"CertificateArn": %q, "RevocationReason": "KEY_COMPROMISE"}`, arn)))
	if err != nil {
		i.t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		i.t.Fatalf("RevokeCertificate: %s", response.Status)
	}
}

// deviceTypeFor returns the id of the device type whose platform contains words.
func (i *installation) deviceTypeFor(platform string) string {
	i.t.Helper()
	for _, d := range i.call("GetVpnConnectionDeviceTypes").all("vpnConnectionDeviceTypeSet/item") {
		if strings.Contains(d.get("platform"), platform) {
			return d.get("vpnConnectionDeviceTypeId")
		}
	}
	i.t.Fatalf("there is no device type for %q", platform)
	return ""
}

// Certificates of somebody else's authority, by the AWS CLI as it comes.
func TestImportedCertificatesByTheAWSCLI(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("starts a whole installation")
	}
	lab := netlab.New(t, "openssl")
	i := install(t, lab, lab.Host("inet"), testAddresses)
	acm := cli{t: t, i: i, program: awsProgram(t), service: "acm"}
	file := func(name string) string { return filepath.Join(lab.Dir(), name) }
	openssl := func(arguments ...string) {
		t.Helper()
		if out, err := exec.Command("openssl", arguments...).CombinedOutput(); err != nil {
			t.Fatalf("openssl %v: %v\n%s", arguments, err, out)
		}
	}
	openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", file("ca.key"), "-out", file("ca.pem"), "-subj", "/O=Somebody/CN=their root", "-days", "30")
	openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", file("vpn.key"), "-out", file("vpn.csr"), "-subj", "/CN=vpn.example.net", "-addext", "subjectAltName=DNS:vpn.example.net")
	openssl("x509", "-req", "-in", file("vpn.csr"), "-CA", file("ca.pem"), "-CAkey", file("ca.key"), "-CAcreateserial", "-copy_extensions", "copy", "-days", "10", "-out", file("vpn.pem"))

	arn := acm.query("CertificateArn", "import-certificate", "--certificate", "fileb://"+file("vpn.pem"), "--private-key", "fileb://"+file("vpn.key"),
		"--certificate-chain", "fileb://"+file("ca.pem"), "--tags", "Key=from,Value=elsewhere")
	acm.wants(arn+"\tvpn.example.net\tISSUED\tIMPORTED\tRSA_2048", "CertificateSummaryList[].[CertificateArn,DomainName,Status,Type,KeyAlgorithm]", "list-certificates")
	leaf, err := os.ReadFile(file("vpn.pem"))
	if err != nil {
		t.Fatal(err)
	}
	acm.wants(strings.TrimSpace(string(leaf)), "Certificate", "get-certificate", "--certificate-arn", arn)
	acm.wants("from\telsewhere", "Tags[].[Key,Value]", "list-tags-for-certificate", "--certificate-arn", arn)
	acm.refused("ValidationException", "import-certificate", "--certificate", "fileb://"+file("vpn.pem"), "--private-key", "fileb://"+file("ca.key"), "--certificate-chain", "fileb://"+file("ca.pem"))
	acm.ok("delete-certificate", "--certificate-arn", arn)
	acm.refused("ResourceNotFoundException", "describe-certificate", "--certificate-arn", arn)
}
