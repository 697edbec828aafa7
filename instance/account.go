package instance

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
)

// An account is a user of an instance, as its /etc/passwd has it.
type account struct {
	name        string
	uid, gid    uint32
	home, shell string
}

const (
	passwdPath = "/etc/passwd"
	groupPath  = "/etc/group"

	// uidFirst is where distributions begin with people.
	uidFirst = 1000
)

// findAccount looks a user up.
func findAccount(name string) (account, error) {
	text, err := os.ReadFile(passwdPath)
	if err != nil {
		return account{}, err
	}
	for line := range bytes.Lines(text) {
		// name:password:uid:gid:comment:home:shell
		f := strings.Split(strings.TrimSuffix(string(line), "\n"), ":")
		if len(f) != 7 || f[0] != name {
			continue
		}
		uid, err1 := strconv.ParseUint(f[2], 10, 32)
		gid, err2 := strconv.ParseUint(f[3], 10, 32)
		if err := errors.Join(err1, err2); err != nil {
			return account{}, fmt.Errorf("read account %s: %w", name, err)
		}
		a := account{name: name, uid: uint32(uid), gid: uint32(gid), home: f[5], shell: f[6]}
		if a.shell == "" {
			a.shell = "/bin/sh"
		}
		return a, nil
	}
	return account{}, fmt.Errorf("account %s: %w", name, fs.ErrNotExist)
}

// addUser makes an account with a group and a home of its own, which may become
// root by sudo where that is installed. One that is there stays as it is.
func addUser(name string) error {
	if _, err := findAccount(name); err == nil || !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	id, err := freeID()
	if err != nil {
		return err
	}
	shell := "/bin/sh"
	if _, err := os.Stat("/bin/bash"); err == nil {
		shell = "/bin/bash"
	}
	home := "/home/" + name
	if err := appendLine(groupPath, fmt.Sprintf("%s:x:%d:", name, id)); err != nil {
		return err
	}
	if err := appendLine(passwdPath, fmt.Sprintf("%s:x:%d:%d::%s:%s", name, id, id, home, shell)); err != nil {
		return err
	}
	if err := appendLine("/etc/shadow", name+":*:::::::"); err != nil { // no password is the right one
		return err
	}
	if err := errors.Join(os.MkdirAll(home, 0o755), os.Chown(home, id, id)); err != nil {
		return err
	}
	if _, err := os.Stat("/etc/sudoers.d"); err != nil {
		return nil
	}
	return replaceFile("/etc/sudoers.d/"+name, []byte(name+" ALL=(ALL) NOPASSWD:ALL\n"), 0o440)
}

// freeID returns a number that neither a user nor a group has.
func freeID() (int, error) {
	used := map[string]bool{}
	for _, path := range []string{passwdPath, groupPath} {
		text, err := os.ReadFile(path)
		if err != nil {
			return 0, err
		}
		for line := range bytes.Lines(text) {
			if f := strings.Split(string(line), ":"); len(f) > 2 {
				used[f[2]] = true
			}
		}
	}
	id := uidFirst
	for used[strconv.Itoa(id)] {
		id++
	}
	return id, nil
}

// appendLine adds a line to a file that ends in one, or makes the file.
func appendLine(path, line string) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o640)
	if err != nil {
		return err
	}
	_, err = file.WriteString(line + "\n")
	return errors.Join(err, file.Close())
}
