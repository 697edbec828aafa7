package instance

import (
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"syscall"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/sys/unix"

	"causeway.dev/internal/run"
)

// An sshSession is one command, or a shell, of one user.
type sshSession struct {
	init        *initProcess
	user        string
	channel     ssh.Channel
	environment []string
	terminal    *terminal
	child       *child
	copies      *run.Group // of what the command prints
}

// A child is a process that process 1 has started for somebody.
type child struct {
	pid    int
	status chan syscall.WaitStatus // one, when it has ended
	ended  bool                    // owned by process 1's loop
}

// Payloads of requests: RFC 4254 section 6.
type (
	ptyRequest struct {
		Term                         string
		Columns, Rows, Width, Height uint32 // characters, pixels
		Modes                        string
	}
	windowChange   struct{ Columns, Rows, Width, Height uint32 }
	variable       struct{ Name, Value string }
	text           struct{ Text string }
	exitStatus     struct{ Status uint32 }
	exitSignal     struct{ Signal, Core, Message, Language string }
	sshRequestKind func(*sshSession, []byte) bool
)

// sshVariable is what clients may set, besides what begins with "LC_".
const sshVariable = "LANG"

// sshVariablesMax bounds what a client may set.
const sshVariablesMax = 32

// sftpPath is where Debian and others have OpenSSH's program.
const sftpPath = "/usr/lib/openssh/sftp-server"

// sshRequests are the requests of a session that are answered.
var sshRequests = map[string]sshRequestKind{
	"pty-req":       (*sshSession).openTerminal,
	"window-change": (*sshSession).resize,
	"env":           (*sshSession).setVariable,
	"signal":        (*sshSession).signalRequest,
	"shell":         func(s *sshSession, _ []byte) bool { return s.start("") },
	"exec": func(s *sshSession, payload []byte) bool {
		var command text
		return ssh.Unmarshal(payload, &command) == nil && s.start(command.Text)
	},
	"subsystem": func(s *sshSession, payload []byte) bool {
		var name text
		if ssh.Unmarshal(payload, &name) != nil || name.Text != "sftp" {
			return false
		}
		_, err := os.Stat(sftpPath)
		return err == nil && s.start("exec "+sftpPath)
	},
}

// serve answers a session's requests until its command has ended or the client has
// gone.
func (s *sshSession) serve(requests <-chan *ssh.Request) {
	defer s.channel.Close()
	var status chan syscall.WaitStatus // nil: nothing runs
	for {
		select {
		case ended := <-status:
			s.finish(ended)
			return
		case r, ok := <-requests:
			if !ok {
				s.abandon()
				return
			}
			handle, known := sshRequests[r.Type]
			done := known && handle(s, r.Payload)
			if r.WantReply {
				r.Reply(done, nil)
			}
			if s.child != nil {
				status = s.child.status
			}
		}
	}
}

func (s *sshSession) openTerminal(payload []byte) bool {
	var r ptyRequest
	if ssh.Unmarshal(payload, &r) != nil || s.terminal != nil || s.child != nil || strings.ContainsRune(r.Term, 0) {
		return false
	}
	t, err := openTerminal(nil)
	if err != nil {
		return false
	}
	s.terminal, s.environment = t, append(s.environment, "TERM="+r.Term)
	s.setSize(r.Columns, r.Rows)
	return true
}

func (s *sshSession) resize(payload []byte) bool {
	var r windowChange
	if ssh.Unmarshal(payload, &r) != nil || s.terminal == nil {
		return false
	}
	s.setSize(r.Columns, r.Rows)
	return true
}

// setSize sets the terminal's size; the kernel tells the command.
func (s *sshSession) setSize(columns, rows uint32) {
	unix.IoctlSetWinsize(s.terminal.fd, unix.TIOCSWINSZ, &unix.Winsize{Col: uint16(min(columns, 1<<16-1)), Row: uint16(min(rows, 1<<16-1))})
}

func (s *sshSession) setVariable(payload []byte) bool {
	var v variable
	if ssh.Unmarshal(payload, &v) != nil || len(s.environment) >= sshVariablesMax || strings.ContainsRune(v.Name+v.Value, 0) {
		return false
	}
	if v.Name != sshVariable && !strings.HasPrefix(v.Name, "LC_") {
		return false
	}
	s.environment = append(s.environment, v.Name+"="+v.Value)
	return true
}

// sshSignals are RFC 4254's names of signals (section 6.10).
var sshSignals = map[string]unix.Signal{
	"ABRT": unix.SIGABRT, "ALRM": unix.SIGALRM, "FPE": unix.SIGFPE, "HUP": unix.SIGHUP, "ILL": unix.SIGILL, "INT": unix.SIGINT, "KILL": unix.SIGKILL,
	"PIPE": unix.SIGPIPE, "QUIT": unix.SIGQUIT, "SEGV": unix.SIGSEGV, "TERM": unix.SIGTERM, "USR1": unix.SIGUSR1, "USR2": unix.SIGUSR2,
}

func (s *sshSession) signalRequest(payload []byte) bool {
	var name text
	if ssh.Unmarshal(payload, &name) != nil || s.child == nil {
		return false
	}
	signal, known := sshSignals[name.Text]
	if known {
		s.init.signalChild(s.child, signal)
	}
	return known
}

