package demo

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// The demonstration's own account.
const (
	accountID    = "123456789012"
	accessKey    = "AKIADEMODEMODEMODEMO"
	accessSecret = "demo.secret.of.this.machine.only.0000000"
)

// debianAWS is the AWS CLI that `make setup` installs.
const debianAWS = "/usr/bin/aws"

// charon is strongSwan's IKE daemon where Debian has it.
const charon = "/usr/lib/ipsec/charon"

// A stage is what a demonstration stands on: namespaces, processes, files. It
// knows how to remove all of it.
type stage struct {
	o          Options
	program    string // this executable
	awsProgram string // Debian's aws where it is installed, else that of the PATH
	dir        string // for logs, configuration and the server's data
	device     string // "strongswan" or "causeway"

	internet, customer, site string // namespaces

	config, userData string // files
	endpoint         string // of the API

	instance, connection string

	cliCalls, cliTime atomic.Int64 // the AWS CLI's runs, and what they took of the processors in ns

	server    *exec.Cmd
	appliance *exec.Cmd
	deviceUp  bool

	printing sync.Mutex
}

func newStage(o Options) (*stage, error) {
	if os.Geteuid() != 0 {
		return nil, errors.New("the demonstration makes network namespaces and needs root")
	}
	for _, tool := range []string{"ip", "nft", "ping", "curl", "aws"} {
		if _, err := exec.LookPath(tool); err != nil {
			return nil, fmt.Errorf("%s is missing: `make setup` installs what is needed", tool)
		}
	}
	awsProgram := "aws"
	if exists(debianAWS) {
		awsProgram = debianAWS
	}
	program, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find own executable: %w", err)
	}
	random := make([]byte, 3)
	if _, err := rand.Read(random); err != nil {
		return nil, fmt.Errorf("choose a name: %w", err)
	}
	name := "cwdemo" + hex.EncodeToString(random)
	dir := o.Keep
	if dir == "" {
		dir, err = os.MkdirTemp("", name+"-")
	} else {
		err = os.MkdirAll(dir, 0o700)
	}
	if err != nil {
		return nil, fmt.Errorf("make directory: %w", err)
	}
	s := &stage{
		o: o, program: program, awsProgram: awsProgram, dir: dir, device: o.Device,
		internet: name + "-inet", customer: name + "-cgw", site: name + "-site",
		config: filepath.Join(dir, "causeway.yaml"), userData: filepath.Join(dir, "user-data"),
	}
	if s.device == "auto" || s.device == "" {
		s.device = "causeway"
		if exists(charon) {
			s.device = "strongswan"
		}
	}
	return s, nil
}

// buildNetworks makes the internet, the customer gateway and the site.
func (s *stage) buildNetworks(ctx context.Context) error {
	s.say("  %s: an internet; %s: the customer gateway %s; %s: a host %s behind it.", s.internet, s.customer, customerAddress, s.site, siteHost)
	for _, line := range []string{
		"ip netns add " + s.internet,
		"ip netns add " + s.customer,
		"ip netns add " + s.site,
		"ip -n " + s.internet + " link set lo up",
		"ip -n " + s.customer + " link set lo up",
		"ip -n " + s.site + " link set lo up",
		"ip link add wan netns " + s.customer + " type veth peer name cgw netns " + s.internet,
		"ip link add lan netns " + s.customer + " type veth peer name eth0 netns " + s.site,
		"ip -n " + s.internet + " addr add " + internetAddress + "/24 dev cgw",
		"ip -n " + s.internet + " link set cgw up",
		"ip -n " + s.customer + " addr add " + customerAddress + "/24 dev wan",
		"ip -n " + s.customer + " link set wan up",
		"ip -n " + s.customer + " route add default via " + internetAddress,
		"ip -n " + s.customer + " addr add " + siteRouter + "/24 dev lan",
		"ip -n " + s.customer + " link set lan up",
		"ip netns exec " + s.customer + " sysctl -qw net.ipv4.ip_forward=1",
		"ip -n " + s.site + " addr add " + siteHost + "/24 dev eth0",
		"ip -n " + s.site + " link set eth0 up",
		"ip -n " + s.site + " route add default via " + siteRouter,
	} {
		if err := s.quiet(ctx, strings.Fields(line)...); err != nil {
			return err
		}
	}
	return nil
}

// startServer writes the configuration and starts `causeway serve`.
func (s *stage) startServer(ctx context.Context) error {
	config := fmt.Sprintf(`data_dir: %s
listen: 127.0.0.1:0
accounts:
  - id: %q
    access_keys: [{ id: %s, secret: %s }]
outside:
  namespace: %s
`, filepath.Join(s.dir, "data"), accountID, accessKey, accessSecret, s.internet)
	userData := fmt.Sprintf("#!/bin/sh\nmkdir -p /srv/www && cd /srv/www\necho '%s' > index.html\nexec python3 -m http.server 80\n", webPage)
	for name, content := range map[string]string{s.config: config, s.userData: userData} {
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			return fmt.Errorf("write %s: %w", name, err)
		}
	}
	server, err := s.start("serve", s.program, "serve", "--config", s.config)
	if err != nil {
		return err
	}
	s.server = server
	name := filepath.Join(s.dir, "data", "endpoint")
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if text, err := os.ReadFile(name); err == nil {
			s.endpoint = strings.TrimSpace(string(text))
			s.say("  The API is at %s.", s.endpoint)
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if !running(server) {
			break
		}
	}
	log, _ := os.ReadFile(filepath.Join(s.dir, "serve.log"))
	return fmt.Errorf("causeway serve did not start:\n%s", log)
}

