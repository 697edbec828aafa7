package serve

import (
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"causeway.dev/api/access"
	"causeway.dev/iam"
	"causeway.dev/nodespec"
)

// secretLengthAdvised is the length below which a secret could be guessed over
// a network; AWS's have 40 characters.
const secretLengthAdvised = 16

// defaultAccount is the account that is made where the configuration has none.
const defaultAccount = "000000000001"

// credentialsFile, in the data directory, holds the made account's key in the
// form of ~/.aws/credentials.
const credentialsFile = "credentials"

// loadDirectory returns the access keys of the configuration, or those of the
// account that was made because it has none.
func loadDirectory(cfg Config, log *slog.Logger) (iam.Directory, error) {
	if len(cfg.Accounts) == 0 {
		key, err := madeKey(filepath.Join(cfg.DataDir, credentialsFile), log)
		if err != nil {
			return iam.Directory{}, err
		}
		return iam.NewDirectory(key)
	}
	var keys []iam.AccessKey
	for _, a := range cfg.Accounts {
		for _, k := range a.AccessKeys {
			keys = append(keys, iam.AccessKey{ID: k.ID, Secret: iam.Secret(k.Secret), Account: a.ID})
		}
	}
	return iam.NewDirectory(keys...)
}

// madeKey reads the key that an earlier start made, or makes one.
func madeKey(name string, log *slog.Logger) (iam.AccessKey, error) {
	text, err := os.ReadFile(name)
	if err == nil {
		key := iam.AccessKey{Account: defaultAccount}
		for line := range strings.Lines(string(text)) {
			switch k, v, _ := strings.Cut(line, "="); strings.TrimSpace(k) {
			case "aws_access_key_id":
				key.ID = strings.TrimSpace(v)
			case "aws_secret_access_key":
				key.Secret = iam.Secret(strings.TrimSpace(v))
			}
		}
		if err := key.Check(); err != nil {
			return key, fmt.Errorf("%s: %w", name, err)
		}
		return key, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return iam.AccessKey{}, fmt.Errorf("read credentials: %w", err)
	}
	key, err := iam.NewAccessKey(rand.Reader, defaultAccount, "")
	if err != nil {
		return key, err
	}
	content := fmt.Sprintf("[default]\naws_access_key_id = %s\naws_secret_access_key = %s\n", key.ID, string(key.Secret))
	if err := writeAtomically(name, []byte(content), 0o600); err != nil {
		return key, fmt.Errorf("write credentials: %w", err)
	}
	log.Info("made an account and its access key", "account", key.Account, "file", name)
	return key, nil
}

// writeAtomically writes a file so that a crash leaves the old or the new one.
func writeAtomically(name string, content []byte, mode fs.FileMode) error {
	temporary := name + ".new"
	file, err := os.OpenFile(temporary, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, mode)
	if err != nil {
		return err
	}
	_, err = file.Write(content)
	err = errors.Join(err, file.Sync(), file.Close())
	if err != nil {
		return errors.Join(err, os.Remove(temporary))
	}
	return os.Rename(temporary, name)
}

// tls is the configuration for an external cluster; nil for plain text.
func (c StoreConfig) tls() (*tls.Config, error) {
	if c.CACert == "" && c.Cert == "" {
		return nil, nil
	}
	out := &tls.Config{MinVersion: tls.VersionTLS12}
	if c.CACert != "" {
		pem, err := os.ReadFile(c.CACert)
		if err != nil {
			return nil, fmt.Errorf("store: read ca_cert: %w", err)
		}
		out.RootCAs = x509.NewCertPool()
		if !out.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("store: ca_cert %s holds no certificate in PEM", c.CACert)
		}
	}
	if c.Cert != "" {
		certificate, err := tls.LoadX509KeyPair(c.Cert, c.Key)
		if err != nil {
			return nil, fmt.Errorf("store: load cert and key: %w", err)
		}
		out.Certificates = []tls.Certificate{certificate}
	}
	return out, nil
}

// instanceCredentials lets the node hand out keys of the roles of instances.
func instanceCredentials(guard *access.Guard) func(string, nodespec.HostRole) (nodespec.Credentials, error) {
	return func(instance string, role nodespec.HostRole) (nodespec.Credentials, error) {
		k, token, err := guard.InstanceCredentials(role.ARN, instance, role.Host, time.Now())
		if err != nil {
			return nodespec.Credentials{}, err
		}
		return nodespec.Credentials{AccessKeyID: k.ID, Secret: nodespec.Secret(k.Secret), Token: nodespec.Secret(token), Issued: k.Session.Issued, Expires: k.Session.Expires}, nil
	}
}
