package ec2

import (
	"context"
	"errors"

	model "causeway.dev/api/model/ec2"
	"causeway.dev/api/server"
	"causeway.dev/keypair"
	"causeway.dev/resource"
)

func (s *Service) keyPairActions() actions {
	return actions{
		"CreateKeyPair":    server.Operation(s.CreateKeyPair),
		"ImportKeyPair":    server.Operation(s.ImportKeyPair),
		"DeleteKeyPair":    server.Operation(s.DeleteKeyPair),
		"DescribeKeyPairs": server.Operation(s.DescribeKeyPairs),
	}
}

const codeKeyPairNotFound resource.Code = "InvalidKeyPair.NotFound"

// keyPairNamed finds a key pair by its name.
func keyPairNamed(r reader, name string) (resource.KeyPair, error) {
	for v := range keyPairs.list(r) {
		if v.Name == name {
			return v, nil
		}
	}
	return resource.KeyPair{}, resource.Errorf(codeKeyPairNotFound, "The key pair '%s' does not exist", resource.Clip(name))
}

// publicKey returns the public half of the key pair with a name; none for no name.
func publicKey(r reader, name string) (string, error) {
	if name == "" {
		return "", nil
	}
	v, err := keyPairNamed(r, name)
	return v.PublicKey, err
}

// addKeyPair writes a key pair unless its name is taken.
func (s *Service) addKeyPair(w writer, name string, public keypair.Public, tags []resource.Tag) (resource.KeyPair, error) {
	if _, err := keyPairNamed(w.reader, name); err == nil {
		return resource.KeyPair{}, resource.Errorf("InvalidKeyPair.Duplicate", "The keypair '%s' already exists.", name)
	}
	if keyPairs.total(w.reader) >= w.limits.KeyPairs {
		return resource.KeyPair{}, resource.Errorf("KeyPairLimitExceeded", "The maximum number of key pairs has been reached: %d", w.limits.KeyPairs)
	}
	v := resource.KeyPair{
		Meta: w.newMeta(s.newID(keyPairs.prefix), tags),
		Name: name, Type: string(public.Type), Fingerprint: public.Fingerprint, PublicKey: public.Text,
	}
	keyPairs.put(w, v)
	return v, nil
}

// CreateKeyPair makes a key and keeps its public half. The answer is the only place
// where the private one ever is.
func (s *Service) CreateKeyPair(ctx context.Context, c server.Caller, in *model.CreateKeyPairInput) (*model.CreateKeyPairOutput, error) {
	name := val(in.KeyName)
	if err := resource.ValidateKeyPairName(name); err != nil {
		return nil, err
	}
	tags, err := tagsFor(in.TagSpecifications, keyPairs.kind)
	if err != nil {
		return nil, err
	}
	kind := keypair.RSA
	if in.KeyType != nil {
		kind = keypair.Type(*in.KeyType)
	}
	private, public, err := keypair.Generate(kind, s.rand)
	if err != nil {
		return nil, err
	}
	material, err := private.PEM()
	if val(in.KeyFormat) == model.KeyFormatPpk {
		material, err = private.PPK(name)
	}
	if err != nil {
		return nil, err
	}
	var out model.CreateKeyPairOutput
	err = s.update(ctx, c, in.DryRun, func(w writer) error {
		v, err := s.addKeyPair(w, name, public, tags[keyPairs.kind])
		out = model.CreateKeyPairOutput{KeyFingerprint: &v.Fingerprint, KeyMaterial: &material, KeyName: &v.Name, KeyPairId: &v.ID, Tags: tagSet(v.Tags)}
		return err
	})
	if err != nil {
		return nil, err
	}
	return &out, nil
}

// ImportKeyPair keeps a public key whose private half the user has.
func (s *Service) ImportKeyPair(ctx context.Context, c server.Caller, in *model.ImportKeyPairInput) (*model.ImportKeyPairOutput, error) {
	if err := resource.ValidateKeyPairName(val(in.KeyName)); err != nil {
		return nil, err
	}
	tags, err := tagsFor(in.TagSpecifications, keyPairs.kind)
	if err != nil {
		return nil, err
	}
	public, err := keypair.Parse(in.PublicKeyMaterial)
	if errors.Is(err, keypair.ErrFormat) {
		return nil, resource.Errorf("InvalidKey.Format", "Key is not in valid OpenSSH public key format: %v", keypair.ErrFormat)
	}
	if err != nil {
		return nil, err
	}
	var out model.ImportKeyPairOutput
	err = s.update(ctx, c, in.DryRun, func(w writer) error {
		v, err := s.addKeyPair(w, val(in.KeyName), public, tags[keyPairs.kind])
		out = model.ImportKeyPairOutput{KeyFingerprint: &v.Fingerprint, KeyName: &v.Name, KeyPairId: &v.ID, Tags: tagSet(v.Tags)}
		return err
	})
	return &out, err
}

// DeleteKeyPair forgets a public key. What is not there is deleted already.
// Instances that were launched with it keep it.
func (s *Service) DeleteKeyPair(ctx context.Context, c server.Caller, in *model.DeleteKeyPairInput) (*model.DeleteKeyPairOutput, error) {
	if val(in.KeyName) == "" && val(in.KeyPairId) == "" {
		return nil, resource.Missing("KeyName")
	}
	out := model.DeleteKeyPairOutput{Return: new(true)}
	err := s.update(ctx, c, in.DryRun, func(w writer) error {
		out.KeyPairId = nil
		for _, v := range keyPairs.where(w.reader, func(v *resource.KeyPair) bool {
			return v.ID == val(in.KeyPairId) || in.KeyPairId == nil && v.Name == val(in.KeyName)
		}) {
			keyPairs.delete(w, v.ID)
			out.KeyPairId = &v.ID
		}
		return nil
	})
	return &out, err
}

var keyPairFields = fields[resource.KeyPair]{
	"key-pair-id": func(_ reader, v *resource.KeyPair) []string { return one(v.ID) },
	"fingerprint": func(_ reader, v *resource.KeyPair) []string { return one(v.Fingerprint) },
	"key-name":    func(_ reader, v *resource.KeyPair) []string { return one(v.Name) },
}

// DescribeKeyPairs lists key pairs: those that it names by id or by name, or all.
func (s *Service) DescribeKeyPairs(_ context.Context, c server.Caller, in *model.DescribeKeyPairsInput) (*model.DescribeKeyPairsOutput, error) {
	r := s.read(c)
	ids := in.KeyPairIds
	for _, name := range in.KeyNames {
		v, err := keyPairNamed(r, name)
		if err != nil {
			return nil, err
		}
		ids = append(ids, v.ID)
	}
	found, _, err := describe(r, keyPairs, keyPairFields, query{action: "DescribeKeyPairs", dryRun: in.DryRun, ids: ids, filters: in.Filters})
	if err != nil {
		return nil, err
	}
	return &model.DescribeKeyPairsOutput{KeyPairs: answers(found, func(v *resource.KeyPair) *model.KeyPairInfo {
		info := &model.KeyPairInfo{
			CreateTime: timestamp(v.Created), KeyFingerprint: &v.Fingerprint, KeyName: &v.Name, KeyPairId: &v.ID, KeyType: &v.Type, Tags: tagSet(v.Tags),
		}
		if val(in.IncludePublicKey) {
			info.PublicKey = str(v.PublicKey + " " + v.Name)
		}
		return info
	})}, nil
}
