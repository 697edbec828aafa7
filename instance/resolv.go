package instance

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// Names of a file in /etc, and of what it is written as before it takes that name.
const (
	resolvName = "resolv.conf"
	resolvNew  = ".resolv.conf.causeway"
)

// resolvText is an instance's resolv.conf.
func resolvText(c Config) string {
	var b strings.Builder
	b.WriteString("# Made from the DHCP options of the VPC, whenever they change.\n")
	if c.Domain != "" {
		fmt.Fprintf(&b, "search %s\n", c.Domain)
	}
	for _, a := range c.Resolvers {
		fmt.Fprintf(&b, "nameserver %v\n", a)
	}
	return b.String()
}

// writeResolv replaces resolv.conf, also where it is a link: it is the link that
// goes.
func writeResolv(etc *os.Root, c Config) error {
	err := etc.Remove(resolvNew)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("write resolv.conf: %w", err)
	}
	file, err := etc.OpenFile(resolvNew, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return fmt.Errorf("write resolv.conf: %w", err)
	}
	_, err = file.WriteString(resolvText(c))
	if err := errors.Join(err, file.Close()); err != nil {
		return fmt.Errorf("write resolv.conf: %w", err)
	}
	if err := etc.Rename(resolvNew, resolvName); err != nil {
		return fmt.Errorf("write resolv.conf: %w", err)
	}
	return nil
}

// follow gives an instance that runs what has changed since its start. What it has
// written to the file itself stays until then.
func (d *Namespaces) follow(p process, c Config) error {
	d.mu.Lock()
	stands, known := d.resolv[c.ID]
	d.mu.Unlock()
	if !known { // it was started by an earlier life of this process
		told, err := d.told(c.ID)
		if err != nil {
			return fmt.Errorf("follow instance %s: %w", c.ID, err)
		}
		stands = resolvText(told.Config)
	}
	wanted := resolvText(c)
	if stands != wanted {
		err := p.inEtc(func(etc *os.Root) error { return writeResolv(etc, c) })
		if err == nil {
			err = d.tell(c)
		}
		if err != nil {
			return fmt.Errorf("follow instance %s: %w", c.ID, err)
		}
	}
	d.mu.Lock()
	d.resolv[c.ID] = wanted
	d.mu.Unlock()
	return nil
}

// told reads what an instance's init process was told.
func (d *Namespaces) told(id string) (c initConfig, err error) {
	text, err := os.ReadFile(filepath.Join(d.dir(id), fileConfig))
	if err != nil {
		return c, err
	}
	if err := json.Unmarshal(text, &c); err != nil {
		return c, fmt.Errorf("read config: %w", err)
	}
	return c, nil
}

// tell notes what an instance's init process is told.
func (d *Namespaces) tell(c Config) error {
	text, err := json.Marshal(initConfig{Config: c, Hide: d.o.Hide})
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(d.dir(c.ID), fileConfig), text, 0o600)
}

// inEtc calls f with the instance's /etc. The root user of an instance is not to
// be trusted: no link that it makes leads f to what is the host's.
func (p process) inEtc(f func(etc *os.Root) error) error {
	fd, err := p.open()
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return joined(fd, func() error {
		etc, err := os.OpenRoot("/etc")
		if err != nil {
			return err
		}
		defer etc.Close()
		return f(etc)
	})
}
