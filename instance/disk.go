package instance

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// identityPath holds the id of the instance whose disk this is. It tells a disk that
// is still as the host's from one that has been made the instance's own.
const identityPath = "/etc/instance-id"

// programs end the instance from inside. Those of the host's distribution want a
// capability that instances don't have, or an init that is not theirs; these come
// first in searchPath.
var programs = map[string]string{
	"poweroff": "exec kill -s PWR 1\n",
	"halt":     "exec kill -s PWR 1\n",
	"reboot":   "exec kill -s INT 1\n",
	"shutdown": `signal=PWR
for word; do
	case $word in
	-r | --reboot) signal=INT ;;
	-[hPH] | --halt | --poweroff | now | +0) ;;
	*) echo "shutdown: instances shut down at once: shutdown [-r] now" >&2; exit 1 ;;
	esac
done
exec kill -s $signal 1
`,
}

const programsDir = "/usr/local/sbin"

// makeDiskOwn changes what an instance must not have from its host, at its first
// start. The calling process's root must be the instance's.
func makeDiskOwn(c Config) error {
	if text, err := os.ReadFile(identityPath); err == nil && string(text) == c.ID+"\n" {
		return nil
	}
	if err := os.MkdirAll(programsDir, 0o755); err != nil {
		return err
	}
	for name, script := range programs {
		if err := replaceFile(filepath.Join(programsDir, name), []byte("#!/bin/sh\n"+script), 0o755); err != nil {
			return fmt.Errorf("write program: %w", err)
		}
	}
	if err := prepareSSH(c.AuthorizedKeys); err != nil {
		return fmt.Errorf("prepare SSH: %w", err)
	}
	return replaceFile(identityPath, []byte(c.ID+"\n"), 0o644)
}

// replaceFile writes a file in place of whatever is there, without following links.
func replaceFile(path string, text []byte, mode os.FileMode) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode)
	if err != nil {
		return err
	}
	_, err = file.Write(text)
	return errors.Join(err, file.Chmod(mode), file.Close())
}
