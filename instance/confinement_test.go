package instance

import (
	"os"
	"path/filepath"
	"testing"
)

// TestWaysOutAreClosed takes the steps by which root inside a container is known
// to reach the host.
func TestWaysOutAreClosed(t *testing.T) {
	l := newLab(t)
	secret := filepath.Join(l.hidden, "secret")
	if err := os.WriteFile(secret, []byte("key"), 0o600); err != nil {
		t.Fatal(err)
	}
	l.ensure(l.config("i-1", ""))
	for _, c := range []struct{ name, script string }{
		{"take off what hides a directory", "umount " + l.hidden + " && cat " + secret},
		{"reach it by a link", "cat " + filepath.Join(filepath.Dir(l.hidden), "link", "secret")},
		{"mount the host's devices", "mkdir -p /mnt/x && mount -t devtmpfs x /mnt/x && ls /mnt/x/vda /mnt/x/mem"},
		{"mount cgroups, whose release agent runs on the host", "mkdir -p /mnt/x && mount -t cgroup -o pids x /mnt/x"},
		{"make the host's settings writable", "umount /proc/sys && echo 1 > /proc/sys/kernel/panic"},
		{"look at the descriptors of process 1", "ls -d /proc/1/fd/*/.."},
		{"look at the root of process 1", "ls /proc/1/root/"},
		{"see the host's kernel messages", "dmesg | grep ."},
	} {
		if code, err := l.Exec(t.Context(), "i-1", []string{"sh", "-c", c.script}, nil, nil, nil, false); err != nil || code == 0 {
			t.Errorf("%s: exit code %d, %v, want it to be refused", c.name, code, err)
		}
	}
}

func TestConsoleGoesOnWhereTheDiskIsFull(t *testing.T) {
	c, err := openConsole("/dev/full")
	if err != nil {
		t.Skip(err)
	}
	defer c.file.Close()
	if n, err := c.Write([]byte("lost")); n != 4 || err != nil {
		t.Errorf("Write = %d, %v; who writes must not stop", n, err)
	}
}
