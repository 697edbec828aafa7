package secretsmanager

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"time"

	model "causeway.dev/api/model/secretsmanager"
	"causeway.dev/api/server"
	"causeway.dev/resource"
	"causeway.dev/store"
)

// stageCurrent is the label of the only version of a secret that can be read.
const stageCurrent = "AWSCURRENT"

// A value is the text of a secret: the keys of those tunnels of a connection that have
// theirs in it.
type value struct {
	Tunnels []tunnelValue `json:"tunnels"`
}

type tunnelValue struct {
	OutsideAddress string `json:"tunnel_outside_ip_address"`
	PreSharedKey   string `json:"pre_shared_key"` // the key, or where it is: "vault:…", "file:…"
}

// GetSecretValue shows the keys of a connection, and of those that are elsewhere where.
func (s *Service) GetSecretValue(_ context.Context, c server.Caller, in *model.GetSecretValueInput) (*model.GetSecretValueOutput, error) {
	secret, v, err := find(s.config.Store.Snapshot(), c, in.SecretId)
	if err != nil {
		return nil, err
	}
	if in.VersionId != nil && *in.VersionId != secret.Version {
		return nil, resource.Errorf(codeNotFound, "Secrets Manager can't find the specified secret value for VersionId: %s", resource.Clip(*in.VersionId))
	}
	if in.VersionStage != nil && *in.VersionStage != stageCurrent {
		return nil, resource.Errorf(codeNotFound, "Secrets Manager can't find the specified secret value for staging label: %s", resource.Clip(*in.VersionStage))
	}
	var shown value
	for i := range v.Tunnels {
		if v.Tunnels[i].KeysInSecret() {
			shown.Tunnels = append(shown.Tunnels, tunnelValue{v.Tunnels[i].OutsideAddress.String(), secret.Tunnels[i].Value()})
		}
	}
	text, err := json.Marshal(shown)
	if err != nil {
		return nil, err
	}
	return &model.GetSecretValueOutput{
		ARN: arn(&secret), Name: new(resource.KeySecretName(secret.ID)), SecretString: new(string(text)),
		VersionId: &secret.Version, VersionStages: []string{stageCurrent}, CreatedDate: &secret.Changed,
	}, nil
}

// DescribeSecret tells all of a secret but what it keeps.
func (s *Service) DescribeSecret(_ context.Context, c server.Caller, in *model.DescribeSecretInput) (*model.DescribeSecretOutput, error) {
	secret, _, err := find(s.config.Store.Snapshot(), c, in.SecretId)
	if err != nil {
		return nil, err
	}
	return &model.DescribeSecretOutput{
		ARN: arn(&secret), Name: new(resource.KeySecretName(secret.ID)), OwningService: new("s2svpn"), RotationEnabled: new(false),
		Description: new("Pre-shared keys of the VPN connection " + secret.ID), CreatedDate: &secret.Created, LastChangedDate: &secret.Changed,
	}, nil
}

// PutSecretValue replaces the keys of those tunnels that it names. The keys before
// stay valid for a while. The same call made twice changes nothing the second time.
func (s *Service) PutSecretValue(ctx context.Context, c server.Caller, in *model.PutSecretValueInput) (*model.PutSecretValueOutput, error) {
	switch {
	case in.SecretString == nil || in.SecretBinary != nil:
		return nil, invalid("Give SecretString, and not SecretBinary.")
	case in.ClientRequestToken == nil:
		return nil, invalid("You must provide a ClientRequestToken value. We recommend a UUID-type value.")
	case len(in.VersionStages) > 0 && !slices.Equal(in.VersionStages, []string{stageCurrent}):
		return nil, invalid("The only staging label is %s.", stageCurrent)
	}
	given, err := parseValue(*in.SecretString)
	if err != nil {
		return nil, err
	}
	var out model.PutSecretValueOutput
	err = s.config.Store.Update(ctx, func(tx *store.Tx) error {
		secret, v, err := find(tx, c, in.SecretId)
		if err != nil {
			return err
		}
		before := secret.Tunnels
		if err := s.put(tx, c, &secret, &v, given); err != nil {
			return err
		}
		out = model.PutSecretValueOutput{ARN: arn(&secret), Name: new(resource.KeySecretName(secret.ID)), VersionId: in.ClientRequestToken, VersionStages: []string{stageCurrent}}
		if secret.Version == *in.ClientRequestToken {
			if secret.Tunnels != before {
				return resource.Errorf(codeExists, "A version with the ClientRequestToken exists, with another value.")
			}
			return nil
		}
		secret.Version, secret.Changed = *in.ClientRequestToken, c.Now.UTC().Truncate(time.Millisecond)
		store.KeySecrets.Put(tx, secret)
		return nil
	})
	return &out, err
}

// put changes a secret's keys to those that were given.
func (s *Service) put(r store.Reader, c server.Caller, secret *resource.KeySecret, v *resource.VPNConnection, given value) error {
	for _, g := range given.Tunnels {
		i := slices.IndexFunc(v.Tunnels[:], func(t resource.VPNTunnel) bool {
			return t.OutsideAddress.String() == g.OutsideAddress && t.KeysInSecret()
		})
		if i < 0 {
			return invalid("The secret has no key of a tunnel with the outside address %s.", resource.Clip(g.OutsideAddress))
		}
		if err := resource.ValidateKeyValue(g.PreSharedKey, s.config.KeyReferences); err != nil {
			return explain(err)
		}
		if secret.Tunnels[i].Value() == g.PreSharedKey {
			continue
		}
		fetched, _ := store.FetchedKeys.Get(r, scopeOf(c), resource.TunnelID(v.ID, i+1))
		secret.Tunnels[i].Put(g.PreSharedKey, secret.Tunnels[i].Keys(fetched), s.formerUntil(c.Now))
	}
	return nil
}

// parseValue reads the text of a secret. No error repeats any of it.
func parseValue(text string) (value, error) {
	const form = `{"tunnels": [{"tunnel_outside_ip_address": "ADDRESS", "pre_shared_key": "KEY"}]}`
	var v value
	d := json.NewDecoder(bytes.NewReader([]byte(text)))
	d.DisallowUnknownFields()
	if err := d.Decode(&v); err != nil || len(v.Tunnels) == 0 || len(v.Tunnels) > len(resource.VPNConnection{}.Tunnels) {
		return v, invalid("The SecretString has not the form %s.", form)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return v, invalid("Something follows the value in the SecretString, which has the form %s.", form)
	}
	for i, t := range v.Tunnels {
		if slices.ContainsFunc(v.Tunnels[:i], func(o tunnelValue) bool { return o.OutsideAddress == t.OutsideAddress }) {
			return v, invalid("The SecretString names a tunnel twice.")
		}
	}
	return v, nil
}

func arn(s *resource.KeySecret) *string {
	return new(resource.KeySecretARN(s.Account, s.Region, s.ID))
}
