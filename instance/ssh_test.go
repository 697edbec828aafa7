package instance

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"causeway.dev/keypair"
	"causeway.dev/netfabric/netns"
)

// keyFile makes a key and returns the file of its private half, and its public half.
func keyFile(t *testing.T) (path, public string) {
	t.Helper()
	private, half, err := keypair.Generate(keypair.Ed25519, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	text, err := private.PEM()
	if err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path, half.Text
}

// ssh runs OpenSSH's client in the instance's network.
func (l *lab) ssh(c Config, key, input string, arguments ...string) (output string, code int) {
	l.t.Helper()
	path, err := exec.LookPath("ssh")
	if err != nil {
		l.t.Skip("ssh is not installed")
	}
	known := filepath.Join(l.prefixDir(), "known")
	cmd := exec.CommandContext(l.t.Context(), path, append([]string{
		"-F", "/dev/null", "-i", key, "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes", "-o", "ConnectTimeout=20",
		"-o", "StrictHostKeyChecking=accept-new", "-o", "UserKnownHostsFile=" + known, "-o", "LogLevel=ERROR",
	}, arguments...)...)
	var both bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(input), &both, &both
	if err := netns.Do(c.NetworkNamespace, cmd.Start); err != nil {
		l.t.Fatal(err)
	}
	err = cmd.Wait()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return both.String(), exit.ExitCode()
	}
	if err != nil {
		l.t.Fatal(err)
	}
	return both.String(), 0
}

// awaitSSH waits until an instance listens at port 22.
func (l *lab) awaitSSH(id string) {
	l.t.Helper()
	l.sh(id, "ip link set lo up")
	l.eventually("something listens at port 22", func() bool {
		return l.sh(id, "cat /proc/net/tcp /proc/net/tcp6 | grep -c ':0016 .* 0A ' || true") != "0"
	})
}

func (l *lab) prefixDir() string { return filepath.Dir(l.dir) }

func TestSSH(t *testing.T) {
	l := newLab(t)
	key, public := keyFile(t)
	c := l.config("i-1", "")
	c.AuthorizedKeys = []string{public + " my-key"}
	l.ensure(c)
	l.awaitSSH("i-1")
	for _, test := range []struct {
		name      string
		input     string
		arguments []string
		output    string
		code      int
	}{
		{"a command", "", []string{"root@127.0.0.1", "id -un; pwd; echo $HOME"}, "root\n/root\n/root\n", 0},
		{"another user", "", []string{"ec2-user@127.0.0.1", "id -un; pwd; cat /etc/shadow >/dev/null 2>&1 || echo refused"}, "ec2-user\n/home/ec2-user\nrefused\n", 0},
		{"an exit code", "", []string{"root@127.0.0.1", "exit 7"}, "", 7},
		{"input and both outputs", "hello", []string{"root@127.0.0.1", "cat; echo err >&2"}, "helloerr\n", 0},
		{"a shell", "echo in $0; exit 3\n", []string{"-T", "root@127.0.0.1"}, "in -bash\n", 3},
		{"a terminal", "", []string{"-tt", "root@127.0.0.1", "tty; test -t 0 && exit 5"}, "/dev/pts/0\r\n", 5},
		{"a variable", "", []string{"-o", "SetEnv=LC_TEST=set", "root@127.0.0.1", "echo $LC_TEST"}, "set\n", 0},
		{"a signal", "", []string{"root@127.0.0.1", "kill -KILL $$"}, "", 255},
		{"what is left behind", "", []string{"root@127.0.0.1", "sleep 100 & echo done"}, "done\n", 0},
	} {
		if got, code := l.ssh(c, key, test.input, test.arguments...); got != test.output || code != test.code {
			t.Errorf("%s: %q, exit code %d, want %q, %d", test.name, got, code, test.output, test.code)
		}
	}
	if got := l.sh("i-1", "grep CapBnd /proc/self/status"); !strings.Contains(got, "CapBnd") {
		t.Fatal(got)
	} else if over, _ := l.ssh(c, key, "", "root@127.0.0.1", "grep CapBnd /proc/self/status"); strings.TrimSpace(over) != got {
		t.Errorf("who enters by SSH may have %q, others %q", over, got)
	}

	wrong, _ := keyFile(t)
	for _, refused := range [][]string{{wrong, "root@127.0.0.1"}, {wrong, "ec2-user@127.0.0.1"}, {key, "nobody@127.0.0.1"}, {key, "daemon@127.0.0.1"}} {
		if got, code := l.ssh(c, refused[0], "", refused[1], "echo in"); code != 255 || !strings.Contains(got, "Permission denied") {
			t.Errorf("%s with another key: %q, exit code %d", refused[1], got, code)
		}
	}

	fingerprint := regexp.MustCompile(`256 SHA256:\S+ root@ip-10-0-1-4`)
	console, _ := l.Console("i-1")
	found := fingerprint.Find(console)
	if found == nil {
		t.Fatalf("the console shows no fingerprint: %s", console)
	}
	listed, err := exec.CommandContext(t.Context(), "ssh-keygen", "-l", "-f", filepath.Join(l.prefixDir(), "known")).Output()
	if err != nil || !strings.Contains(string(listed), strings.Fields(string(found))[1]) {
		t.Errorf("the client knows the host as %s, %v, and the console has %s", listed, err, found)
	}

	// The host's key, and keys that users have added, outlive a stop.
	more, morePublic := keyFile(t)
	if _, code := l.ssh(c, key, morePublic+"\n", "ec2-user@127.0.0.1", "cat >> ~/.ssh/authorized_keys"); code != 0 {
		t.Fatal("the key is not added")
	}
	if err := l.Stop(context.Background(), "i-1", false); err != nil {
		t.Fatal(err)
	}
	c.Boot++
	l.ensure(c)
	l.awaitSSH("i-1")
	if got, code := l.ssh(c, more, "", "ec2-user@127.0.0.1", "echo in"); got != "in\n" || code != 0 {
		t.Errorf("after a stop, with a key of one's own: %q, exit code %d", got, code)
	}
	if got, code := l.ssh(c, more, "", "root@127.0.0.1", "echo in"); code != 255 {
		t.Errorf("as root with ec2-user's key: %q, exit code %d", got, code)
	}
}