// downloaded is the file that the sample configuration is saved in, untouched.
func (s *stage) downloaded() string { return filepath.Join(s.dir, s.device+".download") }

func (s *stage) startDevice(ctx context.Context, sample string) error {
	if err := os.WriteFile(s.downloaded(), []byte(sample), 0o600); err != nil {
		return fmt.Errorf("save the downloaded configuration: %w", err)
	}
	if s.device == "causeway" {
		argv := []string{"ip", "netns", "exec", s.customer, s.program, "appliance", "--status", "--config", s.downloaded()}
		s.command(argv...)
		appliance, err := s.start("appliance", argv...)
		s.appliance = appliance
		return err
	}
	s.deviceUp = true
	return s.show(ctx, "ip", "netns", "exec", s.customer, "bash", s.downloaded(), "up")
}

// takeTunnel1Down ends tunnel 1 at the site: by the device's own means where it
// has some, else by cutting its packets off, which takes dead peer detection's
// time to be noticed.
func (s *stage) takeTunnel1Down(ctx context.Context) error {
	if s.device == "strongswan" {
		return s.show(ctx, "ip", "netns", "exec", s.customer, "bash", s.downloaded(), "down", "1")
	}
	address, err := s.aws(ctx, "describe-vpn-connections", "--vpn-connection-ids", s.connection, "--query", "VpnConnections[0].VgwTelemetry[0].OutsideIpAddress", "--output", "text")
	if err != nil {
		return err
	}
	rules := fmt.Sprintf("table inet cut { chain out { type filter hook output priority 0; ip daddr %[1]s drop; }; "+
		"chain in { type filter hook input priority 0; ip saddr %[1]s drop; }; }", strings.TrimSpace(address))
	return s.show(ctx, "ip", "netns", "exec", s.customer, "nft", rules)
}

func (s *stage) bringTunnel1Back(ctx context.Context) error {
	if s.device == "strongswan" {
		return s.show(ctx, "ip", "netns", "exec", s.customer, "bash", s.downloaded(), "up", "1")
	}
	return s.show(ctx, "ip", "netns", "exec", s.customer, "nft", "delete table inet cut")
}

// aws prints and runs `aws ec2 …`.
func (s *stage) aws(ctx context.Context, arguments ...string) (string, error) {
	argv := append([]string{"aws", "--endpoint-url", s.endpoint, "ec2"}, arguments...)
	s.command(argv...)
	argv[0] = s.awsProgram
	return s.output(ctx, argv...)
}

// command prints a command as it could be typed.
func (s *stage) command(argv ...string) {
	quoted := make([]string, len(argv))
	for i, a := range argv {
		if quoted[i] = a; a == "" || strings.ContainsAny(a, " \t\n'\"\\$`*?[]{}()<>|&;#~!") {
			quoted[i] = "'" + strings.ReplaceAll(a, "'", `'\''`) + "'"
		}
	}
	s.say("$ %s", strings.Join(quoted, " "))
}

// show prints a command, runs it and prints what it says.
func (s *stage) show(ctx context.Context, argv ...string) error {
	s.command(argv...)
	out, err := s.output(ctx, argv...)
	if out != "" {
		s.say("%s", indent(out))
	}
	return err
}

func (s *stage) quiet(ctx context.Context, argv ...string) error {
	_, err := s.output(ctx, argv...)
	return err
}

// output runs a command. The error holds what it wrote to stderr.
func (s *stage) output(ctx context.Context, argv ...string) (string, error) {
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Env = append(os.Environ(),
		"AWS_ACCESS_KEY_ID="+accessKey, "AWS_SECRET_ACCESS_KEY="+accessSecret, "AWS_DEFAULT_REGION="+region,
		"AWS_PAGER=", "AWS_EC2_METADATA_DISABLED=true", "AWS_CONFIG_FILE=/dev/null", "AWS_SHARED_CREDENTIALS_FILE=/dev/null")
	cmd.Dir = s.dir // where file://NAME is
	cmd.Cancel = func() error { return cmd.Process.Signal(unix.SIGTERM) }
	cmd.WaitDelay = 5 * time.Second
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Start()
	if err == nil {
		if isAside(ctx) {
			_ = unix.Setpriority(unix.PRIO_PROCESS, cmd.Process.Pid, niceAside) // or else it is a little in the way
		}
		err = cmd.Wait()
		if argv[0] == s.awsProgram {
			s.cliCalls.Add(1)
			s.cliTime.Add(int64(cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()))
		}
	}
	if err != nil {
		said := strings.TrimSpace(cmp.Or(stderr.String(), stdout.String()))
		return stdout.String(), fmt.Errorf("%s: %w: %s", strings.Join(argv, " "), err, said)
	}
	return stdout.String(), nil
}

