package plan_test

import (
	"testing"
	"time"

	"causeway.dev/nodespec"
	"causeway.dev/plan"
	"causeway.dev/resource"
	"causeway.dev/store"
)

// A tunnel has the keys that its secret has, or those that were fetched, and is not
// there while nobody knows any. The plan notices when either changes.
func TestKeysOfSecrets(t *testing.T) {
	until := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		entry   resource.KeySecretTunnel
		fetched resource.FetchedKey
		want    resource.TunnelKeys
	}{
		"in the secret":              {resource.KeySecretTunnel{Key: "own", Former: "former", FormerUntil: until}, resource.FetchedKey{}, resource.TunnelKeys{Key: "own", Former: "former", FormerUntil: until}},
		"in the secret, once not":    {resource.KeySecretTunnel{Key: "own"}, resource.FetchedKey{Key: "fetched"}, resource.TunnelKeys{Key: "own"}},
		"fetched":                    {resource.KeySecretTunnel{Reference: "vault:a", Key: "own"}, resource.FetchedKey{Key: "fetched", Former: "own", FormerUntil: until}, resource.TunnelKeys{Key: "fetched", Former: "own", FormerUntil: until}},
		"fetched, with a problem":    {resource.KeySecretTunnel{Reference: "vault:a"}, resource.FetchedKey{Key: "fetched", Problem: "gone"}, resource.TunnelKeys{Key: "fetched"}},
		"not fetched, one is there":  {resource.KeySecretTunnel{Reference: "vault:a", Key: "own"}, resource.FetchedKey{Problem: "gone"}, resource.TunnelKeys{Key: "own"}},
		"not fetched, none is there": {resource.KeySecretTunnel{Reference: "vault:a"}, resource.FetchedKey{Problem: "gone"}, resource.TunnelKeys{}},
	} {
		w := site()
		w.connections[0].Tunnels[0].KeyStorage = resource.KeyStorageSecretsManager
		w.connections[0].Tunnels[0].PreSharedKey = ""
		w.put(t, shared)
		var k plan.Compiler
		before, _ := k.Compile(shared.Snapshot())
		c.fetched.Meta = w.meta("vpn-a/1")
		put := func(secrets []resource.KeySecret, fetched []resource.FetchedKey) {
			t.Helper()
			err := shared.Update(t.Context(), func(tx *store.Tx) error {
				replace(tx, store.KeySecrets, secrets)
				replace(tx, store.FetchedKeys, fetched)
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		put([]resource.KeySecret{{Meta: w.meta("vpn-a"), Tunnels: [2]resource.KeySecretTunnel{c.entry}}}, []resource.FetchedKey{c.fetched})
		desired, changed := k.Compile(shared.Snapshot())
		put(nil, nil)
		first := desired.Tunnels[0]
		if c.want.Key == "" {
			if first.ID == "vpn-a/1" || changed {
				t.Errorf("%s: there is a tunnel", name)
			}
			continue
		}
		if len(desired.Tunnels) != len(before.Tunnels)+1 || !changed {
			t.Errorf("%s: the plan does not notice", name)
		}
		if got := (resource.TunnelKeys{Key: reveal(first.PreSharedKey), Former: reveal(first.FormerKey), FormerUntil: first.FormerUntil}); first.ID != "vpn-a/1" || got != c.want {
			t.Errorf("%s: the tunnel %s has other keys", name, first.ID)
		}
	}
}

func reveal(s nodespec.Secret) string { return string(s) }
