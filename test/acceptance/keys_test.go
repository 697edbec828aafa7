package acceptance

import (
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// Given a connection whose keys are in a file and in Vault, its tunnels come up, and no
// answer shows a key. When the keys are changed there and on the device, and nowhere
// else, the tunnels come up again. When Vault is gone they stay, and the status says why.
// All the while no key is written anywhere, nor one that is put into the secret itself.
func TestKeysByReference(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	dir, now := t.TempDir(), keyPair{"the.first.file_key", "the.first.vault_key"}
	file := filepath.Join(dir, accountID, "branch")
	token := filepath.Join(dir, "token")
	var ofVault atomic.Value
	ofVault.Store(now.vault)
	vault := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/v1/secret/data/causeway/"+accountID+"/branch" || r.Header.Get("X-Vault-Token") != "hvs.token" {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		fmt.Fprintf(w, `{"data":{"data":{"tunnel2":%q}}}`, ofVault.Load())
	}))
	t.Cleanup(vault.Close)
	if err := os.Mkdir(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	writeKey(t, token, "hvs.token\n")
	writeKey(t, file, now.file+"\n")
	i := install(t, s.lab, s.internet, testAddresses, fmt.Sprintf("pre_shared_keys: { directory: %s, refresh: 1s, vault: { address: %q, token_file: %s } }", dir, vault.URL, token))
	aws := cli{t: t, i: i, program: awsProgram(t), service: "secretsmanager"}
	const group = "/vpn/keys"
	i.callLogs("CreateLogGroup", map[string]any{"logGroupName": group}, nil)
	customer := i.call("CreateCustomerGateway", "Type=ipsec.1", "IpAddress="+s.address, "BgpAsn=65000").get("customerGateway/customerGatewayId")
	gateway := i.call("CreateVpnGateway", "Type=ipsec.1").get("vpnGateway/vpnGatewayId")
	const log = "Options.TunnelOptions.1.LogOptions.CloudWatchLogOptions."
	created := i.call("CreateVpnConnection", "Type=ipsec.1", "CustomerGatewayId="+customer, "VpnGatewayId="+gateway, "Options.StaticRoutesOnly=true", "PreSharedKeyStorage=SecretsManager",
		log+"LogEnabled=true", log+"LogGroupArn=arn:aws:logs:"+region+":"+accountID+":log-group:"+group, log+"LogOutputFormat=json",
		"Options.TunnelOptions.1.PreSharedKey=file:branch", "Options.TunnelOptions.2.PreSharedKey=vault:branch#tunnel2")
	connection, arn := created.get("vpnConnection/vpnConnectionId"), created.get("vpnConnection/preSharedKeyArn")
	shown := aws.query("SecretString", "get-secret-value", "--secret-id", arn)
	if !strings.Contains(shown, "file:branch") || !strings.Contains(shown, "vault:branch#tunnel2") || strings.Contains(shown, "the.first") {
		t.Errorf("the secret is to say where the keys are, and not what they are: %s", shown)
	}

	sample := i.download(connection)
	s.connect(now.into(t, sample))
	i.waitForTunnels(connection, 2, time.Minute)

	next, captured := keyPair{"the.second.file_key", "the.second.vault_key"}, t.TempDir()
	capturing := s.lab.Start("capture", program, "capture", "--config", i.config, connection, "--write", captured, "--keys")
	s.lab.Eventually(time.Minute, "the capture has begun", func() error {
		if len(glob(t, filepath.Join(captured, "*.pcap"))) == 0 {
			return fmt.Errorf("it printed %s", capturing.Log())
		}
		return nil
	})
	s.appliance.Stop()
	s.connect(next.into(t, sample))
	i.waitForTunnels(connection, 0, time.Minute)
	writeKey(t, file, next.file)
	ofVault.Store(next.vault)
	i.waitForTunnels(connection, 2, time.Minute)

	vault.Close()
	s.lab.Eventually(time.Minute, "the status says that Vault is gone, and the tunnels are up", func() error {
		var said []string
		for _, tunnel := range i.call("DescribeVpnConnections", "VpnConnectionId.1="+connection).all("vpnConnectionSet/item/vgwTelemetry/item") {
			said = append(said, tunnel.get("status")+" "+tunnel.get("statusMessage"))
		}
		if !strings.HasPrefix(said[0], "UP") || !strings.HasPrefix(said[1], "UP") || strings.Contains(said[0], "fetched") || !strings.Contains(said[1], "the last one is used") {
			return fmt.Errorf("%q", said)
		}
		return nil
	})

	const put = "the.put.secret_key"
	outside := created.get("vpnConnection/options/tunnelOptionSet/item/outsideIpAddress")
	aws.ok("put-secret-value", "--secret-id", arn, "--secret-string", fmt.Sprintf(`{"tunnels":[{"tunnel_outside_ip_address":%q,"pre_shared_key":%q}]}`, outside, put))
	s.lab.Eventually(time.Minute, "the tunnel's log tells that it is up", func() error {
		if said := i.logMessages(group, connection, ""); !strings.Contains(strings.Join(said, "\n"), "established") {
			return fmt.Errorf("it has %q", said)
		}
		return nil
	})
	capturing.Stop()
	doctor, _ := i.causeway("doctor", connection) // its exit code is the tunnels' state
	written := map[string]string{
		"the capture's list":      capturing.Log(),
		"doctor":                  doctor,
		"describe-secret":         aws.ok("describe-secret", "--secret-id", arn),
		"describe-vpn-connection": aws.of("ec2").ok("describe-vpn-connections"),
		"the tunnel's log":        strings.Join(i.logMessages(group, connection, ""), "\n"),
	}
	i.stop() // so that all is written
	written["the server's log"] = i.server.Log()
	readAll(t, written, i.data)
	readAll(t, written, captured)
	for name, text := range written {
		for _, key := range []string{now.file, now.vault, next.file, next.vault, put, "hvs.token"} {
			if strings.Contains(text, key) {
				t.Errorf("%s has a key or a token in clear", name)
			}
		}
	}
	// It is looked where it would be.
	for _, name := range []string{"doctor", "describe-secret", "describe-vpn-connection"} {
		if !strings.Contains(written[name], connection) {
			t.Errorf("%s does not tell of the connection:\n%s", name, written[name])
		}
	}
	if !slices.ContainsFunc(slices.Collect(maps.Values(written)), func(text string) bool { return strings.Contains(text, `"reference":"vault:branch#tunnel2"`) }) {
		t.Error("no file of the installation has the reference to the key in Vault")
	}
}

// readAll adds all files below a directory to texts, each by its path.
func readAll(t *testing.T, texts map[string]string, dir string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		text, err := os.ReadFile(path)
		texts[path] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// keyPair are the keys of the two tunnels, by where they are kept.
type keyPair struct{ file, vault string }

// into puts the keys where the configuration of the device leaves them out.
func (k keyPair) into(t *testing.T, configuration string) string {
	t.Helper()
	parts := strings.Split(configuration, `psk: "REDACTED"`)
	if len(parts) != 3 {
		t.Fatalf("the configuration leaves out %d keys, want 2", len(parts)-1)
	}
	return fmt.Sprintf("%spsk: %q%spsk: %q%s", parts[0], k.file, parts[1], k.vault, parts[2])
}

// writeKey replaces a file at once, as those who rotate keys do.
func writeKey(t *testing.T, name, key string) {
	t.Helper()
	if err := os.WriteFile(name+".next", []byte(key), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(name+".next", name); err != nil {
		t.Fatal(err)
	}
}
