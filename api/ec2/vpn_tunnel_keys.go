package ec2

import (
	"cmp"
	"encoding/hex"
	"time"

	"causeway.dev/resource"
	"causeway.dev/store"
)

// formerKeyLifetime is how long a tunnel takes a pre-shared key that was replaced.
func (s *Service) formerKeyLifetime() time.Duration {
	return cmp.Or(s.config.FormerKeyLifetime, FormerKeyLifetimeDefault)
}

// checkKeyStorage refuses a place for keys that there is not.
func checkKeyStorage(storage *string) error {
	switch val(storage) {
	case "", resource.KeyStorageStandard, resource.KeyStorageSecretsManager:
		return nil
	}
	return resource.InvalidValue("PreSharedKeyStorage", *storage, "Give "+resource.KeyStorageStandard+" or "+resource.KeyStorageSecretsManager+".")
}

// checkKeyValue refuses what a secret can't have for a tunnel: what is neither a key
// nor a reference to one, and a reference to where this installation fetches none. ""
// asks for a key of ours.
func (s *Service) checkKeyValue(value string) error {
	if value == "" {
		return nil
	}
	return resource.ValidateKeyValue(value, s.config.KeyReferences)
}

// putKeySecret stores the keys of a connection that are to be in a secret, and makes
// up those that nobody has given.
func (s *Service) putKeySecret(w writer, v *resource.VPNConnection, keys [2]resource.KeySecretTunnel) {
	for i := range v.Tunnels {
		if v.Tunnels[i].KeysInSecret() && keys[i].Value() == "" {
			keys[i].Key = s.newPreSharedKey()
		}
	}
	secret, ok := store.KeySecrets.Get(w.Reader, w.scope, v.ID)
	if !ok {
		secret.Meta = w.newMeta(v.ID, nil)
	}
	var random [16]byte
	s.readRandom(random[:])
	secret.Tunnels, secret.Version, secret.Changed = keys, hex.EncodeToString(random[:]), w.now.UTC().Truncate(time.Millisecond)
	store.KeySecrets.Put(w.tx, secret)
}

// changeKeys gives tunnel number index of a connection another key, another place for
// it, or both; "" leaves each as it is. What moves to the secret stays the same key,
// and what moves from there is a new one: who may change the connection need not be
// allowed to read the secret. The key before stays valid for a while in all cases.
func (s *Service) changeKeys(w writer, v *resource.VPNConnection, index int, customer *resource.CustomerGateway, storage, given string) error {
	t := &v.Tunnels[index]
	until := w.now.UTC().Add(s.formerKeyLifetime()).Truncate(time.Second)
	storage = cmp.Or(storage, t.KeyStorage, resource.KeyStorageStandard)
	secret, _ := store.KeySecrets.Get(w.Reader, w.scope, v.ID)
	entry := secret.Tunnels[index]
	switch now := tunnelKeys(w.Reader, w.scope, v, index); {
	case storage == resource.KeyStorageSecretsManager && customer.Certificate == "":
		if err := s.checkKeyValue(given); err != nil {
			return err
		}
		if given == "" && t.KeysInSecret() {
			return nil
		}
		t.KeyStorage = storage
		t.SetKeys(resource.TunnelKeys{})
		entry.Put(cmp.Or(given, now.Key), now, until)
	case storage == resource.KeyStorageSecretsManager:
		t.KeyStorage = storage // which is refused
		return nil
	case t.KeysInSecret():
		t.KeyStorage = ""
		t.SetKeys(now)
		t.ReplacePreSharedKey(cmp.Or(given, s.newPreSharedKey()), until)
		entry = resource.KeySecretTunnel{}
	default:
		t.ReplacePreSharedKey(cmp.Or(given, now.Key), until)
		return nil
	}
	if !v.HasKeySecret() {
		store.KeySecrets.Delete(w.tx, w.scope, v.ID)
		return nil
	}
	secret.Tunnels[index] = entry
	s.putKeySecret(w, v, secret.Tunnels)
	return nil
}

// tunnelKeys are the keys that a tunnel has now, wherever they are.
func tunnelKeys(r store.Reader, scope store.Scope, v *resource.VPNConnection, index int) resource.TunnelKeys {
	if !v.Tunnels[index].KeysInSecret() {
		return v.Tunnels[index].Keys()
	}
	secret, _ := store.KeySecrets.Get(r, scope, v.ID)
	fetched, _ := store.FetchedKeys.Get(r, scope, resource.TunnelID(v.ID, index+1))
	return secret.Tunnels[index].Keys(fetched)
}

// keyProblem says why the key of a tunnel can't be had from where it is kept; "" if
// it can.
func keyProblem(r reader, v *resource.VPNConnection, index int) string {
	if !v.Tunnels[index].KeysInSecret() {
		return ""
	}
	secret, _ := store.KeySecrets.Get(r.Reader, r.scope, v.ID)
	fetched, _ := store.FetchedKeys.Get(r.Reader, r.scope, resource.TunnelID(v.ID, index+1))
	entry := secret.Tunnels[index]
	switch {
	case entry.Reference == "":
		return ""
	case fetched.Problem == "" && fetched.Key == "":
		return "Its pre-shared key is being fetched from " + entry.Reference
	case fetched.Problem == "":
		return ""
	case entry.Keys(fetched).Key == "":
		return "There is no pre-shared key: " + fetched.Problem
	}
	return "The pre-shared key can't be fetched since " + fetched.Since.UTC().Format(time.RFC3339) + ", and the last one is used: " + fetched.Problem
}
