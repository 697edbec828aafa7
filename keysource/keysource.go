// Package keysource fetches pre-shared keys from where an operator keeps them: files,
// or HashiCorp Vault.
//
// Each account has a folder of its own there, so that no account can use another's
// keys by guessing their names. Errors say what was tried and never what was read.
package keysource

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// keyMax bounds what is read as a key, in bytes: some times the longest.
const keyMax = 4096

// ErrUnavailable is an error of the store as a whole: it is not worth asking for
// another key now.
var ErrUnavailable = errors.New("not available")

// Files is a directory with a folder for each account, which has a file for each key.
type Files struct{ dir string }

// NewFiles returns the keys below a directory, which need not exist yet.
func NewFiles(dir string) Files { return Files{dir} }

// Fetch reads the key of an account with a name. The file may be a symbolic link to
// one in the account's folder. Others than its owner and group must not be able to read it.
func (f Files) Fetch(_ context.Context, account, name string) (string, error) {
	shown := filepath.Join(f.dir, account, name)
	root, err := os.OpenRoot(filepath.Join(f.dir, account))
	if err != nil {
		return "", fmt.Errorf("open %s: %w", shown, cause(err))
	}
	defer root.Close()
	// Opening a pipe would wait for somebody to write into it.
	file, err := root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return "", fmt.Errorf("open %s: %w", shown, cause(err))
	}
	defer file.Close()
	info, err := file.Stat()
	switch {
	case err != nil:
		return "", fmt.Errorf("look at %s: %w", shown, cause(err))
	case !info.Mode().IsRegular():
		return "", fmt.Errorf("%s is no file", shown)
	case info.Mode().Perm()&0o007 != 0:
		return "", fmt.Errorf("%s is open to everybody (mode %04o): take that away with chmod o=", shown, info.Mode().Perm())
	}
	text, err := io.ReadAll(io.LimitReader(file, keyMax+1))
	switch {
	case err != nil:
		return "", fmt.Errorf("read %s: %w", shown, cause(err))
	case len(text) > keyMax:
		return "", fmt.Errorf("%s is too large for a key", shown)
	}
	return strings.TrimRight(string(text), "\r\n"), nil
}

// cause is what the system has said, without the path that is named otherwise.
func cause(err error) error {
	if path := (*fs.PathError)(nil); errors.As(err, &path) {
		return path.Err
	}
	return err
}