var requestLine = regexp.MustCompile(`(?m)^time=(\S+) .*msg="api request"`)

// firstCall is when the API got its first call, by the server's log.
func (s *stage) firstCall() (time.Time, error) {
	log, err := os.ReadFile(filepath.Join(s.dir, "serve.log"))
	if err != nil {
		return time.Time{}, fmt.Errorf("read the server's log: %w", err)
	}
	m := requestLine.FindSubmatch(log)
	if m == nil {
		return time.Time{}, errors.New("the server's log has no call")
	}
	return time.Parse(time.RFC3339Nano, string(m[1]))
}

// start runs a program until the stage is closed; what it says goes to a log.
func (s *stage) start(name string, argv ...string) (*exec.Cmd, error) {
	log, err := os.Create(filepath.Join(s.dir, name+".log"))
	if err != nil {
		return nil, fmt.Errorf("make log: %w", err)
	}
	defer log.Close()
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &unix.SysProcAttr{Setpgid: true, Pdeathsig: unix.SIGTERM} // Ctrl-C is ours to hand on
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	return cmd, nil
}

// running reports whether a started program has not ended.
func running(cmd *exec.Cmd) bool {
	var info unix.Siginfo
	err := unix.Waitid(unix.P_PID, cmd.Process.Pid, &info, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil)
	return err == nil && info.Signo == 0
}

// end asks a program to end and waits; after a while it insists.
func end(cmd *exec.Cmd) {
	if cmd == nil {
		return
	}
	_ = cmd.Process.Signal(unix.SIGTERM) // it may have ended by itself
	insist := time.AfterFunc(10*time.Second, func() { _ = cmd.Process.Kill() })
	defer insist.Stop()
	_ = cmd.Wait() // how it ended is in its log
}

// close removes all that the stage has made, in the reverse order.
func (s *stage) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var errs []error
	if s.deviceUp {
		errs = append(errs, s.quiet(ctx, "ip", "netns", "exec", s.customer, "bash", s.downloaded(), "down"))
	}
	end(s.appliance)
	end(s.server)
	if s.server != nil {
		errs = append(errs, s.quiet(ctx, s.program, "clean", "--config", s.config, "--data"))
	}
	for _, name := range []string{s.site, s.customer, s.internet} {
		if exists("/run/netns/" + name) {
			errs = append(errs, s.quiet(ctx, "ip", "netns", "del", name))
		}
	}
	if s.o.Keep == "" {
		errs = append(errs, os.RemoveAll(s.dir))
	}
	return errors.Join(errs...)
}

func (s *stage) heading(name string) { s.say("\n== %s", name) }

func (s *stage) say(format string, args ...any) {
	s.printing.Lock()
	defer s.printing.Unlock()
	fmt.Fprintf(s.o.Out, format+"\n", args...)
}

// A pinger pings the instance from the site until it is stopped.
type pinger struct {
	cmd     *exec.Cmd
	out     bytes.Buffer
	once    sync.Once
	sent    int
	arrived int
	err     error
}

func (s *stage) startPing(_ context.Context, interval time.Duration) (*pinger, error) {
	argv := []string{"ip", "netns", "exec", s.site, "ping", "-n", "-i", fmt.Sprintf("%.3f", interval.Seconds()), instanceAddress}
	s.command(append(argv, "&")...)
	p := &pinger{cmd: exec.Command(argv[0], argv[1:]...)}
	p.cmd.Stdout = &p.out
	p.cmd.SysProcAttr = &unix.SysProcAttr{Setpgid: true, Pdeathsig: unix.SIGTERM}
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start ping: %w", err)
	}
	return p, nil
}

var pingSummary = regexp.MustCompile(`(\d+) packets transmitted, (\d+) received`)

// stop ends the ping and returns how many were sent and answered.
func (p *pinger) stop() (sent, received int, err error) {
	p.once.Do(func() {
		_ = p.cmd.Process.Signal(unix.SIGINT) // ping sums up when interrupted
		_ = p.cmd.Wait()                      // its exit code says only whether all were answered
		m := pingSummary.FindStringSubmatch(p.out.String())
		if m == nil {
			p.err = fmt.Errorf("ping did not sum up: %s", p.out.String())
			return
		}
		p.sent, _ = strconv.Atoi(m[1])
		p.arrived, _ = strconv.Atoi(m[2])
		// The last one may have been on its way when the ping was ended.
		if !strings.Contains(p.out.String(), fmt.Sprintf("icmp_seq=%d ", p.sent)) {
			p.sent--
		}
	})
	return p.sent, p.arrived, p.err
}
