package keysource

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"time"
)

const (
	// vaultTimeout bounds one question with its answer.
	vaultTimeout = 5 * time.Second

	// answerMax bounds an answer in bytes: a secret is some fields.
	answerMax = 64 << 10

	// FieldDefault is the field of a secret that has the key where a reference names none.
	FieldDefault = "pre_shared_key"
)

// VaultConfig says where a key-value store of HashiCorp Vault, version 2, is.
type VaultConfig struct {
	// Address is the server's URL. It is https, unless the server is on this host.
	Address string

	Mount     string // of the secrets engine: "secret"
	Path      string // the folder in it with the accounts' folders; "" for its root
	Namespace string // of Vault Enterprise; "" for none

	// TokenFile has the token, which must be allowed to read. It is read at each
	// question, since agents renew it.
	TokenFile string

	// CAFile has the authorities in PEM that the server is known by; "" for the system's.
	CAFile string
}

// Vault is a key-value store of HashiCorp Vault.
type Vault struct {
	config VaultConfig
	base   *url.URL
	client *http.Client
}

// NewVault returns the store that a configuration describes. It asks nothing yet.
func NewVault(c VaultConfig) (*Vault, error) {
	base, err := url.Parse(c.Address)
	switch {
	case err != nil || base.Host == "" || base.User != nil || base.RawQuery != "":
		return nil, errors.New("the address is not https://HOST:PORT") // it is not repeated: it may have a password
	case base.Scheme != "https" && !(base.Scheme == "http" && local(base.Hostname())):
		return nil, fmt.Errorf("%q is not https, and only a server on this host is asked otherwise", c.Address)
	}
	transport := &http.Transport{TLSHandshakeTimeout: vaultTimeout, MaxConnsPerHost: 8, IdleConnTimeout: time.Minute, TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12}}
	if c.CAFile != "" {
		text, err := os.ReadFile(c.CAFile)
		if err != nil {
			return nil, fmt.Errorf("read Vault's authorities: %w", err)
		}
		transport.TLSClientConfig.RootCAs = x509.NewCertPool()
		if !transport.TLSClientConfig.RootCAs.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("%s has no certificate in PEM form", c.CAFile)
		}
	}
	return &Vault{c, base, &http.Client{
		Transport: transport, Timeout: vaultTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, // the token is for this server
	}}, nil
}

func local(host string) bool {
	a, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && a.IsLoopback()
}

// place is where the secret of an account is that a name, "PATH#FIELD", means, and the
// field of it.
func (v *Vault) place(account, name string) (at *url.URL, field string) {
	path, field, named := strings.Cut(name, "#")
	if !named {
		field = FieldDefault
	}
	return v.base.JoinPath("v1", v.config.Mount, "data", v.config.Path, account, path), field
}

// Fetch asks for the field of an account's secret that a name, "PATH#FIELD", means.
func (v *Vault) Fetch(ctx context.Context, account, name string) (string, error) {
	place, field := v.place(account, name)
	token, err := os.ReadFile(v.config.TokenFile)
	if err != nil {
		return "", fmt.Errorf("%w: read the token for Vault: %w", ErrUnavailable, err)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, place.String(), nil)
	if err != nil {
		return "", fmt.Errorf("ask Vault for %s: %w", place, err)
	}
	request.Header.Set("X-Vault-Token", strings.TrimSpace(string(token)))
	request.Header.Set("X-Vault-Request", "true")
	if v.config.Namespace != "" {
		request.Header.Set("X-Vault-Namespace", v.config.Namespace)
	}
	response, err := v.client.Do(request)
	if err != nil {
		return "", fmt.Errorf("%w: ask Vault at %s: %w", ErrUnavailable, v.base, reason(err))
	}
	defer response.Body.Close()
	if err := refusal(response.StatusCode, place); err != nil {
		return "", err
	}
	text, err := io.ReadAll(io.LimitReader(response.Body, answerMax+1))
	switch {
	case err != nil:
		return "", fmt.Errorf("%w: read Vault's answer: %w", ErrUnavailable, reason(err))
	case len(text) > answerMax:
		return "", fmt.Errorf("the answer of Vault for %s is too large for a secret", place)
	}
	var answer struct {
		Data struct {
			Data map[string]any `json:"data"`
		} `json:"data"`
	}
	if json.Unmarshal(text, &answer) != nil {
		return "", fmt.Errorf("the answer of Vault for %s is no secret of the key-value store, version 2", place)
	}
	key, ok := answer.Data.Data[field].(string)
	if !ok {
		return "", fmt.Errorf("the secret %s has no field %q with a text", place, field)
	}
	return key, nil
}

// refusal says what an answer other than a secret means.
func refusal(status int, place *url.URL) error {
	switch status {
	case http.StatusOK:
		return nil
	case http.StatusForbidden:
		return fmt.Errorf("Vault refuses to show %s (403): is the token valid, and may it read there?", place)
	case http.StatusNotFound:
		return fmt.Errorf("Vault has no secret %s (404)", place)
	case http.StatusServiceUnavailable:
		return fmt.Errorf("%w: Vault is sealed (503)", ErrUnavailable)
	case http.StatusTooManyRequests, http.StatusInternalServerError, http.StatusBadGateway, http.StatusGatewayTimeout:
		return fmt.Errorf("%w: Vault answers %d", ErrUnavailable, status)
	}
	return fmt.Errorf("Vault answers %d for %s", status, place)
}

// reason is why a question had no answer, without the URL that is named already.
func reason(err error) error {
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		return fmt.Errorf("no answer within %v", vaultTimeout)
	}
	if wrapped := (*url.Error)(nil); errors.As(err, &wrapped) {
		return wrapped.Err
	}
	return err
}