// start starts the user's shell, alone or with a command.
func (s *sshSession) start(command string) bool {
	user, err := findAccount(s.user)
	if err != nil || s.child != nil || strings.ContainsRune(command, 0) {
		return false
	}
	argv := []string{"-" + user.shell[strings.LastIndexByte(user.shell, '/')+1:]}
	if command != "" {
		argv = []string{user.shell, "-c", command}
	}
	home := user.home
	if _, err := os.Stat(home); err != nil {
		home = "/"
	}
	attributes := &os.ProcAttr{
		Dir: home,
		Env: append([]string{"PATH=" + searchPath, "HOME=" + user.home, "USER=" + user.name, "LOGNAME=" + user.name, "SHELL=" + user.shell, "LANG=C.UTF-8"}, s.environment...),
		Sys: &syscall.SysProcAttr{Setsid: true, Credential: &syscall.Credential{Uid: user.uid, Gid: user.gid, Groups: []uint32{user.gid}}},
	}
	s.copies = run.New(context.Background())
	if s.terminal != nil {
		return s.startOnTerminal(user, argv, attributes)
	}
	return s.startOnPipes(user, argv, attributes)
}

func (s *sshSession) startOnTerminal(user account, argv []string, a *os.ProcAttr) bool {
	t := s.terminal
	defer t.command.Close()
	if t.command.Chown(int(user.uid), int(user.gid)) != nil {
		return false
	}
	a.Files, a.Sys.Setctty = []*os.File{t.command, t.command, t.command}, true
	var err error
	if s.child, err = s.init.startChild(user.shell, argv, a); err != nil {
		return false
	}
	s.copies.Go("ssh output", func(context.Context) error {
		io.Copy(s.channel, t.ours) // ends with an error when the command's end is closed
		return nil
	})
	s.init.inputs.Go("ssh input", func(context.Context) error {
		io.Copy(t.ours, s.channel)
		return nil
	})
	return true
}

func (s *sshSession) startOnPipes(user account, argv []string, a *os.ProcAttr) bool {
	var ours, theirs [3]*os.File
	defer func() {
		closeAll(theirs[:])
		if s.child == nil {
			closeAll(ours[:])
		}
	}()
	for i := range ours {
		r, w, err := os.Pipe()
		if err != nil {
			return false
		}
		if ours[i], theirs[i] = r, w; i == 0 {
			ours[i], theirs[i] = w, r
		}
	}
	a.Files = theirs[:]
	var err error
	if s.child, err = s.init.startChild(user.shell, argv, a); err != nil {
		return false
	}
	for i, to := range map[int]io.Writer{1: s.channel, 2: s.channel.Stderr()} {
		s.copies.Go("ssh output", func(ctx context.Context) error {
			defer ours[i].Close()
			defer context.AfterFunc(ctx, func() { ours[i].SetReadDeadline(time.Now()) })()
			io.Copy(to, ours[i])
			return nil
		})
	}
	s.init.inputs.Go("ssh input", func(context.Context) error {
		io.Copy(ours[0], s.channel)
		ours[0].Close() // it is the end of input
		return nil
	})
	return true
}

func closeAll(files []*os.File) {
	for _, file := range files {
		if file != nil {
			file.Close()
		}
	}
}

// finish brings out what the command has written last and tells how it ended.
func (s *sshSession) finish(status syscall.WaitStatus) {
	limit := time.AfterFunc(outputWait, func() { s.stopCopies() }) // the command may have left something behind
	s.copies.Wait()
	limit.Stop()
	s.closeTerminal()
	s.channel.CloseWrite()
	if !status.Signaled() {
		s.channel.SendRequest("exit-status", false, ssh.Marshal(exitStatus{uint32(status.ExitStatus())}))
		return
	}
	name := "KILL"
	for n, signal := range sshSignals {
		if signal == status.Signal() {
			name = n
		}
	}
	s.channel.SendRequest("exit-signal", false, ssh.Marshal(exitSignal{Signal: name}))
}

// stopCopies ends the copying of output that something still could write.
func (s *sshSession) stopCopies() {
	if s.terminal != nil {
		s.terminal.ours.SetReadDeadline(time.Now())
	}
	s.copies.Stop(nil)
}

func (s *sshSession) closeTerminal() {
	if s.terminal != nil {
		s.terminal.ours.Close()
	}
}

// abandon ends what runs for a client that has gone.
func (s *sshSession) abandon() {
	if s.child != nil {
		s.init.signalChild(s.child, unix.SIGHUP)
		s.stopCopies()
		s.copies.Wait()
	}
	if s.terminal != nil && s.child == nil {
		s.terminal.command.Close()
	}
	s.closeTerminal()
}

var errEnding = errors.New("the instance is ending")

// startChild lets process 1's own thread start a process: the others have not given
// up their capabilities.
func (i *initProcess) startChild(path string, argv []string, a *os.ProcAttr) (*child, error) {
	c := &child{status: make(chan syscall.WaitStatus, 1)}
	err := i.do(func() error {
		p, err := os.StartProcess(path, argv, a)
		if err != nil {
			return err
		}
		c.pid = p.Pid
		i.children[c.pid] = c
		return p.Release()
	})
	if err != nil {
		return nil, err
	}
	return c, nil
}

// signalChild sends a signal to all of a child's group, if it has not ended.
func (i *initProcess) signalChild(c *child, signal unix.Signal) {
	i.do(func() error {
		if c.ended {
			return nil
		}
		return unix.Kill(-c.pid, signal)
	})
}

// do runs f in process 1's loop.
func (i *initProcess) do(f func() error) error {
	done := make(chan error, 1)
	select {
	case i.calls <- func() { done <- f() }:
		return <-done
	case <-i.ending:
		return errEnding
	}
}
