// Package secretsmanager carries out the actions of AWS Secrets Manager by which the
// pre-shared keys of VPN connections are read and replaced. There are no other secrets.
package secretsmanager

import (
	"errors"
	"reflect"
	"time"

	model "causeway.dev/api/model/secretsmanager"
	"causeway.dev/api/server"
	"causeway.dev/resource"
	"causeway.dev/store"
)

// Config is what the actions need to know of the installation.
type Config struct {
	Store *store.Store

	// FormerKeyLifetime is how long a key that was replaced is taken beside the new one.
	FormerKeyLifetime time.Duration

	// KeyReferences are the kinds of references to keys that can be followed.
	KeyReferences []string
}

// A Service has the actions as its methods. They may be called by any goroutine.
type Service struct{ config Config }

// New returns the actions on a store.
func New(c Config) *Service { return &Service{c} }

// Server returns the service as api/server takes it.
func (s *Service) Server() server.Service {
	return server.Service{Model: model.Service, ValidationCode: codeInvalidParameter, Targets: s.targets, Actions: map[string]server.Handler{
		"DescribeSecret": server.Operation(s.DescribeSecret),
		"GetSecretValue": server.Operation(s.GetSecretValue),
		"PutSecretValue": server.Operation(s.PutSecretValue),
	}}
}

// The codes of errors, as the model has them.
const (
	codeExists           = "ResourceExistsException"
	codeInvalidParameter = "InvalidParameterException"
	codeNotFound         = "ResourceNotFoundException"
)

func invalid(format string, args ...any) error {
	return resource.Errorf(codeInvalidParameter, format, args...)
}

// explain gives what is wrong with a key the service's code.
func explain(err error) error {
	if refused := (*resource.Error)(nil); errors.As(err, &refused) {
		return invalid("%s", refused.Message)
	}
	return err
}

// targets tells what a request is about: the secret, whether it exists or not, by its
// whole ARN, and with the tags of its connection.
func (s *Service) targets(c server.Caller, _ string, input any) []server.Target {
	id := server.Text(reflect.ValueOf(input).Elem(), "SecretId")
	connection, ok := resource.ParseKeySecretID(id, c.Account, c.Region)
	if !ok {
		return []server.Target{{ARN: "arn:aws:secretsmanager:" + c.Region + ":" + c.Account + ":secret:" + id}}
	}
	target := server.Target{ARN: resource.KeySecretARN(c.Account, c.Region, connection)}
	v, _ := store.VPNConnections.Get(s.config.Store.Snapshot(), scopeOf(c), connection)
	target.SetResourceTags("aws:resourcetag/", v.Tags)
	return []server.Target{target}
}

func scopeOf(c server.Caller) store.Scope { return store.Scope{Account: c.Account, Region: c.Region} }

// find returns a secret with its connection.
func find(r store.Reader, c server.Caller, id *string) (resource.KeySecret, resource.VPNConnection, error) {
	connection, _ := resource.ParseKeySecretID(*id, c.Account, c.Region)
	secret, ok := store.KeySecrets.Get(r, scopeOf(c), connection)
	v, found := store.VPNConnections.Get(r, scopeOf(c), connection)
	if !ok || !found {
		return secret, v, resource.Errorf(codeNotFound, "Secrets Manager can't find the specified secret.")
	}
	return secret, v, nil
}

// formerUntil is until when a key that is replaced now is valid.
func (s *Service) formerUntil(now time.Time) time.Time {
	return now.UTC().Add(s.config.FormerKeyLifetime).Truncate(time.Second)
}
