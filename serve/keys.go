package serve

import (
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"sync"
	"time"

	"causeway.dev/control/presharedkeys"
	"causeway.dev/keysource"
	"causeway.dev/resource"
)

// KeysConfig says where pre-shared keys are fetched that secrets refer to. Default:
// nowhere.
type KeysConfig struct {
	// Directory has a folder for each account with a file for each key: the
	// reference "file:NAME" of account 123456789012 is DIRECTORY/123456789012/NAME.
	Directory string `yaml:"directory"`

	Vault *VaultConfig `yaml:"vault"`

	// Refresh is how often all keys are fetched anew: "1m", the default; 1s to 1h.
	Refresh time.Duration `yaml:"refresh"`
}

// VaultConfig is a key-value store of HashiCorp Vault, version 2: the reference
// "vault:NAME#FIELD" of account 123456789012 is FIELD of the secret
// MOUNT/PATH/123456789012/NAME, pre_shared_key if none is named.
type VaultConfig struct {
	Address   string `yaml:"address"`    // "https://vault:8200"; http only on this host
	Mount     string `yaml:"mount"`      // default secret
	Path      string `yaml:"path"`       // default causeway
	Namespace string `yaml:"namespace"`  // of Vault Enterprise; default none
	TokenFile string `yaml:"token_file"` // read at each question
	CACert    string `yaml:"ca_cert"`    // PEM; default the system's authorities
}

const refreshMax = time.Hour

var vaultPath = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*$`) })

func (c *KeysConfig) setDefaults() {
	if c.Refresh == 0 {
		c.Refresh = presharedkeys.RefreshDefault
	}
	if c.Vault != nil {
		if c.Vault.Mount == "" {
			c.Vault.Mount = "secret"
		}
		if c.Vault.Path == "" {
			c.Vault.Path = "causeway"
		}
	}
}

func (c KeysConfig) validate() error {
	switch v := c.Vault; {
	case c.Directory != "" && !filepath.IsAbs(c.Directory):
		return fmt.Errorf("pre_shared_keys: directory %q is no absolute path", c.Directory)
	case c.Refresh < time.Second || c.Refresh > refreshMax:
		return fmt.Errorf("pre_shared_keys: refresh %v is not from 1s to %v", c.Refresh, refreshMax)
	case v == nil:
		return nil
	case !filepath.IsAbs(v.TokenFile):
		return errors.New("pre_shared_keys: vault: token_file is no absolute path")
	case !vaultPath().MatchString(v.Mount) || !vaultPath().MatchString(v.Path):
		return fmt.Errorf("pre_shared_keys: vault: mount %q and path %q are to be names, separated by slashes", v.Mount, v.Path)
	}
	return nil
}

// sources are the places where keys are fetched, by the kind of reference.
func (c KeysConfig) sources() (map[string]presharedkeys.Source, error) {
	all := map[string]presharedkeys.Source{}
	if c.Directory != "" {
		all[resource.KeyReferenceFile] = keysource.NewFiles(c.Directory)
	}
	if v := c.Vault; v != nil {
		vault, err := keysource.NewVault(keysource.VaultConfig{
			Address: v.Address, Mount: v.Mount, Path: v.Path, Namespace: v.Namespace, TokenFile: v.TokenFile, CAFile: v.CACert,
		})
		if err != nil {
			return nil, fmt.Errorf("pre_shared_keys: vault: %w", err)
		}
		all[resource.KeyReferenceVault] = vault
	}
	return all, nil
}

// references are the kinds of references that can be followed.
func (c KeysConfig) references() []string {
	var kinds []string
	if c.Directory != "" {
		kinds = append(kinds, resource.KeyReferenceFile)
	}
	if c.Vault != nil {
		kinds = append(kinds, resource.KeyReferenceVault)
	}
	return kinds
}
