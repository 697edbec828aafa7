package secretsmanager

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"causeway.dev/api/access"
	"causeway.dev/api/server"
	"causeway.dev/api/sigv4/sigv4test"
	"causeway.dev/iam"
	"causeway.dev/internal/seal"
	"causeway.dev/resource"
	"causeway.dev/store"
	"causeway.dev/store/storetest"
)

const (
	account    = "123456789012"
	region     = "us-east-1"
	connection = "vpn-0123456789abcdef0"
	address    = "203.0.113.1" // outside, of tunnel 1
	oldKey     = "the.old.key.of.1"
	newKey     = "the.new.key.of.1"
)

// A cloud has one connection with a secret, which only tunnel 1 uses.
type cloud struct {
	*testing.T
	store   *store.Store
	service server.Service
	handler http.Handler
	now     time.Time
	key     string // that signs: rootKey or userKey
}

// Access keys of the account's root and of the user "u".
const (
	rootKey = "AKIDROOT"
	userKey = "AKIDUSER"
)

func newCloud(t *testing.T) *cloud {
	t.Helper()
	records, err := storetest.OpenDir(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { records.Close() })
	c := &cloud{T: t, store: records, now: time.Now().UTC().Truncate(time.Second), key: rootKey}
	c.service = New(Config{Store: records, FormerKeyLifetime: time.Hour, KeyReferences: []string{resource.KeyReferenceFile}}).Server()
	c.handler = server.New(server.Config{
		Lookup: func(id string) (iam.AccessKey, bool) {
			key := iam.AccessKey{ID: id, Secret: "secret", Account: account}
			if id == userKey {
				key.User, key.UserID = "u", userID
			}
			return key, true
		},
		Authorize: access.New(access.Config{Store: records, Sealer: seal.Generate()}).Authorize,
		Regions:   []string{region},
		Now:       func() time.Time { return c.now },
	}, c.service)
	meta := resource.Meta{ID: connection, Account: account, Region: region, Created: c.now}
	tagged := meta
	tagged.Tags = []resource.Tag{{Key: "team", Value: "network"}}
	v := resource.VPNConnection{Meta: tagged, State: resource.StateAvailable}
	v.Tunnels[0].OutsideAddress, v.Tunnels[0].KeyStorage = netip.MustParseAddr(address), resource.KeyStorageSecretsManager
	v.Tunnels[1].OutsideAddress, v.Tunnels[1].PreSharedKey = netip.MustParseAddr("203.0.113.2"), "the.key.of.2"
	err = records.Update(t.Context(), func(tx *store.Tx) error {
		store.VPNConnections.Put(tx, v)
		store.KeySecrets.Put(tx, resource.KeySecret{Meta: meta, Tunnels: [2]resource.KeySecretTunnel{{Key: oldKey}}, Version: version(0), Changed: c.now})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func version(n int) string { return fmt.Sprintf("01234567-89ab-4cde-8f01-%012d", n) }

func (c *cloud) secret() resource.KeySecretTunnel {
	c.Helper()
	s, _ := store.KeySecrets.Get(c.store.Snapshot(), store.Scope{Account: account, Region: region}, connection)
	return s.Tunnels[0]
}

type object = map[string]any

// try calls an action, and returns the answer, or the code and message of a refusal.
func (c *cloud) try(action string, input object) (answer object, code, message string) {
	c.Helper()
	body, err := json.Marshal(input)
	if err != nil {
		c.Fatal(err)
	}
	signer := sigv4test.Signer{AccessKeyID: c.key, Secret: "secret", Region: region, Service: "secretsmanager", Now: c.now}
	w := httptest.NewRecorder()
	c.handler.ServeHTTP(w, signer.PostJSON("http://secretsmanager.example/", "secretsmanager."+action, string(body)))
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
		c.Fatalf("%s: %v: %s", action, err, w.Body)
	}
	if w.Code != http.StatusOK {
		code, _ = answer["__type"].(string)
		message, _ = answer["message"].(string)
		return nil, code, message
	}
	return answer, "", ""
}

func (c *cloud) call(action string, input object) object {
	c.Helper()
	answer, code, message := c.try(action, input)
	if code != "" {
		c.Fatalf("%s %v: %s: %s", action, input, code, message)
	}
	return answer
}

func put(token int, text string) object {
	return object{"SecretId": "s2svpn!" + connection, "ClientRequestToken": version(token), "SecretString": text}
}

func keyOf(outside, key string) string {
	return fmt.Sprintf(`{"tunnels":[{"tunnel_outside_ip_address":%q,"pre_shared_key":%q}]}`, outside, key)
}

func TestSecretIsReadAndReplaced(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	whole := resource.KeySecretARN(account, region, connection)
	for _, id := range []string{whole, strings.TrimSuffix(whole, "-bcdef0"), "s2svpn!" + connection} {
		got := c.call("GetSecretValue", object{"SecretId": id, "VersionStage": "AWSCURRENT"})
		if got["SecretString"] != keyOf(address, oldKey) || got["ARN"] != whole || got["VersionId"] != version(0) {
			t.Errorf("%s: got another secret than that of tunnel 1", id)
		}
	}
	described := c.call("DescribeSecret", object{"SecretId": whole})
	if text, _ := json.Marshal(described); described["OwningService"] != "s2svpn" || strings.Contains(string(text), oldKey) {
		t.Errorf("DescribeSecret: %s", text)
	}

	want := resource.KeySecretTunnel{Key: newKey, Former: oldKey, FormerUntil: c.now.Add(time.Hour)}
	c.call("PutSecretValue", put(1, keyOf(address, newKey)))
	if c.secret() != want {
		t.Error("the key before is to be valid for an hour beside the new one")
	}
	c.now = c.now.Add(time.Minute)
	c.call("PutSecretValue", put(1, keyOf(address, newKey)))
	if c.secret() != want {
		t.Error("the same call made twice has changed something")
	}
	if _, code, _ := c.try("PutSecretValue", put(1, keyOf(address, "yet.another"))); code != "ResourceExistsException" {
		t.Errorf("another value under the same token: %q", code)
	}
	if got := c.call("GetSecretValue", object{"SecretId": whole}); got["VersionId"] != version(1) || got["SecretString"] != keyOf(address, newKey) {
		t.Error("the new value can't be read")
	}

	c.call("PutSecretValue", put(2, keyOf(address, "file:branch-7")))
	if got := c.secret(); got != (resource.KeySecretTunnel{Reference: "file:branch-7", Key: newKey, Former: oldKey, FormerUntil: want.FormerUntil}) {
		t.Error("until the first key was fetched, those before are to be valid")
	}
	if got := c.call("GetSecretValue", object{"SecretId": whole}); got["SecretString"] != keyOf(address, "file:branch-7") {
		t.Error("the secret is to say where the key is, and not what it is")
	}
}

func TestSecretRefusals(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	const notFound, parameter = "ResourceNotFoundException", "InvalidParameterException"
	without := put(1, keyOf(address, newKey))
	delete(without, "ClientRequestToken")
	for _, r := range []struct {
		code, words, action string
		input               object
	}{
		{parameter, "SecretId", "GetSecretValue", object{}},
		{notFound, "specified secret", "GetSecretValue", object{"SecretId": "s2svpn!vpn-0fedcba9876543210"}},
		{notFound, "specified secret", "GetSecretValue", object{"SecretId": "other"}},
		{notFound, "specified secret", "DescribeSecret", object{"SecretId": "arn:aws:secretsmanager:eu-west-1:" + account + ":secret:s2svpn!" + connection + "-bcdef0"}},
		{notFound, "specified secret", "DescribeSecret", object{"SecretId": "arn:aws:secretsmanager:us-east-1:" + account + ":secret:s2svpn!" + connection + "-AbCdEf"}},
		{notFound, "staging label", "GetSecretValue", object{"SecretId": "s2svpn!" + connection, "VersionStage": "AWSPREVIOUS"}},
		{notFound, "VersionId", "GetSecretValue", object{"SecretId": "s2svpn!" + connection, "VersionId": version(7)}},
		{notFound, "specified secret", "PutSecretValue", object{"SecretId": "other", "ClientRequestToken": version(1), "SecretString": keyOf(address, newKey)}},
		{parameter, "ClientRequestToken", "PutSecretValue", without},
		{parameter, "SecretBinary", "PutSecretValue", object{"SecretId": "s2svpn!" + connection, "ClientRequestToken": version(1), "SecretBinary": "AAAA"}},
		{parameter, "staging label", "PutSecretValue", object{"SecretId": "s2svpn!" + connection, "ClientRequestToken": version(1), "SecretString": keyOf(address, newKey), "VersionStages": []string{"AWSPENDING"}}},
		{parameter, "form", "PutSecretValue", put(1, newKey)},
		{parameter, "form", "PutSecretValue", put(1, `{"tunnels":[]}`)},
		{parameter, "form", "PutSecretValue", put(1, `{"tunnels":[{"key":"`+newKey+`"}]}`)},
		{parameter, "follows", "PutSecretValue", put(1, keyOf(address, newKey)+"{}")},
		{parameter, "twice", "PutSecretValue", put(1, `{"tunnels":[{"tunnel_outside_ip_address":"203.0.113.1","pre_shared_key":"the.new.key.of.1"},{"tunnel_outside_ip_address":"203.0.113.1","pre_shared_key":"the.new.key.of.1"}]}`)},
		{parameter, "203.0.113.9", "PutSecretValue", put(1, keyOf("203.0.113.9", newKey))},
		{parameter, "203.0.113.2", "PutSecretValue", put(1, keyOf("203.0.113.2", newKey))}, // its key is with the connection
		{parameter, "characters", "PutSecretValue", put(1, keyOf(address, "short"))},
		{parameter, "begins with 0", "PutSecretValue", put(1, keyOf(address, "0123456789"))},
		{parameter, "refers to no file", "PutSecretValue", put(1, keyOf(address, "file:../other"))},
		{parameter, "refers to a vault", "PutSecretValue", put(1, keyOf(address, "vault:branch"))},
	} {
		if _, code, message := c.try(r.action, r.input); code != r.code || !strings.Contains(message, r.words) || strings.Contains(message, newKey) {
			t.Errorf("%s %v: %s: %q, want %s: …%q", r.action, r.input, code, message, r.code, r.words)
		}
	}
	if c.secret() != (resource.KeySecretTunnel{Key: oldKey}) {
		t.Error("what was refused has changed the secret")
	}
}
