package instance

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/sys/unix"

	"causeway.dev/internal/run"
	"causeway.dev/internal/servers"
)

// Bounds of the SSH server, which anybody may reach whom the network lets through.
const (
	sshConnectionsMax  = 32 // at once; further ones are closed
	sshKnockingMax     = 10 // of them, from one address, that have shown no right key yet
	sshSessionsMax     = 10 // at once, in a connection, as OpenSSH's MaxSessions
	sshAuthTriesMax    = 6
	sshAuthTime        = 30 * time.Second // from the first packet to the right key
	authorizedBytesMax = 64 << 10
)

// sshUsers are those that users enter as: root, and who has root's rights by sudo
// only, as on AWS's own images.
var sshUsers = []string{"root", ec2User}

const (
	ec2User     = "ec2-user"
	hostKeyPath = "/etc/ssh/ssh_host_ed25519_key"
	sshVersion  = "SSH-2.0-Causeway"
)

var errKeyRefused = errors.New("the key is not authorized")

// prepareSSH gives a disk host keys of its own in place of those of its host, and
// lets the authorized keys in as root and as ec2-user.
func prepareSSH(authorized []string) error {
	others, err := filepath.Glob("/etc/ssh/ssh_host_*")
	if err != nil {
		return err
	}
	for _, path := range others {
		if err := os.Remove(path); err != nil {
			return err
		}
	}
	if err := os.RemoveAll("/root/.ssh"); err != nil {
		return err
	}
	if len(authorized) == 0 {
		return nil
	}
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	block, err := ssh.MarshalPrivateKey(key, "")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(hostKeyPath), 0o755); err != nil {
		return err
	}
	if err := replaceFile(hostKeyPath, pem.EncodeToMemory(block), 0o600); err != nil {
		return err
	}
	if err := addUser(ec2User); err != nil {
		return fmt.Errorf("add user %s: %w", ec2User, err)
	}
	for _, name := range sshUsers {
		if err := authorize(name, authorized); err != nil {
			return fmt.Errorf("authorize keys of %s: %w", name, err)
		}
	}
	return nil
}

// authorize writes a user's authorized keys in place of others.
func authorize(name string, keys []string) error {
	user, err := findAccount(name)
	if err != nil {
		return err
	}
	dir := filepath.Join(user.home, ".ssh")
	if err := errors.Join(os.RemoveAll(dir), os.MkdirAll(dir, 0o700)); err != nil {
		return err
	}
	path := filepath.Join(dir, "authorized_keys")
	if err := replaceFile(path, []byte(strings.Join(keys, "\n")+"\n"), 0o600); err != nil {
		return err
	}
	return errors.Join(os.Chown(dir, int(user.uid), int(user.gid)), os.Chown(path, int(user.uid), int(user.gid)))
}

// An sshServer lets users in. It lives within process 1, whose memory and
// descriptors nobody inside can reach, and lets that start processes.
type sshServer struct {
	init     *initProcess
	config   ssh.ServerConfig
	listener net.Listener
	places   chan struct{}   // a token for each connection
	knocking *servers.Places // of those of strangers: none shuts all others out
	group    *run.Group
}

// startSSH starts the server if there are keys to enter with, and prints the
// fingerprint of its key.
func (i *initProcess) startSSH() error {
	if len(i.config.AuthorizedKeys) == 0 {
		return nil
	}
	text, err := os.ReadFile(hostKeyPath)
	if err != nil {
		return err
	}
	key, err := ssh.ParsePrivateKey(text)
	if err != nil {
		return fmt.Errorf("read host key: %w", err)
	}
	fmt.Fprintf(i.console, "-----BEGIN SSH HOST KEY FINGERPRINTS-----\n256 %s root@%s (ED25519)\n-----END SSH HOST KEY FINGERPRINTS-----\n",
		ssh.FingerprintSHA256(key.PublicKey()), i.config.Hostname)
	s := &sshServer{init: i, places: make(chan struct{}, sshConnectionsMax), knocking: servers.NewPlaces(sshConnectionsMax, sshKnockingMax), group: run.New(context.Background())}
	s.config = ssh.ServerConfig{MaxAuthTries: sshAuthTriesMax, ServerVersion: sshVersion, PublicKeyCallback: s.judge}
	s.config.AddHostKey(key)
	if s.listener, err = net.Listen("tcp", ":22"); err != nil {
		return err
	}
	s.group.Go("ssh", s.accept)
	return nil
}

// judge lets a key in that the user's file has. Lines with options are not obeyed,
// and so let nobody in.
func (s *sshServer) judge(c ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
	if !slices.Contains(sshUsers, c.User()) {
		return nil, errKeyRefused
	}
	user, err := findAccount(c.User())
	if err != nil {
		return nil, errKeyRefused
	}
	file, err := os.OpenFile(filepath.Join(user.home, ".ssh", "authorized_keys"), os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, errKeyRefused
	}
	defer file.Close()
	if info, err := file.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, errKeyRefused
	}
	text, err := io.ReadAll(io.LimitReader(file, authorizedBytesMax))
	if err != nil {
		return nil, errKeyRefused
	}
	for line := range bytes.Lines(text) {
		authorized, _, options, _, err := ssh.ParseAuthorizedKey(line)
		if err == nil && len(options) == 0 && bytes.Equal(authorized.Marshal(), key.Marshal()) {
			return nil, nil
		}
	}
	return nil, errKeyRefused
}

func (s *sshServer) accept(context.Context) error {
	for {
		conn, err := s.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil { // out of descriptors, or the like
			time.Sleep(time.Second)
			continue
		}
		known, ok := s.knocking.Take(servers.AddressOf(conn.RemoteAddr()))
		if !ok {
			conn.Close()
			continue
		}
		select {
		case s.places <- struct{}{}:
			s.group.Go("ssh connection", func(context.Context) error {
				defer func() { <-s.places }()
				defer known()
				s.serve(conn, known)
				return nil
			})
		default:
			known()
			conn.Close()
		}
	}
}

// serve carries one connection until it ends. known is called when a right key was
// shown.
func (s *sshServer) serve(conn net.Conn, known func()) {
	defer conn.Close()
	if conn.SetDeadline(time.Now().Add(sshAuthTime)) != nil {
		return
	}
	secure, channels, requests, err := ssh.NewServerConn(conn, &s.config)
	if err != nil {
		return // who knocks and has no key is nothing to write down
	}
	defer secure.Close()
	known()
	defer s.init.memory.work()()
	if conn.SetDeadline(time.Time{}) != nil {
		return
	}
	sessions := run.New(context.Background())
	defer sessions.Wait()
	sessions.Go("ssh requests", func(context.Context) error {
		ssh.DiscardRequests(requests)
		return nil
	})
	places := make(chan struct{}, sshSessionsMax)
	for offered := range channels {
		if offered.ChannelType() != "session" {
			offered.Reject(ssh.UnknownChannelType, "there are sessions only")
			continue
		}
		select {
		case places <- struct{}{}:
		default:
			offered.Reject(ssh.ResourceShortage, "there are too many sessions")
			continue
		}
		channel, requests, err := offered.Accept()
		if err != nil {
			<-places
			continue
		}
		sessions.Go("ssh session", func(context.Context) error {
			defer func() { <-places }()
			(&sshSession{init: s.init, user: secure.User(), channel: channel}).serve(requests)
			return nil
		})
	}
}