// What the host lets in by its own keys does not enter instances, and its host
// keys are not theirs.
func TestKeysOfTheHostAreNotTheInstances(t *testing.T) {
	l := newLab(t)
	l.ensure(l.config("i-1", "#cloud-config\npackages: [nginx]\n"))
	if got := l.sh("i-1", "ls /etc/ssh/ssh_host_* /root/.ssh 2>/dev/null | wc -l"); got != "0" {
		t.Errorf("the instance has %s keys of its host", got)
	}
	if got := l.sh("i-1", "cat /proc/net/tcp /proc/net/tcp6 | grep -c ':0016 ' || true"); got != "0" {
		t.Errorf("without a key pair, something listens at port 22: %s", got)
	}
	if text, _ := l.Console("i-1"); !strings.Contains(string(text), "cloud-init") {
		t.Errorf("the console says nothing of cloud-init: %q", text)
	}
}

// More connections than there are places are closed at once, and so are those of one
// address that are too many. Others get in meanwhile, and places are given back.
func TestSSHConnectionsAreBounded(t *testing.T) {
	l := newLab(t)
	key, public := keyFile(t)
	c := l.config("i-1", "")
	c.AuthorizedKeys = []string{public}
	l.ensure(c)
	l.awaitSSH("i-1")
	knock := func(from string) net.Conn {
		t.Helper()
		var conn net.Conn
		err := netns.Do(c.NetworkNamespace, func() (err error) {
			d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
			conn, err = d.DialContext(t.Context(), "tcp", "127.0.0.1:22")
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		return conn
	}
	var held []net.Conn
	for range sshKnockingMax {
		held = append(held, knock("127.0.0.2"))
	}
	if n, err := knock("127.0.0.2").Read(make([]byte, 1)); err == nil {
		t.Errorf("the stranger's connection too many reads %d bytes, want its end", n)
	}
	for n := len(held); n < sshConnectionsMax; n++ {
		held = append(held, knock(fmt.Sprintf("127.0.0.%d", 4+n)))
	}
	if n, err := knock("127.0.0.100").Read(make([]byte, 1)); err == nil {
		t.Errorf("the connection too many reads %d bytes, want its end", n)
	}
	for _, conn := range held {
		conn.Close()
	}
	for range sshConnectionsMax {
		knock("127.0.0.2")
	}
	l.eventually("somebody gets in while a stranger knocks", func() bool {
		_, code := l.ssh(c, key, "", "-b", "127.0.0.3", "root@127.0.0.1", "true")
		return code == 0
	})
}
