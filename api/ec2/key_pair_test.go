package ec2

import (
	"slices"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"causeway.dev/store"
)

const somePublicKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJDfeJcYPxVJW/7gY3aNTjDlz4VF5Py4IXx0Y9vN4Ezk"

func TestKeyPairs(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	created := c.call("CreateKeyPair", "KeyName", "made here", "KeyType", "ed25519", "TagSpecification.1.ResourceType", "key-pair",
		"TagSpecification.1.Tag.1.Key", "k", "TagSpecification.1.Tag.1.Value", "v")
	signer, err := ssh.ParsePrivateKey([]byte(created.text("keyMaterial")))
	if err != nil {
		t.Fatal(err)
	}
	public := strings.TrimSpace(string(ssh.MarshalAuthorizedKey(signer.PublicKey())))
	imported := c.call("ImportKeyPair", "KeyName", "mine", "PublicKeyMaterial", base64Text([]byte(somePublicKey+" me@home\n")))
	for _, name := range []string{"made here", "mine"} {
		c.refuse("InvalidKeyPair.Duplicate", "CreateKeyPair", "KeyName", name)
		c.refuse("InvalidKeyPair.Duplicate", "ImportKeyPair", "KeyName", name, "PublicKeyMaterial", base64Text([]byte(somePublicKey)))
	}
	for _, test := range []struct {
		parameters []string
		names      []string
	}{
		{nil, []string{"made here", "mine"}},
		{[]string{"KeyName.1", "mine"}, []string{"mine"}},
		{[]string{"KeyPairId.1", created.text("keyPairId"), "KeyName.1", "mine"}, []string{"made here", "mine"}},
		{filter("1", "key-name", "m*"), []string{"made here", "mine"}},
		{filter("1", "fingerprint", imported.text("keyFingerprint")), []string{"mine"}},
		{filter("1", "key-pair-id", created.text("keyPairId")), []string{"made here"}},
		{filter("1", "tag:k", "v"), []string{"made here"}},
	} {
		answer := c.call("DescribeKeyPairs", test.parameters...)
		if got := answer.texts("keySet/item/keyName"); !slices.Equal(slices.Sorted(slices.Values(got)), test.names) {
			t.Errorf("%q: got %q, want %q", test.parameters, got, test.names)
		}
		if len(answer.all("keySet/item/publicKey")) > 0 {
			t.Errorf("%q: public keys are shown to who has not asked", test.parameters)
		}
	}
	shown := c.call("DescribeKeyPairs", "IncludePublicKey", "true", "KeyName.1", "made here")
	if got := shown.text("keySet/item/publicKey"); got != public+" made here" || shown.text("keySet/item/keyType") != "ed25519" {
		t.Errorf("the public key is %q, want %q", got, public)
	}
	if strings.Contains(c.all(), "PRIVATE") || strings.Contains(c.all(), created.text("keyMaterial")[100:140]) {
		t.Error("the private key is kept")
	}
	putty := c.call("CreateKeyPair", "KeyName", "for PuTTY", "KeyFormat", "ppk")
	if !strings.HasPrefix(putty.text("keyMaterial"), "PuTTY-User-Key-File-2: ssh-rsa") {
		t.Errorf("for PuTTY: %q", putty.text("keyMaterial"))
	}

	subnet := c.subnet(c.vpc("10.0.0.0/16"), "10.0.1.0/24")
	id := c.instance(subnet, "KeyName", "made here")
	if deleted := c.call("DeleteKeyPair", "KeyName", "made here"); deleted.text("keyPairId") != created.text("keyPairId") || deleted.text("return") != "true" {
		t.Errorf("deleted: %+v", deleted)
	}
	if again := c.call("DeleteKeyPair", "KeyPairId", created.text("keyPairId")); again.text("keyPairId") != "" || again.text("return") != "true" {
		t.Errorf("deleted again: %+v", again)
	}
	if got := c.call("DescribeInstances", filter("1", "key-name", "made here")...).text("reservationSet/item/instancesSet/item/instanceId"); got != id {
		t.Errorf("with the key there is %q, want %q", got, id)
	}
	v, _ := store.Instances.Get(testStore.Snapshot(), c.service.read(c.caller()).scope, id)
	if v.PublicKey != public {
		t.Errorf("the instance keeps the key %q, want %q", v.PublicKey, public)
	}
	other := newCloud(t)
	other.call("DeleteKeyPair", "KeyPairId", imported.text("keyPairId"))
	c.call("DescribeKeyPairs", "KeyName.1", "mine")
}

func TestKeyPairLimit(t *testing.T) {
	t.Parallel()
	c := newCloud(t, func(cfg *Config) { cfg.Limits.KeyPairs = 1 })
	c.call("CreateKeyPair", "KeyName", "one", "KeyType", "ed25519")
	c.refuse("KeyPairLimitExceeded", "CreateKeyPair", "KeyName", "two", "KeyType", "ed25519")
}
